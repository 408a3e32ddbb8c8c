"""How rules and firings look in the API."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from automations.domain.actions import Action
from automations.domain.triggers import Trigger
from automations.models import AutomationRule, Firing
from automations.services.telling import sentence_of
from automations.services.trying import Trial
from jobs.api.answers import instant
from taskflow.lib.bodies import Body

RULE_FIELDS = ("name", "description", "trigger", "condition", "actions", "remember", "rate_limit")
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0)]
#: The forms below read what is sent only as far as the service's own check does not: that names every place.
Form = dict[str, Any]


class RuleBody(Body):
    """A rule to make, or to change whole."""

    name: str
    description: Annotated[str, Field(max_length=10_000)] = ""
    trigger: Form
    condition: Annotated[str, Field(max_length=10_000)] = ""
    actions: list[Any]
    remember: Form = Field(default_factory=dict)
    rate_limit: Annotated[int, Field(strict=True)] = 1000
    enabled: Flag = True
    revision: Count | None = None


class RulePatch(Body):
    """What to change; what is not given stays."""

    name: str | None = None
    description: Annotated[str, Field(max_length=10_000)] | None = None
    trigger: Form | None = None
    condition: Annotated[str, Field(max_length=10_000)] | None = None
    actions: list[Any] | None = None
    remember: Form | None = None
    rate_limit: Annotated[int, Field(strict=True)] | None = None
    enabled: Flag | None = None
    revision: Count | None = None


class RuleSchema(BaseModel):
    """A rule: when this happens, and that is true, do these things."""

    name: str
    description: str = ""
    trigger: Annotated[Trigger, Field(discriminator="kind")]
    condition: str = Field("", description="An expression over event, payload, job, tenant, now, last; empty: always.")
    actions: list[Annotated[Action, Field(discriminator="kind")]]
    remember: dict[str, str] = Field(default_factory=dict, description="Kept of a firing for the next, as `last`.")
    rate_limit: int = Field(1000, description="Firings an hour.")
    enabled: bool = True
    revision: int | None = Field(None, description="To change: which revision; else If-Match.")


class RuleSchemaPatch(BaseModel):
    """What to change of a rule; what is not given stays."""

    name: str | None = None
    description: str | None = None
    trigger: Annotated[Trigger, Field(discriminator="kind")] | None = None
    condition: str | None = None
    actions: list[Annotated[Action, Field(discriminator="kind")]] | None = None
    remember: dict[str, str] | None = None
    rate_limit: int | None = None
    enabled: bool | None = None
    revision: int | None = Field(None, description="Which revision is changed; else If-Match.")


class RuleAnswer(BaseModel):
    """A rule."""

    id: str
    name: str
    description: str
    enabled: bool
    sentence: str = Field(description="The rule in words.")
    trigger: dict[str, Any]
    condition: str
    actions: list[dict[str, Any]]
    remember: dict[str, Any]
    rate_limit: int
    revision: int
    next_at: str | None = Field(description="When a cron rule is due next.")
    created_at: str
    updated_at: str


class RulePageAnswer(BaseModel):
    """One page of rules."""

    results: list[RuleAnswer]
    next: str | None
    next_cursor: str | None


class SwitchAnswer(BaseModel):
    """Whether the rule is on."""

    id: str
    enabled: bool


class TestBody(Body):
    """What to try a rule on; the first of these that is given."""

    event: Form | None = Field(None, description="What the rule sees: `payload`, `name`, `headers` and so on.")
    delivery: UUID | None = Field(None, description="The id of a delivery that came in.")
    firing: UUID | None = Field(None, description="The id of a firing.")


class ProblemInRule(BaseModel):
    """A place in the rule, and what is wrong there."""

    field: str
    reason: str


class TrialAnswer(BaseModel):
    """What a rule would do for one tenant."""

    tenant: str
    matched: bool | None
    reason: str
    why: list[dict[str, Any]]
    would: list[dict[str, Any]]
    problems: list[ProblemInRule]
    last: dict[str, Any]


class TrialListAnswer(BaseModel):
    """What the rule was told to see, and what it would do."""

    event: dict[str, Any]
    results: list[TrialAnswer]


class FiringAnswer(BaseModel):
    """A rule met its trigger: whether its condition was true, and what it did."""

    id: str
    rule: str
    rule_name: str
    revision: int
    trigger: str
    occurrence: str
    state: str = Field(description="`pending`, `done` or `failed`.")
    matched: bool | None
    reason: str
    why: list[dict[str, Any]]
    told: list[dict[str, Any]] = Field(description="What each action did.")
    jobs_made: int
    error: str
    attempts: int
    scheduled_for: str | None
    created_at: str
    finished_at: str | None
    took_ms: float | None = Field(description="Milliseconds of work on it; of many worked on at once, its part.")


class FiringPageAnswer(BaseModel):
    """One page of firings, newest first."""

    results: list[FiringAnswer]
    next: str | None
    next_cursor: str | None


class FiringStoryAnswer(FiringAnswer):
    """A firing with what the rule saw, and the jobs it made."""

    event: dict[str, Any]
    jobs: list[str]


def rule_answer(rule: AutomationRule) -> dict[str, Any]:
    """Return a rule as the API shows it."""
    return {
        "id": str(rule.uid),
        "name": rule.name,
        "description": rule.description,
        "enabled": rule.enabled,
        "sentence": sentence_of(rule),
        "trigger": rule.trigger,
        "condition": rule.condition,
        "actions": rule.actions,
        "remember": rule.remember,
        "rate_limit": rule.rate_limit,
        "revision": rule.revision,
        "next_at": instant(rule.next_at),
        "created_at": instant(rule.created_at),
        "updated_at": instant(rule.updated_at),
    }


def firing_answer(firing: Firing) -> dict[str, Any]:
    """Return a firing as lists show it."""
    return {
        "id": str(firing.uid),
        "rule": str(firing.rule_uid),
        "rule_name": firing.rule_name,
        "revision": firing.rule_revision,
        "trigger": firing.trigger_kind,
        "occurrence": firing.occurrence,
        "state": firing.state,
        "matched": firing.matched,
        "reason": firing.reason,
        "why": firing.why,
        "told": firing.told,
        "jobs_made": firing.jobs_made,
        "error": firing.error,
        "attempts": firing.attempts,
        "scheduled_for": instant(firing.scheduled_for),
        "created_at": instant(firing.created_at),
        "finished_at": instant(firing.finished_at),
        "took_ms": firing.took_ms,
    }


def trial_answer(trial: Trial) -> dict[str, Any]:
    """Return what a rule would do as the API shows it."""
    return {
        "tenant": trial.tenant.slug,
        "matched": trial.matched,
        "reason": trial.reason,
        "why": trial.why,
        "would": trial.would,
        "problems": [{"field": each.place, "reason": each.message} for each in trial.problems],
        "last": trial.last,
    }
