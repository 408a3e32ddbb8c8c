"""Trying a rule: what it would do, without doing it; and running it now, by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from automations.domain import occurrences
from automations.domain.effects import CancelIt, Effect, HoldQueue, MakeJob, Refused, RetryIt, Tell
from automations.domain.states import FiringState, TriggerKind
from automations.models import AutomationRule, Firing, RuleMemory
from automations.queries.names import INSTANTS, names_of
from automations.services.compiling import CompiledRule, compile_rule
from automations.services.deciding import decide
from automations.services.hints import hint_on_commit
from automations.services.memories import last_of
from automations.services.occurrences import make_firings, new_firing
from automations.services.schedule import chooses, tenants_of_rule
from jobs.models import Job
from jobs.services.submit import check_requests
from taskflow.lib.db import in_transaction
from taskflow.lib.ids import new_uid
from tenants.models import Tenant
from workflows.domain.definition import Problem

#: Tenants that a dry run of an operator's rule goes through.
MOST_TENANTS = 100


@dataclass(slots=True)
class Trial:
    """What a rule would do for one tenant. `why` are the parts of its condition, `would` a line for each thing."""

    tenant: Tenant
    matched: bool | None = None
    reason: str = ""
    why: list[dict[str, Any]] = field(default_factory=list)
    would: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)


def dry_run(
    rule: AutomationRule,
    *,
    now: datetime,
    tenant: Tenant | None = None,
    event: Mapping[str, Any] | None = None,
    job: Job | None = None,
) -> list[Trial]:
    """Return what the rule would do now, for each tenant that it holds for (or for `tenant` alone); makes nothing.

    `event` is what it is told to see: `payload`, `name`, `headers`, `value` and so on, as its trigger gives them; `job`
    is the job of an event of one, which must be the tenant's. The rule need not be stored.
    """
    compiled = compile_rule(rule)
    tenants = [tenant] if tenant is not None else list(tenants_of_rule(rule, compiled, now))[:MOST_TENANTS]
    return [_try(rule, compiled, each, event or {}, job, now) for each in tenants]


def _try(
    rule: AutomationRule,
    compiled: CompiledRule,
    tenant: Tenant,
    event: Mapping[str, Any],
    job: Job | None,
    now: datetime,
) -> Trial:
    trial = Trial(tenant)
    if rule.tenant_id not in (None, tenant.pk):
        raise ValueError("a tenant's rule is tried in that tenant alone")
    seen = {"kind": rule.trigger_kind or TriggerKind.MANUAL.value, "name": "try", "payload": {}} | dict(event)
    seen.setdefault("at", now.isoformat())
    if seen["kind"] == TriggerKind.CRON:
        seen.setdefault("scheduled_for", now.isoformat())
    firing = Firing(rule=rule if rule.pk else None, tenant=tenant, event=seen, job=job)
    kept = RuleMemory.objects.filter(rule=rule, tenant=tenant).first() if rule.pk else None
    trial.last = last_of(compiled, {} if kept is None else kept.last)
    try:
        names = names_of(firing, tenant=tenant, last=trial.last, now=now)
    except ValueError:
        trial.problems.append(
            Problem("event", f"{' and '.join(INSTANTS)} should be times such as 2026-03-02T07:00:00Z")
        )
        return trial
    try:
        decision = decide(rule, compiled, names)
        trial.matched, trial.reason, trial.why = decision.matched, decision.reason, decision.parts()
        effects = compiled.plan(names) if decision.matched else []
        trial.would = [_would(rule, effect, trial, now) for effect in effects]
    except Refused as refused:
        trial.problems += compiled.problems or [Problem(refused.place, refused.message)]
    return trial


def _would(rule: AutomationRule, effect: Effect, trial: Trial, now: datetime) -> dict[str, Any]:
    match effect:
        case MakeJob():
            return _would_make(rule, effect, trial, now)
        case Tell():
            return {"place": effect.place, "action": "notify", **effect.content}
        case RetryIt():
            return {"place": effect.place, "action": "retry_job", "from_step": effect.from_step}
        case CancelIt():
            return {"place": effect.place, "action": "cancel_job"}
        case HoldQueue():
            word = "pause_queue" if effect.pause else "resume_queue"
            return {"place": effect.place, "action": word, "queue": effect.queue, "everybody": effect.everybody}


def _would_make(rule: AutomationRule, effect: MakeJob, trial: Trial, now: datetime) -> dict[str, Any]:
    request = effect.request
    told = {
        "place": effect.place,
        "action": "create_jobs",
        "workflow": request.workflow,
        "payload": request.payload,
        "queue": request.queue,
        "priority": request.priority,
        "key": effect.key,
        "run_at": (now + timedelta(seconds=effect.delay)).isoformat() if effect.delay else None,
    }
    for refused in check_requests(tenant_id=trial.tenant.pk, requests=[request], now=now):
        if rule.tenant_id is None and refused.field == "workflow":
            return told | {"skipped": refused.message}
        trial.problems += [Problem(f"{effect.place}.{name}", reason) for name, reason in refused.problems]
    return told


def run_now(
    *,
    rule: AutomationRule,
    actor: str,
    now: datetime,
    tenant: Tenant | None = None,
    payload: Mapping[str, Any] | None = None,
) -> list[Firing]:
    """Fire a rule by hand, once for each tenant that it holds for, or for `tenant` alone; also one switched off.

    Its condition is asked as ever. Returns the firings, which are worked on at once.
    """
    compiled = compile_rule(rule)
    tenants = list(tenants_of_rule(rule, compiled, now))
    if tenant is not None:
        tenants = [each for each in tenants if each.pk == tenant.pk]
    event = {
        "kind": TriggerKind.MANUAL.value,
        "name": "manual",
        "by": actor,
        "at": now.isoformat(),
        "payload": dict(payload or {}),
    }
    occurrence = occurrences.by_hand(new_uid())
    rows = [new_firing(rule, each.pk, occurrence, now, event) for each in tenants if chooses(compiled, each, now)]

    def work() -> list[Firing]:
        make_firings(rows)
        return list(Firing.objects.filter(key__in=[row.key for row in rows]).order_by("pk"))

    return in_transaction(work)


def retry_firing(*, firing: Firing, now: datetime) -> bool:
    """Have a FAILED firing worked on again, with fresh attempts. False if it is not FAILED."""

    def work() -> bool:
        rows = Firing.objects.filter(pk=firing.pk, state=FiringState.FAILED.value)
        changed = rows.update(state=FiringState.PENDING.value, due_at=now, attempts=0, finished_at=None)
        if changed:
            hint_on_commit()
        return changed == 1

    return in_transaction(work)
