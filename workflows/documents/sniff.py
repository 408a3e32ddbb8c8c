"""What a file is, by its own bytes. A name or a sender's word only chooses among kinds of text, which all are text."""

import re
import struct
from collections.abc import Iterator

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ZIP = "application/zip"
HTML = "text/html"
CSV = "text/csv"
TEXT = "text/plain"
EML = "message/rfc822"
EMPTY = "application/x-empty"
PROGRAM = "application/x-executable"
UNKNOWN = "application/octet-stream"

#: How people call the types.
NAMES = {
    PDF: "a PDF",
    DOCX: "a Word document",
    XLSX: "an Excel workbook",
    PPTX: "a PowerPoint presentation",
    ZIP: "a ZIP archive",
    HTML: "a web page",
    CSV: "a table (CSV)",
    TEXT: "plain text",
    EML: "an e-mail message",
    EMPTY: "an empty file",
    PROGRAM: "a program",
    "application/msword": "an old Office document (before 2007)",
    "application/rtf": "a rich-text document (RTF)",
    "application/json": "JSON",
    "application/xml": "XML",
}
#: The endings that fit a type, where a wrong one is worth a word.
ENDINGS = {
    PDF: ("pdf",),
    DOCX: ("docx", "docm", "dotx"),
    XLSX: ("xlsx", "xlsm", "xltx"),
}
MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"{\\rtf", "application/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"),
    (b"\x7fELF", PROGRAM),
    (b"MZ", PROGRAM),
    (b"\xcf\xfa\xed\xfe", PROGRAM),
    (b"\xca\xfe\xba\xbe", PROGRAM),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
)
OFFICE = {"word/": DOCX, "xl/": XLSX, "ppt/": PPTX}
#: Zip's records: the end of the directory, and one entry of it.
ZIP_END, ZIP_ENTRY = b"PK\x05\x06", b"PK\x01\x02"
MOST_ENTRIES = 2000
HEAD = 4096
HEADER_LINE = re.compile(rb"[A-Za-z][A-Za-z0-9-]{1,60}:")
MAIL_HEADERS = re.compile(
    rb"^(From|To|Subject|Date|Received|Return-Path|Message-ID|MIME-Version|Delivered-To|Content-Type|X-[\w-]+):",
    re.IGNORECASE | re.MULTILINE,
)
WEB_PAGE = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
BY_ENDING = {"eml": EML, "csv": CSV, "tsv": CSV, "htm": HTML, "html": HTML, "json": "application/json"}


def sniff(data: bytes, name: str = "") -> str:
    """Return the content type of a whole file. `name` decides only between kinds of text."""
    if not data:
        return EMPTY
    if data.startswith((b"PK\x03\x04", ZIP_END)):
        return _zip_type(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for magic, found in MAGIC:
        if data.startswith(magic) and (len(magic) > 2 or not _is_text(data)):
            return found
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    # Readers take a PDF whose header comes late; a message that carries one is a message.
    if b"%PDF-" in data[:1024] and ending not in BY_ENDING and not MAIL_HEADERS.match(data):
        return PDF
    return _text_type(data, ending) if _is_text(data) or ending == "eml" else UNKNOWN


def say(content_type: str) -> str:
    """Return how people call a content type."""
    return NAMES.get(content_type) or ("a picture" if content_type.startswith("image/") else "a file of no known kind")


def _is_text(data: bytes) -> bool:
    head = data[:HEAD]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    strange = sum(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in head)
    return b"\x00" not in head and strange * 100 <= len(head)


def _text_type(data: bytes, ending: str) -> str:
    head = data[:HEAD].lstrip(b"\xef\xbb\xbf").lstrip()
    if _is_mail(head):
        return EML
    if ending == "eml" and not head.startswith(b"<"):
        return EML
    if WEB_PAGE.search(head[:2048]):
        return HTML
    if head.startswith(b"<?xml"):
        return "application/xml"
    found = BY_ENDING.get(ending, TEXT)
    return TEXT if found == EML else found


def _is_mail(head: bytes) -> bool:
    if head.startswith(b"From "):
        head = head.partition(b"\n")[2]
    if not HEADER_LINE.match(head):
        return False
    headers = head.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    return len({found.lower() for found in MAIL_HEADERS.findall(headers)}) >= 2


def _zip_type(data: bytes) -> str:
    """Tell the office types apart by what their archive holds; everything else is a ZIP archive."""
    names = list(zip_names(data))
    if "[Content_Types].xml" in names:
        for beginning, found in OFFICE.items():
            if any(name.startswith(beginning) for name in names):
                return found
    return ZIP


def zip_names(data: bytes) -> Iterator[str]:
    """Return the first names in a ZIP archive's directory, without unpacking or trusting anything in it."""
    end = data.rfind(ZIP_END, max(len(data) - 66_000, 0))
    if end < 0 or len(data) < end + 22:
        return
    at = struct.unpack_from("<L", data, end + 16)[0]
    for _ in range(MOST_ENTRIES):
        if data[at : at + 4] != ZIP_ENTRY or len(data) < at + 46:
            return
        length, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        yield data[at + 46 : at + 46 + length].decode("utf-8", "replace")
        at += 46 + length + extra + comment
