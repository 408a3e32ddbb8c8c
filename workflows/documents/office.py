"""The text of Word documents and Excel workbooks."""

import datetime
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from workflows.documents.answer import Answer, Paper, Unreadable, Wish

#: What the parts of an office file may be in all when they are unpacked, and how many there may be.
MOST_UNPACKED = 200 * 1024 * 1024
MOST_PARTS = 5000
MOST_COLUMNS = 500
BOMB = "The file is far larger when it is unpacked than such documents are; it is not opened."
DAMAGED = "The file is damaged: it cannot be opened as {}."
LOCKED = "The file is protected with a password. Ask for a copy without one."


def check_archive(file: BinaryIO) -> None:
    """Look at what the archive says it unpacks to. Raises Unreadable; what lies about it meets the memory limit."""
    try:
        parts = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Unreadable("The file is damaged: its archive cannot be opened.") from error
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
        raise Unreadable(BOMB)
    if any(part.flag_bits & 1 for part in parts):
        raise Unreadable(LOCKED)
    file.seek(0)


def read_docx(file: BinaryIO, wish: Wish) -> Answer:
    """Return the text of a Word document: paragraphs and tables in their order, then notes. Raises Unreadable."""
    check_archive(file)
    import docx
    from docx.opc.exceptions import OpcError

    try:
        document = docx.Document(file)
        paper = Paper(wish.characters)
        for text in _blocks(document.element.body):
            if paper.full:
                break
            paper.write(text)
        notes = [text for part in _note_parts(document) for text in _blocks(part) if text.strip()]
        for text in notes:
            paper.write(text)
        core = document.core_properties
        facts = {name: value for name in ("title", "author", "subject") if (value := getattr(core, name))}
    except (OpcError, KeyError, ValueError, AttributeError, SyntaxError, zipfile.BadZipFile) as error:
        raise Unreadable(DAMAGED.format("a Word document")) from error
    answer = Answer(paper.text(), facts)
    if paper.cut:
        answer.warnings.append(f"Only the first {wish.characters:,} characters were taken.")
    if not answer.text.strip():
        raise Unreadable("The Word document holds no text.")
    return answer


def _blocks(root: Any) -> Iterator[str]:
    """Return paragraphs as lines, and table rows as lines with tabs between their cells."""
    from docx.oxml.ns import qn

    for child in root.iterchildren():
        if child.tag == qn("w:p"):
            yield _text_of(child)
        elif child.tag == qn("w:tbl"):
            for row in child.iterchildren(qn("w:tr")):
                cells = [" ".join(_blocks(cell)).strip() for cell in row.iter(qn("w:tc"))]
                yield "\t".join(cells)
        elif child.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:footnote"), qn("w:endnote"), qn("w:comment")):
            yield from _blocks(child)


def _text_of(paragraph: Any) -> str:
    """Return a paragraph's text, links and text boxes included, without what was deleted."""
    from docx.oxml.ns import qn

    marks = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
    return "".join(
        (node.text or "") if node.tag == qn("w:t") else marks.get(node.tag, "") for node in paragraph.iter()
    ).rstrip()


def _note_parts(document: Any) -> Iterator[Any]:
    """Return the footnotes, endnotes and comments as parsed XML."""
    from docx.oxml import parse_xml

    for relation in document.part.rels.values():
        if not relation.is_external and relation.reltype.rpartition("/")[2] in ("footnotes", "endnotes", "comments"):
            yield parse_xml(relation.target_part.blob)


def read_xlsx(file: BinaryIO, wish: Wish) -> Answer:
    """Return a workbook's sheets as lines with tabs between the cells, values and no formulas. Raises Unreadable."""
    check_archive(file)
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        paper = Paper(wish.characters)
        for sheet in book.worksheets[: wish.pages]:
            paper.write(f"# {sheet.title}")
            for row in sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS):
                if paper.full:
                    break
                line = "\t".join(map(_cell, row)).rstrip("\t")
                if line:
                    paper.write(line)
        facts = {"sheets": book.sheetnames} | {
            name: value
            for name, value in (("title", book.properties.title), ("author", book.properties.creator))
            if value
        }
    except (
        InvalidFileException,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        SyntaxError,
        zipfile.BadZipFile,
    ) as error:
        raise Unreadable(DAMAGED.format("an Excel workbook")) from error
    answer = Answer(paper.text(), facts)
    if len(book.sheetnames) > wish.pages:
        answer.warnings.append(f"Only the first {wish.pages} of {len(book.sheetnames)} sheets were read.")
    if paper.cut:
        answer.warnings.append(f"Only the first {wish.characters:,} characters were taken.")
    if all(part.startswith("# ") for part in paper.parts):
        raise Unreadable("The workbook holds no values.")
    return answer


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return " ".join(str(value).split())
