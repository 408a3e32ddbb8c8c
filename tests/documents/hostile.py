"""Documents made to hurt their reader."""

import io
import zipfile
import zlib
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart

from tests.documents.made import pdf_of, word, zip_of

TYPES = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
WORD_NS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def billion_laughs() -> bytes:
    """A Word document whose entities would unfold to gigabytes."""
    entities = '<!ENTITY l0 "laughter">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 11))
    body = f'<?xml version="1.0"?><!DOCTYPE d [{entities}]><w:document xmlns:w="{WORD_NS}"><w:body><w:p><w:r>'
    return _with_part("word/document.xml", f"{body}<w:t>&l10;</w:t></w:r></w:p></w:body></w:document>".encode())


def secret_reader(path: str) -> bytes:
    """A Word document that wants a file of this machine in its text."""
    body = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file://{path}">]><w:document xmlns:w="{WORD_NS}">'
    rest = "<w:body><w:p><w:r><w:t>seen: &x;</w:t></w:r></w:p></w:body></w:document>"
    return _with_part("word/document.xml", (body + rest).encode())


def honest_bomb() -> bytes:
    """An archive that says how much too large it is."""
    return zip_of({"[Content_Types].xml": TYPES, "word/document.xml": b"\x00" * (250 * 1024 * 1024)}, level=1)


def lying_bomb(size: int = 600 * 1024 * 1024) -> bytes:
    """A workbook whose archive says that its sheet is small, but which unpacks to `size` bytes."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("xl/workbook.xml", b" " * 100)
    raw = output.getvalue()
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    chunk = b" " * (16 * 1024 * 1024)
    packed = b"".join(packer.compress(chunk) for _ in range(size // len(chunk))) + packer.flush()
    return _swap(raw, "xl/workbook.xml", packed)


def _swap(raw: bytes, name: str, packed: bytes) -> bytes:
    """Put another packed body under a name, and leave the sizes as they were told in the directory."""
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(output, "w") as archive:
        for info in source.infolist():
            archive.writestr(info, packed if info.filename == name else source.read(info), zipfile.ZIP_STORED)
    data = bytearray(output.getvalue())
    at = data.rfind(b"PK\x01\x02")
    data[at + 10 : at + 12] = (8).to_bytes(2, "little")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")
    local = int.from_bytes(data[at + 42 : at + 46], "little")
    data[local + 8 : local + 10] = (8).to_bytes(2, "little")
    return bytes(data)


def deep_pdf(depth: int = 20_000) -> bytes:
    """A PDF with arrays in arrays."""
    return pdf_of([b"<< /Type /Catalog /Pages 2 0 R /Deep %s%s >>" % (b"[" * depth, b"]" * depth), b"[" * depth])


def circular_pdf() -> bytes:
    """A PDF whose tree of pages is its own ancestor."""
    return pdf_of([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R] /Count 9 /Parent 2 0 R >>"])


def inflating_pdf(size: int = 600 * 1024 * 1024) -> bytes:
    """A PDF of some megabytes whose one page unpacks to `size` bytes."""
    packer, chunk = zlib.compressobj(1), b"(a) Tj " * (1024 * 1024)
    packed = b"".join(packer.compress(chunk) for _ in range(size // len(chunk))) + packer.flush()
    return pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << >> >>",
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
        ]
    )


def endless_mail(depth: int = 3000) -> bytes:
    """A message within a message within a message."""
    boundaries = [f"b{number}" for number in range(depth)]
    lines = ["Subject: deep", "From: a@example.com", "MIME-Version: 1.0"]
    for boundary in boundaries:
        lines += [f'Content-Type: multipart/mixed; boundary="{boundary}"', "", f"--{boundary}"]
    return "\r\n".join([*lines, "Content-Type: text/plain", "", "the end"]).encode()


def crowded_mail(parts: int = 5000) -> bytes:
    """A message with thousands of parts."""
    message = MIMEMultipart()
    message["Subject"] = "crowd"
    for number in range(parts):
        part = EmailMessage()
        part.set_content(f"part {number}")
        message.attach(part)
    return message.as_bytes()


def _with_part(name: str, data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(word("x"))) as source:
        parts = {info.filename: source.read(info) for info in source.infolist()}
    return zip_of(parts | {name: data})
