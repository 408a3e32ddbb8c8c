"""The text of PDF documents."""

from typing import Any, BinaryIO

from workflows.documents.answer import Answer, Paper, Unreadable, Wish

LOCKED = "The PDF is protected with a password. Ask for a copy without one."
SCAN = "The PDF has {} but no text: it is probably a scan or a picture. Have its text recognised (OCR) first."
FACTS = ("title", "author", "subject", "creator", "producer")


def read_pdf(file: BinaryIO, wish: Wish) -> Answer:
    """Return the text of a PDF, page by page with a form feed between them. Raises Unreadable."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable(LOCKED)
        return _read(reader, wish)
    except (DependencyError, FileNotDecryptedError) as error:
        raise Unreadable(LOCKED) from error
    except PyPdfError as error:
        raise Unreadable(f"The PDF is damaged: {error}") from error


def _read(reader: "PdfReader", wish: Wish) -> Answer:  # type: ignore[name-defined]  # noqa: F821 - imported when needed
    pages = len(reader.pages)
    paper, warnings = Paper(wish.characters), []
    for number in range(min(pages, wish.pages)):
        if paper.full:
            break
        text, plain = _page_text(reader.pages[number], wish.layout)
        if plain:
            warnings.append(f"The layout of page {number + 1} could not be kept; its text is there.")
        paper.write(text.rstrip())
    answer = Answer(paper.text("\f"), {"pages": pages} | _facts(reader), warnings)
    if pages > wish.pages:
        answer.warnings.append(f"Only the first {wish.pages} of {pages} pages were read.")
    if paper.cut:
        answer.warnings.append(f"Only the first {wish.characters:,} characters were taken.")
    if not answer.text.strip():
        raise Unreadable(SCAN.format("one page" if pages == 1 else f"{pages} pages"))
    return answer


def _page_text(page: "PageObject", layout: bool) -> tuple[str, bool]:  # type: ignore[name-defined]  # noqa: F821
    """Return the text of a page, and whether it lost its layout on the way: fonts that say nothing of their widths."""
    if layout:
        try:
            return page.extract_text(extraction_mode="layout"), False
        except (MemoryError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 - whatever the layout failed at, the plain text may be there
            return page.extract_text(), True
    return page.extract_text(), False


def _facts(reader: "PdfReader") -> dict[str, Any]:  # type: ignore[name-defined]  # noqa: F821
    from pypdf.errors import PyPdfError

    try:
        found = reader.metadata or {}
        facts: dict[str, Any] = {name: str(value) for name in FACTS if (value := found.get(f"/{name.title()}"))}
        names = list(reader.attachments)
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return facts | ({"attachments": names} if names else {})
