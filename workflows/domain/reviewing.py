"""What a workflow says about people in the loop: when a step's output is put to one, what they may change, and who."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tenants.domain.keys import parse_age
from workflows.domain.fields import FieldProblem, FieldType, InputField, Role, check_payload
from workflows.domain.hints import Condition, Duration, Names, ShownWhen, Templated, Wording

MAX_FIELDS = 100
MAX_CHOICES = 200
LONGEST_QUESTION = 1000
#: What a failed check says of itself: about the output, and no part of what a person corrects.
VERDICT = ("valid", "problems")
Reviewers = Literal["reviewer", "operator", "editor", "owner"]


def seconds_of(value: object) -> object:
    return parse_age(value).total_seconds() if isinstance(value, str) else value


def _named(value: object) -> object:
    return {"key": value} if isinstance(value, str) else value


Span = Annotated[float, BeforeValidator(seconds_of), Field(gt=0, le=366 * 86400), Duration()]
ROLES = Wording(
    (("reviewer", "Reviewer"), ("operator", "Operator"), ("editor", "Editor"), ("owner", "Owner")),
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReviewField(_Part):
    """A field that a reviewer may change. What is left out is taken from the workflow's field of that key."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$", title="Key")]
    label: Annotated[str, Field(max_length=100, title="Label")] = ""
    type: Annotated[FieldType | None, Field(title="Type")] = None
    required: Annotated[bool | None, Field(title="Required")] = None
    choices: Annotated[tuple[str, ...], Field(max_length=MAX_CHOICES, title="Choices")] = ()
    description: Annotated[str, Field(max_length=1000, title="Description")] = ""

    @model_validator(mode="after")
    def _choices_fit(self) -> "ReviewField":
        if self.type is not None and (self.type is FieldType.CHOICE) != bool(self.choices):
            raise ValueError("choices belong to the type choice, and it needs at least one")
        if len(set(self.choices)) != len(self.choices):
            raise ValueError("a choice is there twice")
        return self


class Assignment(_Part):
    """Whom a question is for, until when, and what follows if the answer is no."""

    question: Annotated[
        str,
        Field(title="Question", max_length=LONGEST_QUESTION, description="What the person reads. Empty: one is made."),
        Templated(),
    ] = ""
    fields: Annotated[
        tuple[Annotated[ReviewField, BeforeValidator(_named)], ...],
        Field(
            title="May be edited",
            max_length=MAX_FIELDS,
            description="The fields a person may change; what is left empty is taken from the workflow's own field.",
        ),
    ] = ()
    assign_to_role: Annotated[
        Reviewers, Field(title="For the role", description="Who has this role or a higher one."), ROLES
    ] = "reviewer"
    assign_to: Annotated[
        str,
        Field(title="For the person", max_length=150, description="Empty: anybody of the role."),
        Names("person"),
    ] = ""
    due_in: Annotated[
        Span | None, Field(title="Due in", description="As in 30m, 4h or 2d. Empty: whenever it suits.")
    ] = None
    escalate_to: Annotated[
        Reviewers | None,
        Field(title="When overdue, for the role", description="Needs a time by which it is due."),
        ROLES,
    ] = None
    on_reject: Annotated[
        Literal["stop", "fail", "workflow"],
        Field(title="If rejected"),
        Wording((("stop", "Finish the job"), ("fail", "Fail the job"), ("workflow", "Hand it to another workflow"))),
    ] = "stop"
    reject_workflow: Annotated[
        str | None,
        Field(title="Hand it to", pattern=r"^[a-z0-9][-a-z0-9_]{0,62}$"),
        Names("workflow"),
        ShownWhen("on_reject", ("workflow",)),
    ] = None

    @model_validator(mode="after")
    def _fits(self) -> "Assignment":
        keys = [field.key for field in self.fields]
        if len(set(keys)) != len(keys):
            raise ValueError("a field is there twice")
        if (self.on_reject == "workflow") != (self.reject_workflow is not None):
            raise ValueError("reject_workflow and on_reject: workflow belong together")
        if self.escalate_to is not None and self.due_in is None:
            raise ValueError("escalate_to needs due_in")
        return self


class ReviewRule(Assignment):
    """When the output of a step is put to a person. It is where any of the conditions holds."""

    confidence_below: Annotated[
        float | None,
        Field(
            title="When the step is less sure than",
            gt=0,
            le=1,
            description="From 0 to 1: 0.8 asks when under 80 % sure. Empty: however sure it is.",
        ),
    ] = None
    on_invalid: Annotated[
        bool, Field(title="When a check failed", description="What a step of the kind Check found.")
    ] = False
    when: Annotated[
        str | None,
        Field(title="When this holds", description="Of what the step gave (output) or of anything before it."),
        Condition(extra=("output", "confidence")),
    ] = None

    @model_validator(mode="after")
    def _asks_sometime(self) -> "ReviewRule":
        if self.confidence_below is None and not self.on_invalid and self.when is None:
            raise ValueError("never asks; give confidence_below, on_invalid or when")
        return self


@dataclass(frozen=True, slots=True)
class Question:
    """What a job asks a person: `proposal` is the output to be, `fields` what of it may be changed.

    `shown` is what to judge it by, `reason` why it is asked at all. What is decided is `stamp`ed on the output.
    """

    title: str
    reason: str
    proposal: Mapping[str, Any]
    fields: tuple[InputField, ...]
    shown: Mapping[str, Any]
    stamp: Mapping[str, Any]
    assignment: Assignment


def editable_fields(
    wanted: Sequence[ReviewField], known: Sequence[InputField], schema: Mapping[str, Any], proposal: Mapping[str, Any]
) -> tuple[InputField, ...]:
    """Return the fields a reviewer may change, with types: of the rule, the workflow, the step's schema or the value.

    Without any `wanted` these are all keys of the proposal that can be fields.
    """
    chosen = wanted or [ReviewField(key=key) for key in proposal if key.isidentifier() and _is_plain(key)]
    by_key = {field.key: field for field in sorted(known, key=lambda field: field.role is Role.OUTPUT)}
    properties = schema.get("properties", {})
    return tuple(
        _typed(field, by_key.get(field.key), properties.get(field.key, {}), proposal.get(field.key)) for field in chosen
    )


def _is_plain(key: str) -> bool:
    return key.isascii() and key[0].isalpha() and len(key) <= 63 and key not in VERDICT


def _typed(field: ReviewField, known: InputField | None, schema: Mapping[str, Any], value: Any) -> InputField:
    kind, choices = field.type, field.choices
    if kind is None and choices:
        kind = FieldType.CHOICE
    if kind is None:
        kind, choices = (known.type, known.choices) if known else _by_schema(schema) or (_by_value(value), ())
    return InputField(
        key=field.key,
        label=field.label or (known.label if known else ""),
        type=kind,
        required=bool(known and known.required) if field.required is None else field.required,
        choices=choices if kind is FieldType.CHOICE else (),
        max_length=known.max_length if known and known.type is kind else None,
        description=field.description or (known.description if known else ""),
    )


_SCHEMA_TYPES = {
    "integer": FieldType.INTEGER,
    "number": FieldType.NUMBER,
    "boolean": FieldType.BOOLEAN,
    "array": FieldType.LIST,
    "object": FieldType.OBJECT,
    "string": FieldType.TEXT,
}


def _by_schema(schema: Mapping[str, Any]) -> tuple[FieldType, tuple[str, ...]] | None:
    kinds = schema.get("type")
    kind = next((each for each in [kinds] if isinstance(each, str)), None)
    if isinstance(kinds, list):
        kind = next((each for each in kinds if each != "null"), None)
    texts = tuple(each for each in schema.get("enum", ()) if isinstance(each, str))
    if 0 < len(texts) <= MAX_CHOICES:
        return FieldType.CHOICE, tuple(dict.fromkeys(texts))
    if kind == "string" and schema.get("format") == "date":
        return FieldType.DATE, ()
    return (_SCHEMA_TYPES[kind], ()) if kind in _SCHEMA_TYPES else None


def _by_value(value: Any) -> FieldType:
    if isinstance(value, bool):
        return FieldType.BOOLEAN
    if isinstance(value, (int, float)):
        return FieldType.NUMBER
    if isinstance(value, list):
        return FieldType.LIST
    return FieldType.OBJECT if isinstance(value, dict) else FieldType.TEXT


def check_edits(
    fields: Sequence[InputField], proposal: Mapping[str, Any], edits: Mapping[str, Any]
) -> list[FieldProblem]:
    """Return what is wrong with a reviewer's `edits`: fields that may not be changed, and values that do not fit."""
    known = {field.key for field in fields}
    strange = [FieldProblem(key, "may not be edited") for key in edits if key not in known]
    inputs = [field.model_copy(update={"role": Role.INPUT}) for field in fields]
    return strange + check_payload(inputs, {**proposal, **edits})
