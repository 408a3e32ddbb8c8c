"""The kinds of steps there are. A new kind is one file, its test and one line here."""

import difflib
from typing import Any

from pydantic import ValidationError

from workflows.domain.definition import problems_of
from workflows.domain.reviewing import ReviewRule
from workflows.kinds.approve import Approve
from workflows.kinds.base import ConfigError, StepKind
from workflows.kinds.classify import Classify
from workflows.kinds.document import Document
from workflows.kinds.extract import Extract
from workflows.kinds.generate import Generate
from workflows.kinds.http import Http
from workflows.kinds.notify import Notify
from workflows.kinds.python import Python
from workflows.kinds.reviewing import NEVER_REVIEWED, Gate
from workflows.kinds.route import Router
from workflows.kinds.score import Score
from workflows.kinds.spawn import Spawner
from workflows.kinds.transform import Transform
from workflows.kinds.validate import Validate
from workflows.kinds.webhook_out import WebhookOut

KINDS: dict[str, type[StepKind[Any]]] = {}


def register(kind: type[StepKind[Any]]) -> type[StepKind[Any]]:
    """Add a kind under its name; a higher app calls this when it is ready."""
    KINDS[kind.name] = kind
    return kind


def make_runner(kind: str, config: Any) -> StepKind[Any]:
    """Return a step of this kind, ready to run. Raises ConfigError, with every problem, for what cannot run."""
    found = KINDS.get(kind)
    if found is None:
        close = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(sorted(KINDS))}"
        raise ConfigError("kind", f"there is no step kind '{kind}'; {hint}")
    try:
        typed = found.Config.model_validate(config)
    except ValidationError as error:
        problems = [(problem.place, problem.message) for problem in problems_of(error)]
        raise ConfigError(*problems[0], problems=problems) from error
    return found(typed)


def make_gate(kind: str, rule: Any) -> Gate | None:
    """Return a step's `review` block ready to use. Raises ConfigError, with every problem, for what cannot run."""
    if rule is None:
        return None
    if kind in NEVER_REVIEWED:
        raise ConfigError("", f"a step of the kind {kind} cannot be reviewed: it {NEVER_REVIEWED[kind]}")
    return Gate(rule if isinstance(rule, ReviewRule) else ReviewRule.model_validate(rule))


register(Approve)
register(Classify)
register(Document)
register(Extract)
register(Generate)
register(Http)
register(Notify)
register(Python)
register(Router)
register(Score)
register(Spawner)
register(Transform)
register(Validate)
register(WebhookOut)
