"""RESULTS.md: one section for each measurement, kept between marker comments so that each can be written alone."""

import re
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def write_section(name: str, text: str, *, path: Path = RESULTS) -> None:
    """Put `text` between the markers of the section `name`; everything else in the file stays as it is.

    A section that is not there yet is added at the end.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    block = f"{begin}\n{text.strip()}\n{end}"
    before = path.read_text() if path.exists() else ""
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if found.search(before):
        after = found.sub(lambda _: block, before, count=1)
    else:
        after = f"{before.rstrip()}\n\n{block}\n".lstrip()
    partial = path.with_suffix(".partial")
    partial.write_text(after)
    partial.replace(path)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; the first column is text, the others are figures, to the right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
