"""What a step may read, by name: for people who pick from a list, and for a check that finds misspelt names."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """A value a step sees: `path` as expressions and templates write it, what people call it, and its type.

    `type` is a field type of the workflow (text, number, date, ...), or empty where it is not known.
    """

    path: str
    label: str
    type: str = ""

    @property
    def root(self) -> str:
        return self.path.split(".")[0]
