"""Finding a value by its label in a text that is laid out in columns."""

from collections.abc import Iterator, Sequence

from workflows.domain.extraction.lines import MARKS
from workflows.domain.extraction.patterns import Budget, Pattern
from workflows.domain.extraction.text import Cell, Phrases

_MARKS = MARKS + "№"


class CellFinder:
    """Looks for one value in one text: behind its label, in the next cell, or below it."""

    def __init__(self, rows: Sequence[Sequence[Cell]], *, pattern: Pattern, below: int, budget: Budget) -> None:
        self.rows = rows
        self.pattern = pattern
        self.below = below
        self.budget = budget

    def find(self, label: Phrases) -> str | None:
        """Return the first value at a place of `label` in the text; labels stand at the beginning of a cell."""
        for row, cells in enumerate(self.rows):
            for column, cell in enumerate(cells):
                match = label.find(cell.text)
                if match is None or any(map(str.isalnum, cell.text[: match.start()])):
                    continue
                for place in self._places(row, column, cell.text[match.end() :]):
                    value = self._value(place)
                    if value is not None:
                        return value
        return None

    def _places(self, row: int, column: int, behind: str) -> Iterator[str]:
        yield behind
        # Words behind the label make it another one ("Invoice to:"); only what stands behind them can be its value.
        if any(map(str.isalnum, behind)):
            return
        cells = self.rows[row]
        if column + 1 < len(cells):
            yield cells[column + 1].text
        label = cells[column]
        for below in self.rows[row + 1 : row + 1 + self.below]:
            yield from (cell.text for cell in below if cell.start < label.end and label.start < cell.end)

    def _value(self, text: str) -> str | None:
        text = text.strip(_MARKS)
        if "value" in self.pattern.groups:
            return self.pattern.first(text, self.budget, "value")
        return text if self.pattern.found_in(text, self.budget) else None
