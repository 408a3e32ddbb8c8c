"""Reads one document in a process of its own: bytes on stdin, the answer as JSON on stdout.

    python -m workflows.documents.read '{"name": "a.pdf", "memory_mb": 512, "cpu_seconds": 30, "wish": {...}}' < a.pdf

It imports nothing of Django and knows no setting; what goes wrong with it is its parent's to say (child.py).
"""

import io
import json
import sys
from dataclasses import replace
from typing import Any, BinaryIO

from workflows.documents.answer import Answer, Unreadable, Wish
from workflows.documents.limits import confine
from workflows.documents.mail import read_mail
from workflows.documents.office import read_docx, read_xlsx
from workflows.documents.pdf import read_pdf
from workflows.documents.sniff import CSV, DOCX, EML, EMPTY, ENDINGS, HTML, PDF, TEXT, XLSX, say, sniff
from workflows.documents.text import read_html, read_text

TEXTS = (TEXT, CSV, "application/json", "application/xml")
#: How deep messages in messages are read.
DEPTH = 2
READABLE = "PDF, Word (docx), Excel (xlsx), CSV, web pages, e-mail messages and plain text"


def read_document(data: bytes, name: str, wish: Wish, *, depth: int = DEPTH) -> Answer:
    """Return the text of a document, whatever its name claims it is. Raises Unreadable."""
    kind = sniff(data, name)
    answer = _read(kind, data, wish, depth)
    answer.facts = {"type": kind} | answer.facts
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if kind in ENDINGS and ending and ending not in ENDINGS[kind]:
        answer.warnings.insert(0, f"The name ends in .{ending}, but the file is {say(kind)}; it was read as that.")
    return answer


def _read(kind: str, data: bytes, wish: Wish, depth: int) -> Answer:
    if kind == PDF:
        return read_pdf(io.BytesIO(data), wish)
    if kind == DOCX:
        return read_docx(io.BytesIO(data), wish)
    if kind == XLSX:
        return read_xlsx(io.BytesIO(data), wish)
    if kind == HTML:
        return read_html(data, wish)
    if kind == EML:
        inner = replace(wish, attachments=wish.attachments and depth > 1)
        return read_mail(data, wish, lambda part, name, _: read_document(part, name, inner, depth=depth - 1))
    if kind in TEXTS:
        return read_text(data, wish)
    if kind == EMPTY:
        raise Unreadable("The file is empty.")
    raise Unreadable(f"This is {say(kind)}. Such files cannot be read here; {READABLE} can.")


def answer_to(task: dict[str, Any], file: BinaryIO) -> dict[str, Any]:
    """Return what the parent is told: `text`, `facts` and `warnings`, or `unreadable` with the reason."""
    try:
        answer = read_document(file.read(), task["name"], Wish(**task["wish"]))
    except Unreadable as error:
        return {"unreadable": str(error)}
    except MemoryError:
        return {"unreadable": "The file needs more memory to be read than a document may have."}
    except RecursionError:
        return {"unreadable": "The file is built too deep to be followed."}
    except Exception as error:  # noqa: BLE001 - what a parser stumbles over says something of the file, not of us
        return {"unreadable": f"The file is damaged: it cannot be read ({type(error).__name__})."}
    return {"text": answer.text, "facts": answer.facts, "warnings": answer.warnings}


def main() -> None:
    """Confine this process, read, answer."""
    task = json.loads(sys.argv[1])
    confine(memory_mb=task["memory_mb"], cpu_seconds=task["cpu_seconds"])
    said = json.dumps(answer_to(task, sys.stdin.buffer), default=str)
    sys.stdout.write(said)


if __name__ == "__main__":
    main()
