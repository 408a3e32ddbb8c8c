"""What a config says of its fields for people who fill it in: stands in `Annotated`, and changes no validation.

A form reads them to offer the right control; the kind's `prepare` is what compiles templates and expressions.
"""

from dataclasses import dataclass
from typing import Literal

Named = Literal["connection", "later_step", "workflow", "person", "queue", "endpoint"]


@dataclass(frozen=True, slots=True)
class Templated:
    """A text with placeholders. `extra` are names it may read besides the usual ones."""

    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression that is true or false. `extra` are names it may read besides the usual ones."""

    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Computed:
    """An expression that gives a value of any type."""


@dataclass(frozen=True, slots=True)
class Fillable:
    """Free data, every text of which is a template, and `{expression: ...}` a value of any type."""

    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataPath:
    """The path of a value that a step sees. `also` are words that mean something else here, with what they mean."""

    also: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """The name of something that there is elsewhere; of connections, only those of `kinds` fit."""

    what: Named
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds that people may also write as 30m, 4h or 2d."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """Rarely changed: folded away with the others of its kind."""


@dataclass(frozen=True, slots=True)
class ShownWhen:
    """Means something only where the sibling `field` has one of these values; elsewhere it must be empty."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wording:
    """What people read instead of the stored values of a choice: (value, words)."""

    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class EitherOf:
    """On a model: exactly one of these fields is given, and `title` asks which."""

    title: str
    fields: tuple[str, ...]
