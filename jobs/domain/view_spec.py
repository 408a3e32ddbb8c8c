"""What a view is made of, as it is stored and as forms and the API give it."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from jobs.domain.view_filter import LONGEST_VALUE, Op
from jobs.domain.view_paths import LONGEST_PATH, STATE, label_of

MOST_COLUMNS, MOST_FILTERS, MOST_COLOURS = 30, 10, 20


class Colour(StrEnum):
    """Colours of rows; each is legible on light and on dark."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"
    BLUE = "blue"
    PURPLE = "purple"
    GREY = "grey"


class ViewColumn(BaseModel):
    """A column: what it shows, and its heading, where it is not the field's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(max_length=LONGEST_PATH)
    label: str = Field("", max_length=60)

    @property
    def shown_label(self) -> str:
        """The heading."""
        return self.label or label_of(self.path)


class ViewFilter(BaseModel):
    """A condition as people write it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(max_length=LONGEST_PATH)
    op: Op = Op.IS
    value: str = Field("", max_length=LONGEST_VALUE)


class ViewColour(ViewFilter):
    """A condition, and the colour of the rows it holds for. The first that holds counts."""

    colour: Colour


class ViewSpec(BaseModel):
    """A view: columns, the jobs it shows, their order (`-path` for the largest first), colours, what it counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[ViewColumn, ...] = Field((), max_length=MOST_COLUMNS)
    filters: tuple[ViewFilter, ...] = Field((), max_length=MOST_FILTERS)
    sort: str = Field("", max_length=LONGEST_PATH + 1)
    colours: tuple[ViewColour, ...] = Field((), max_length=MOST_COLOURS)
    count: str = Field("", max_length=LONGEST_PATH)

    @field_validator("columns")
    @classmethod
    def _each_once(cls, columns: tuple[ViewColumn, ...]) -> tuple[ViewColumn, ...]:
        paths = [column.path for column in columns]
        doubled = next((path for path in paths if paths.count(path) > 1), None)
        if doubled is not None:
            raise ValueError(f"'{doubled}' is there twice")
        return columns

    @property
    def sort_path(self) -> str:
        """What it is sorted by; empty for the newest first."""
        return self.sort.removeprefix("-")

    @property
    def asked_paths(self) -> list[str]:
        """The paths that it filters, sorts or counts by, and that need an index therefore."""
        asked = [*(each.path for each in self.filters), self.sort_path, self.count]
        return [path for path in dict.fromkeys(asked) if path and path != STATE]

    @property
    def all_paths(self) -> list[str]:
        """Every path it names."""
        shown = [*(each.path for each in self.columns), *(each.path for each in self.colours)]
        return list(dict.fromkeys([*shown, *self.asked_paths]))

    def to_json(self) -> dict[str, Any]:
        """Return the view as it is stored."""
        return self.model_dump(mode="json")
