"""What the commands of this app print."""

from collections.abc import Sequence
from typing import Protocol

from django.core.exceptions import ValidationError


class Writer(Protocol):
    """Django's command output."""

    def write(self, msg: str) -> None: ...


def write_table(out: Writer, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows in columns, each as wide as its widest value."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        out.write("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def one_line(error: ValidationError) -> str:
    """Return the fields and reasons of a ValidationError as one line."""
    return " ".join(f"{field}: {' '.join(reasons)}" for field, reasons in error.message_dict.items())
