"""The form of a rule: its parts as forms of their models, read back into what the services take."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from django.http import QueryDict
from pydantic import BaseModel, Field, ValidationError

from automations.domain.actions import Action, read_action
from automations.domain.triggers import Trigger, UnknownKind, read_trigger
from automations.models import AutomationRule
from automations.services.rules import FIELDS
from workflows.admin.config_form import EditorContext, PydanticForm
from workflows.domain.definition import Problem
from workflows.domain.hints import Computed, Condition

LONGEST_DESCRIPTION = 10_000
NAMES = ("event", "last")
EMPTY: dict[str, Any] = {
    "name": "",
    "description": "",
    "trigger": {"kind": "cron"},
    "for_each_tenant": "",
    "condition": "",
    "actions": [],
    "remember": {},
    "rate_limit": 1000,
}


class WhenPart(BaseModel):
    """What sets it going."""

    trigger: Annotated[Trigger, Field(title="Set going by", discriminator="kind")]


class WhomPart(BaseModel):
    """For which tenants."""

    for_each_tenant: Annotated[
        str, Field(title="For each tenant where", description="Without a line: every active tenant."), Condition()
    ] = ""


class IfPart(BaseModel):
    """What must be true."""

    condition: Annotated[str, Field(title="Only if", description="Without a line: always."), Condition(NAMES)] = ""


class ThenPart(BaseModel):
    """What it does."""

    actions: Annotated[tuple[Annotated[Action, Field(discriminator="kind")], ...], Field(title="Actions", min_length=1)]


class MorePart(BaseModel):
    """What is rarely changed."""

    remember: Annotated[
        dict[str, Annotated[str, Computed()]],
        Field(title="Remember for the next time", description="Each is then there as `last.NAME`."),
    ] = {}
    rate_limit: Annotated[int, Field(title="At most so often an hour, for each tenant", ge=1, le=1_000_000)] = 1000


#: By the prefix of their controls' names.
PARTS: dict[str, type[BaseModel]] = {
    "when": WhenPart,
    "whom": WhomPart,
    "if": IfPart,
    "then": ThenPart,
    "more": MorePart,
}
PREFIX_OF = {name: prefix for prefix, model in PARTS.items() for name in model.model_fields}


class RuleForm:
    """A rule as it is stored or was typed. `forms` are its parts by prefix."""

    def __init__(
        self, values: Mapping[str, Any], *, context: EditorContext, for_operator: bool, posted: QueryDict | None = None
    ) -> None:
        self.stored = EMPTY | dict(values)
        self.context, self.posted = context, posted
        self.prefixes = [prefix for prefix in PARTS if prefix != "whom" or for_operator]

    def read(self) -> dict[str, Any]:
        """Return what is in the form, for the services. Never fails."""
        if self.posted is None:
            return dict(self.stored)
        values = EMPTY | {name: self.posted.get(name, "").strip() for name in ("name", "description")}
        for prefix in self.prefixes:
            values |= self._part(prefix, ()).read()
        return {name: values[name] for name in FIELDS}

    def problems(self) -> list[Problem]:
        """Return what only the form refuses."""
        longest = f"is longer than {LONGEST_DESCRIPTION:,} characters"
        return [Problem("description", longest)] if len(self.read()["description"]) > LONGEST_DESCRIPTION else []

    def parts(self, problems: Sequence[Problem] = ()) -> dict[str, PydanticForm]:
        """Return the forms, to be rendered with these problems."""
        placed = [named(each) for each in problems]
        return {prefix: self._part(prefix, placed) for prefix in self.prefixes}

    def _part(self, prefix: str, problems: Sequence[Problem]) -> PydanticForm:
        model = PARTS[prefix]
        mine = [each for each in problems if each.place.split(".")[0] in model.model_fields]
        data = {name: self.stored[name] for name in model.model_fields}
        return PydanticForm(model, data, context=self.context, posted=self.posted, problems=mine, prefix=prefix)


def named(problem: Problem) -> Problem:
    """Return a problem so that it can be shown: of a payload's field that is not there, at the payload."""
    before, found, field = problem.place.rpartition(".payload.")
    if found and problem.message == "is required":
        return Problem(f"{before}.payload", f"“{field}” is required by the workflow")
    return problem


def by_control(problems: Sequence[Problem]) -> dict[str, str]:
    """Return problems by the names of controls, as the script shows them."""
    found: dict[str, str] = {}
    for problem in map(named, problems):
        prefix = PREFIX_OF.get(problem.place.split(".")[0])
        place = f"{prefix}.{problem.place}" if prefix else problem.place
        found[place] = "; ".join(filter(None, (found.get(place), problem.message)))
    return found


def values_of(rule: AutomationRule) -> dict[str, Any]:
    """Return a stored rule's values."""
    return {name: getattr(rule, name) for name in FIELDS}


def tidied(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with durations in seconds and without what is as usual, as far as they can be typed."""
    actions = values["actions"]
    return dict(values) | {
        "trigger": _typed(read_trigger, values["trigger"]),
        "actions": [_typed(read_action, each) for each in actions] if isinstance(actions, list) else actions,
    }


def _typed(read: Any, data: Any) -> Any:
    try:
        plain: dict[str, Any] = read(data).model_dump(mode="json", exclude_defaults=True)
    except (ValidationError, UnknownKind):
        return data
    return plain
