"""A rule made ready to run: trigger and actions typed, expressions and templates compiled, and all that is wrong."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from automations.domain.actions import (
    MOST_ACTIONS,
    Action,
    CancelJob,
    CreateJobs,
    JobTemplate,
    Notify,
    PauseQueue,
    ResumeQueue,
    RetryJob,
    read_action,
)
from automations.domain.effects import CancelIt, Effect, HoldQueue, MakeJob, Refused, RetryIt, Tell
from automations.domain.memory import names_read, remembered
from automations.domain.triggers import Trigger, UnknownKind, read_trigger
from automations.models import AutomationRule
from jobs.domain.submission import NewJob
from taskflow.lib.fields import dump_json
from workflows.domain.definition import Problem, problems_of
from workflows.domain.expressions import Expression, ExpressionError, compile_expression
from workflows.domain.outcomes import PermanentError
from workflows.kinds.base import ConfigError
from workflows.kinds.language import text_of, value_of
from workflows.kinds.notify.kind import CHANNELS, NotifyConfig
from workflows.kinds.templated import Filler
from workflows.templating import Template, TemplateError, compile_template

#: What conditions and templates of rules see.
NAMES = frozenset({"event", "payload", "job", "tenant", "now", "last"})
#: What the choice of tenants sees.
TENANT_NAMES = frozenset({"tenant", "now"})
#: What templates of jobs see besides where a list is gone through.
ELEMENT_NAMES = frozenset({"item", "index"})
Names = Mapping[str, Any]
Plan = Callable[[Names], Iterator[Effect]]


@dataclass(slots=True)
class CompiledRule:
    """A rule that can be run, its actions by position. What is wrong is left out; with problems it must not be run."""

    trigger: Trigger | None = None
    actions: dict[int, Action] = field(default_factory=dict)
    condition: Expression | None = None
    tenants: Expression | None = None
    remember: dict[str, Expression] = field(default_factory=dict)
    plans: list[Plan] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def only_adds(self) -> bool:
        """Whether all it does is make jobs, without keys, and tell people: that takes no locks and upsets no others."""
        return all(
            isinstance(each, Notify) or (isinstance(each, CreateJobs) and not any(job.key.strip() for job in each.jobs))
            for each in self.actions.values()
        )

    def plan(self, names: Names) -> list[Effect]:
        """Return what the rule does for these values, in order. Raises Refused where they do not fit."""
        return [effect for plan in self.plans for effect in plan(names)]

    def kept(self, names: Names) -> dict[str, Any]:
        """Return what is kept of these values for the next firing; null for what is not there."""
        return {name: _value_or_none(expression, names) for name, expression in self.remember.items()}


class Compiler:
    """Compiles the expressions and templates of one rule and collects what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def problem(self, field: str, message: str) -> None:
        self.problems.append(Problem(field, message))

    def expression(
        self, field: str, source: str, *, extra: Collection[str] = (), names: Collection[str] = NAMES
    ) -> Expression:
        """Compile an expression; a wrong one is reported, and something harmless stands in for it."""
        try:
            return compile_expression(source, names={*names, *extra})
        except ExpressionError as error:
            self.problem(field, str(error))
            return compile_expression("true")

    def template(
        self,
        field: str,
        source: str,
        *,
        extra: Collection[str] = (),
        quote: Callable[[str], str] | None = None,
    ) -> Template:
        """Compile a template; a wrong one is reported, and an empty one stands in for it."""
        try:
            return compile_template(source, names=NAMES.union(extra), quote=quote)
        except TemplateError as error:
            self.problem(field, str(error))
            return compile_template("")


def compile_rule(rule: AutomationRule) -> CompiledRule:
    """Return a rule ready to run, compiled once for each of its contents."""
    parts = (rule.trigger, rule.for_each_tenant, rule.condition, rule.actions, rule.remember)
    return _compiled(dump_json(parts), rule.tenant_id is None)


@lru_cache(maxsize=1000)
def _compiled(content: str, for_operator: bool) -> CompiledRule:
    trigger, tenants, condition, actions, remember = json.loads(content)
    compiler, rule = Compiler(), CompiledRule()
    rule.trigger = _trigger(compiler, trigger)
    if tenants.strip():
        rule.tenants = compiler.expression("for_each_tenant", tenants, names=TENANT_NAMES)
        if not for_operator:
            compiler.problem("for_each_tenant", "only the operator's rules choose tenants")
    if condition.strip():
        rule.condition = compiler.expression("condition", condition)
    rule.remember = _remember(compiler, condition, remember)
    rule.actions, rule.plans = _actions(compiler, actions)
    rule.problems = compiler.problems
    return rule


def _trigger(compiler: Compiler, data: Any) -> Trigger | None:
    try:
        return read_trigger(data)
    except UnknownKind as error:
        compiler.problem("trigger.kind", str(error))
    except ValidationError as error:
        compiler.problems += problems_of(error, "trigger")
    return None


def _remember(compiler: Compiler, condition: str, remember: Any) -> dict[str, Expression]:
    if not isinstance(remember, dict) or not all(isinstance(each, str) for each in remember.values()):
        compiler.problem("remember", "should be an object of names with expressions")
        return {}
    for name in remember:
        if not (name.isascii() and name.isidentifier()):
            compiler.problem("remember", f"'{name}' cannot be asked for as last.{name}: use letters, digits and _")
    sources = remembered(condition, remember)
    for name in names_read(condition):
        if name not in sources:
            compiler.problem("condition", f"nothing says what last.{name} is: add '{name}' to what is remembered")
    return {name: compiler.expression(f"remember.{name}", source) for name, source in sources.items()}


def _actions(compiler: Compiler, data: Any) -> tuple[dict[int, Action], list[Plan]]:
    if not isinstance(data, list) or not data:
        compiler.problem("actions", "a rule does at least one thing")
        return {}, []
    if len(data) > MOST_ACTIONS:
        compiler.problem("actions", f"a rule does at most {MOST_ACTIONS} things")
    actions, plans = dict[int, Action](), list[Plan]()
    for index, each in enumerate(data):
        place = f"actions.{index}"
        try:
            action = read_action(each)
        except UnknownKind as error:
            compiler.problem(f"{place}.kind", str(error))
            continue
        except ValidationError as error:
            compiler.problems += problems_of(error, place)
            continue
        actions[index] = action
        plans.append(_plan(compiler, place, action))
    return actions, plans


def _plan(compiler: Compiler, place: str, action: Action) -> Plan:
    match action:
        case CreateJobs():
            return _create_jobs(compiler, place, action)
        case Notify():
            return _notify(compiler, place, action)
        case RetryJob():
            effect: Effect = RetryIt(action.from_step or None, action.most, place)
        case CancelJob():
            effect = CancelIt(place)
        case PauseQueue() | ResumeQueue():
            effect = HoldQueue(action.queue, isinstance(action, PauseQueue), action.everybody, place)
    return lambda names: iter((effect,))


def _create_jobs(compiler: Compiler, place: str, action: CreateJobs) -> Plan:
    extra = ELEMENT_NAMES if action.for_each.strip() else ()
    items = compiler.expression(f"{place}.for_each", action.for_each) if extra else None
    templates = [_job(compiler, f"{place}.jobs.{index}", template, extra) for index, template in enumerate(action.jobs)]

    def plan(names: Names) -> Iterator[Effect]:
        if items is None:
            yield from (make(names) for make in templates)
            return
        for index, item in enumerate(_list(items, names, f"{place}.for_each", action.most)):
            yield from (make({**names, "item": item, "index": index}) for make in templates)

    return plan


def _list(items: Expression, names: Names, place: str, most: int) -> list[Any]:
    found = _fitting(lambda: value_of(items, names), place)
    if not isinstance(found, list):
        raise Refused(place, "this gave no list")
    if len(found) > most:
        raise Refused(place, f"the list has {len(found):,} elements; at most {most:,} are taken")
    return found


def _job(compiler: Compiler, place: str, template: JobTemplate, extra: Collection[str]) -> Callable[[Names], MakeJob]:
    payload = Filler(compiler, extra).compile(f"{place}.payload", template.payload)
    key = compiler.template(f"{place}.key", template.key, extra=extra)

    def make(names: Names) -> MakeJob:
        filled = _fitting(lambda: payload(names), f"{place}.payload")
        request = NewJob(
            workflow=template.workflow,
            payload=filled,
            queue=template.queue,
            priority=template.priority,
            retry_policy=template.retry_policy,
        )
        named = _fitting(lambda: text_of(key, names), f"{place}.key").strip()
        return MakeJob(request, place, named, template.delay)

    return make


def _notify(compiler: Compiler, place: str, action: Notify) -> Plan:
    try:
        NotifyConfig.model_validate(action.model_dump(exclude={"kind"}))
    except ValidationError as error:
        compiler.problems += problems_of(error, place)
    except ConfigError as error:
        compiler.problem(f"{place}.{error.field}", error.message)
    quote = CHANNELS[action.channel].quote
    subject = compiler.template(f"{place}.subject", action.subject, quote=quote)
    text = compiler.template(f"{place}.text", action.text, quote=quote)
    people = [compiler.template(f"{place}.to.{index}", each) for index, each in enumerate(action.to)]

    def plan(names: Names) -> Iterator[Effect]:
        content = {
            "channel": action.channel,
            "connection": action.connection,
            "to": _fitting(lambda: [text_of(each, names).strip() for each in people], f"{place}.to"),
            "subject": _fitting(lambda: text_of(subject, names), f"{place}.subject"),
            "text": _fitting(lambda: text_of(text, names), f"{place}.text"),
        }
        yield Tell(content, place)

    return plan


def _fitting(work: Callable[[], Any], place: str) -> Any:
    try:
        return work()
    except PermanentError as error:
        raise Refused(place, str(error)) from None


def _value_or_none(expression: Expression, names: Names) -> Any:
    try:
        return expression.evaluate(names)
    except ExpressionError:
        return None
