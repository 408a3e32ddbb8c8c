"""Which words belong to a figure: those before it, above it, or at its place in a column."""

from bisect import bisect_left
from collections.abc import Sequence

from workflows.domain.extraction.text import count_letters

#: How sure a label is: the only column of the same length, a column of another length, the line just above.
SAME_LENGTH, OTHER_LENGTH, JUST_ABOVE = 0.9, 0.6, 0.6
#: How many lines above a column of figures are searched for its labels.
REACH = 30

Place = tuple[int, int, int]


class Labeller:
    """Finds the labels of figures. `places` are (line, start, end) of each figure.

    Recognised text often lists a column of labels and then the column of figures: then the last label belongs to the
    last figure of the run, and so on upwards.
    """

    def __init__(self, lines: Sequence[str], places: Sequence[Place]) -> None:
        self.lines = lines
        by_line: dict[int, list[Place]] = {}
        for place in places:
            by_line.setdefault(place[0], []).append(place)
        self.shapes = [_shape(line, by_line.get(index, [])) for index, line in enumerate(lines)]
        self.columns = _columns(self.shapes)

    def labels(self, line: int, start: int) -> list[tuple[str, float]]:
        """Return the labels that may belong to the figure at `start` of `line`, each with how sure it is (0 to 1)."""
        before = self.lines[line][:start]
        if count_letters(before) >= 2:
            return [(before, 1.0)]
        if self.shapes[line] == "mixed":
            return [(self.lines[line], 1.0)]
        column = self.columns[line]
        above = self._above(column[0])
        if len(column) == 1:
            return [(label, 1.0) for label in above[:1]]
        return _column_labels(above, place=bisect_left(column, line), length=len(column))

    def _above(self, line: int) -> list[str]:
        """Return the labels of the column above `line`, the nearest first."""
        found = []
        for index in range(line - 1, max(-1, line - REACH), -1):
            if self.shapes[index] in ("figure", "mixed"):
                break
            if self.shapes[index] == "label":
                found.append(self.lines[index])
        return found


def _columns(shapes: Sequence[str]) -> dict[int, list[int]]:
    """Return, for each line with nothing but figures, the lines of the column it stands in."""
    columns: dict[int, list[int]] = {}
    column: list[int] = []
    for index, shape in enumerate(shapes):
        if shape in ("label", "mixed"):
            column = []
        elif shape == "figure":
            column.append(index)
            columns[index] = column
    return columns


def _column_labels(above: Sequence[str], *, place: int, length: int) -> list[tuple[str, float]]:
    found = []
    from_end = length - 1 - place
    if from_end < len(above):
        found.append((above[from_end], SAME_LENGTH if length == len(above) else OTHER_LENGTH))
    if place == 0 and above:
        found.append((above[0], JUST_ABOVE))
    return found


def _shape(line: str, places: Sequence[Place]) -> str:
    """Say what a line is: a "label", a "figure", both ("mixed"), or "other" (marks, codes, single letters)."""
    for _line, start, end in reversed(places):
        line = line[:start] + line[end:]
    words = [word for word in line.replace("/", " ").split() if count_letters(word) > 1]
    # A short word alone is a currency, a unit or a tax code that belongs to the figures.
    code = len(words) == 1 and len(words[0].strip("():.*")) < 4 and len(line.split()) == 1
    if words and not (code and words[0].strip("():.*").upper() not in LABEL_WORDS):
        return "mixed" if places else "label"
    return "figure" if places else "other"


#: Short words that are labels all the same.
LABEL_WORDS = frozenset({"TAX", "GST", "VAT", "DUE", "PAY", "NET", "SUM"})
