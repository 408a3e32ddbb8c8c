"""What kind of list a file is: its kind by its bytes, then encoding, delimiter and whether it has a heading."""

import codecs
import csv
import re
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from io import StringIO
from typing import IO, Any, Self

from workflows.domain.extraction.dates import DateOrder

HEAD = 64 * 1024
DELIMITERS = (",", ";", "\t", "|")
#: What an unpacked workbook may hold, beside its size: parts, and how much smaller packing made it.
MOST_PARTS, MOST_SHRUNK = 5_000, 200
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_VALUE = re.compile(
    r"[-+]?[\d.,/: %€$£-]*\d[\d.,/: %€$£-]*|[^@\s]+@[^@\s]+\.\w+|true|false|https?://\S+", re.IGNORECASE
)


class Kind(StrEnum):
    """The kinds of lists."""

    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"


class BadFile(ValueError):
    """The file cannot be read as a list; says why, in words for the person who uploaded it."""


@dataclass(frozen=True, slots=True)
class Format:
    """How to read a list. `header` says whether its first row names the columns; `order` how 03/04/2026 is meant."""

    kind: Kind
    encoding: str = "utf-8"
    delimiter: str = ","
    header: bool = True
    order: DateOrder = DateOrder.DAY_FIRST

    def to_json(self) -> dict[str, Any]:
        """Return the format in a form that JSON can keep."""
        return {
            "kind": self.kind.value,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "header": self.header,
            "order": self.order.value,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**kept | {"kind": Kind(kept["kind"]), "order": DateOrder(kept["order"])})


def detect(file: IO[bytes], *, most_unpacked: int) -> Format:
    """Return how to read `file`, which is read whole once and left at its beginning. Raises BadFile."""
    head = file.read(HEAD)
    if not head.strip(b"\0 \t\r\n"):
        raise BadFile("The file is empty.")
    if head.startswith(b"PK\x03\x04"):
        check_workbook(file, most_unpacked=most_unpacked)
        file.seek(0)
        return Format(Kind.XLSX)
    _refuse_other(head)
    encoding = _encoding(file, head)
    file.seek(0)
    text = head.decode(encoding, "ignore")
    if text.lstrip().startswith("{"):
        # JSON is UTF-8: a line that is not gets told by itself.
        return Format(Kind.JSONL, "utf-8" if encoding == "cp1252" else encoding)
    found = Format(Kind.CSV, encoding, find_delimiter(text))
    return replace(found, header=looks_like_header(text, found.delimiter))


def check_workbook(file: IO[bytes], *, most_unpacked: int) -> None:
    """Raise BadFile for what is no workbook, or would unpack to more than `most_unpacked` bytes."""
    try:
        parts = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise BadFile("The workbook is damaged: it cannot be unpacked.") from error
    names = {part.filename for part in parts}
    if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
        raise BadFile("This is a ZIP archive, but no Excel workbook (.xlsx).")
    unpacked, packed = sum(part.file_size for part in parts), sum(part.compress_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > most_unpacked or unpacked > max(packed, 100_000) * MOST_SHRUNK:
        raise BadFile(f"The workbook unpacks to {unpacked:,} bytes, which is more than is read. Split it, or use CSV.")


def _refuse_other(head: bytes) -> None:
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadFile("This is a workbook of the old form (.xls), or one with a password. Save it as .xlsx or CSV.")
    if head.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"\x7fELF")):
        raise BadFile("This is no list. Upload CSV, Excel (.xlsx) or JSON lines.")


def _encoding(file: IO[bytes], head: bytes) -> str:
    """Return the encoding of the whole file: by its mark, as UTF-16 by its zeros, as UTF-8 if it is, else cp1252."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    sample = head[:4096]
    zeros = sample[0::2].count(0), sample[1::2].count(0)
    if max(zeros) > len(sample) * 0.2:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if sample.count(0):
        raise BadFile("This is no text. Upload CSV, Excel (.xlsx) or JSON lines.")
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while chunk := file.read(1024 * 1024):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def find_delimiter(text: str) -> str:
    """Return the mark between cells: the one that gives the most rows the same number of cells, above one."""
    named = _SEPARATOR_LINE.match(text)
    if named is not None:
        return named[1]
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        widths = Counter(len(row) for row in _sample_rows(text, delimiter))
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        score = count / max(widths.total(), 1) + min(width, 50) / 1000 if width > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def looks_like_header(text: str, delimiter: str) -> bool:
    """Say whether the first row names columns: no cell is empty, a figure, a date or an address, and none is twice."""
    first = next(iter(_sample_rows(text, delimiter)), [])
    cells = [cell.strip() for cell in first]
    return all(cells) and len(set(cells)) == len(cells) and not any(_VALUE.fullmatch(cell) for cell in cells)


def _sample_rows(text: str, delimiter: str, most: int = 60) -> list[list[str]]:
    rows: list[list[str]] = []
    body = text[match.end() :] if (match := _SEPARATOR_LINE.match(text)) else text
    with suppress(csv.Error):
        for row in csv.reader(StringIO(body, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) == most:
                break
    # The last one may have been cut.
    return rows[:-1] if len(rows) > 1 and len(rows) < most and len(text) >= HEAD // 4 else rows
