"""Which control each field of a typed config gets, read off its annotation once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from annotated_types import MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from workflows.domain.hints import (
    Advanced,
    Computed,
    Condition,
    DataPath,
    Duration,
    EitherOf,
    Fillable,
    Names,
    ShownWhen,
    Templated,
    Wording,
)

NOTHING: Any = PydanticUndefined
#: From here on a text is written in several lines.
LONG = 500
Marker = Templated | Condition | Computed | DataPath | Names | Duration
Options = tuple[tuple[str, str], ...]
MarkerT = TypeVar("MarkerT")


@dataclass(frozen=True, slots=True)
class Text:
    """A text; an empty one is null where that is allowed. With `numbers` what looks like a number is one."""

    marker: Marker | None = None
    longest: int | None = None
    nullable: bool = False
    numbers: bool = False
    may_be_empty: bool = True


@dataclass(frozen=True, slots=True)
class Number:
    """A number, empty for null or for what is usual."""

    whole: bool = False
    nullable: bool = False
    marker: Duration | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """Yes or no."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values; of a nullable one also none."""

    options: Options
    nullable: bool = False
    booleans: bool = False


@dataclass(frozen=True, slots=True)
class Several:
    """Some of some values."""

    options: Options


@dataclass(frozen=True, slots=True)
class Listed:
    """A list. Short plain texts and numbers stand one a line, everything else in rows."""

    item: "Control"

    @property
    def in_lines(self) -> bool:
        item = self.item
        return isinstance(item, Number) or (
            isinstance(item, Text) and item.marker is None and (item.longest or LONG) <= LONG
        )


@dataclass(frozen=True, slots=True)
class Group:
    """A model within a model; an optional one may be left out whole."""

    model: "ModelSpec"
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of several models, told apart by the field `tag`."""

    tag: str
    variants: tuple[tuple[str, str, "ModelSpec"], ...]

    def model(self, value: str) -> "ModelSpec":
        """Return the variant of that name, else the first."""
        return next((model for name, _, model in self.variants if name == value), self.variants[0][2])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names with values."""

    value: "Control"


@dataclass(frozen=True, slots=True)
class Data:
    """A value of any kind: text, number, list, names with values. With `fill` its texts are templates."""

    fill: Fillable | None = None


Control = Text | Number | Switch | Choice | Several | Listed | Group | OneOf | Pairs | Data


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field: what people read, its control, and what it is when nothing is said (NOTHING: it must be said)."""

    id: str
    name: str
    title: str
    help: str
    control: Control
    default: Any = NOTHING
    advanced: bool = False
    shown_when: ShownWhen | None = None

    @property
    def required(self) -> bool:
        return self.default is NOTHING


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's fields in order; `either` are those of which exactly one is given."""

    id: str
    fields: tuple[FieldSpec, ...]
    either: EitherOf | None = None
    help: str = field(default="", compare=False)

    @property
    def is_flat(self) -> bool:
        """Whether it fits in one row of a table."""
        simple = (Text, Number, Switch, Choice)
        return len(self.fields) <= 4 and all(
            (isinstance(each.control, simple) or (isinstance(each.control, Listed) and each.control.in_lines))
            and not isinstance(getattr(each.control, "marker", None), Templated | Condition | Computed)
            for each in self.fields
        )


@cache
def spec_of(model: type[BaseModel], without: str = "") -> ModelSpec:
    """Return what a form of `model` has; `without` names a field that is shown elsewhere."""
    either = getattr(model, "either", None)
    fields = [_field(model, name, info) for name, info in model.model_fields.items() if name != without]
    # What a model adds to the one it extends decides: "when this holds" comes before what follows from it.
    if getattr(model.__bases__[0], "model_fields", None):
        fields.sort(key=lambda each: each.name not in model.__annotations__)
    return ModelSpec(
        model.__name__,
        tuple(fields),
        either if isinstance(either, EitherOf) else None,
        (model.__doc__ or "").split("\n")[0],
    )


def _field(model: type[BaseModel], name: str, info: FieldInfo) -> FieldSpec:
    identity = f"{model.__name__}-{name}"
    return FieldSpec(
        identity,
        name,
        info.title or name.replace("_", " ").capitalize(),
        info.description or "",
        control_of(info.annotation, info.metadata, discriminator=info.discriminator),
        _default(info),
        _first(info.metadata, Advanced) is not None,
        _first(info.metadata, ShownWhen),
    )


def _default(info: FieldInfo) -> Any:
    default = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, BaseModel):
        return default.model_dump(mode="json", exclude_defaults=True)
    return NOTHING if default is PydanticUndefined else to_jsonable_python(default)


def control_of(annotation: Any, metadata: Iterable[Any] = (), *, discriminator: Any = None) -> Control:
    """Return the control for values of a type. Raises TypeError for a type that no control is known for."""
    kind, notes = _plain(annotation, metadata)
    nullable = False
    if get_origin(kind) in (Union, UnionType):
        members = [each for each in get_args(kind) if each is not NoneType]
        nullable = len(members) < len(get_args(kind))
        if len(members) > 1:
            return _union(members, notes, discriminator, nullable)
        kind, notes = _plain(members[0], notes)
    return _single(kind, notes, nullable)


def _plain(annotation: Any, metadata: Iterable[Any]) -> tuple[Any, list[Any]]:
    notes = list(metadata)
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        notes += _flat(more)
    return annotation, notes


def _flat(notes: Iterable[Any]) -> Iterator[Any]:
    for note in notes:
        if isinstance(note, FieldInfo):
            yield from note.metadata
            if note.discriminator:
                yield note
        else:
            yield note


def _first(notes: Iterable[Any], kind: type[MarkerT]) -> MarkerT | None:
    return next((note for note in notes if isinstance(note, kind)), None)


def _union(members: list[Any], notes: list[Any], discriminator: Any, nullable: bool) -> Control:
    tag = discriminator or next((note.discriminator for note in notes if isinstance(note, FieldInfo)), None)
    if isinstance(tag, str):
        return OneOf(tag, tuple(_variant(member, tag) for member in members))
    if bool in members and set(members) <= {str, int, float, bool}:
        return Data()
    if set(members) <= {str, int, float}:
        return Text(numbers=True, nullable=nullable)
    raise TypeError(f"no control is known for one of {members}")


def _variant(model: type[BaseModel], tag: str) -> tuple[str, str, ModelSpec]:
    value = str(get_args(model.model_fields[tag].annotation)[0])
    return value, model.model_config.get("title") or _in_words(value), spec_of(model, without=tag)


def _single(kind: Any, notes: list[Any], nullable: bool) -> Control:
    simple = _scalar(kind, notes, nullable)
    if simple is not None:
        return simple
    if kind is Any:
        return Data(_first(notes, Fillable))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return Group(spec_of(kind), nullable)
    arguments = get_args(kind)
    if get_origin(kind) in (tuple, list):
        return _listed(arguments[0], notes)
    if get_origin(kind) in (dict, Mapping):
        return Pairs(Data(_first(notes, Fillable)) if arguments[1] is Any else control_of(arguments[1]))
    raise TypeError(f"no control is known for {kind}")


def _listed(item: Any, notes: list[Any]) -> Control:
    control = control_of(item)
    if isinstance(control, Choice):
        return Several(_worded([value for value, _ in control.options], notes))
    return Listed(control)


def _scalar(kind: Any, notes: list[Any], nullable: bool) -> Control | None:
    if kind is bool:
        yes_or_no = (("true", "Yes"), ("false", "No"))
        return Choice(yes_or_no, nullable=True, booleans=True) if nullable else Switch()
    if kind in (int, float):
        return Number(kind is int, nullable, _first(notes, Duration))
    if get_origin(kind) is Literal:
        return Choice(_worded(map(str, get_args(kind)), notes), nullable)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Choice(_worded([str(member.value) for member in kind], notes), nullable)
    if kind is UUID:
        return Text(_first(notes, Names), nullable=nullable, may_be_empty=False)
    return _text(notes, nullable) if kind is str else None


def _text(notes: list[Any], nullable: bool) -> Text:
    # The constraint of an Annotated text inside an optional comes as a MaxLen, so does the field's own.
    longest, least = _first(notes, MaxLen), _first(notes, MinLen)
    markers = (note for note in notes if isinstance(note, Templated | Condition | Computed | DataPath | Names))
    has_pattern = any(getattr(note, "pattern", None) for note in notes)
    return Text(
        next(markers, None),
        longest.max_length if longest else None,
        nullable,
        may_be_empty=not (least and least.min_length) and not has_pattern,
    )


def _worded(values: Iterable[str], notes: list[Any]) -> Options:
    wording = _first(notes, Wording)
    words = dict(wording.words) if wording else {}
    return tuple((value, words.get(value) or _in_words(value)) for value in values)


def _in_words(value: str) -> str:
    if value.isupper() or value in ("json", "url"):
        return value.upper()
    return value.replace("_", " ").capitalize()
