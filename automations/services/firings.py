"""Working on firings: taking them up, deciding, acting, and marking them, so that nothing is done twice."""

import time
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, prefetch_related_objects

from automations.domain.effects import Refused
from automations.domain.patience import LEASE, next_try
from automations.domain.states import FiringState, TriggerKind
from automations.models import AutomationRule, Firing, RuleMemory
from automations.queries.names import names_of
from automations.services.acting import Acts
from automations.services.compiling import CompiledRule, compile_rule
from automations.services.deciding import Decision, decide, depth_of, stopped_by
from automations.services.hints import hint_on_commit
from taskflow.lib.cache import forget_all
from taskflow.lib.db import in_transaction

#: What is written when a firing is done.
RESULTS = (
    *("state", "finished_at", "error", "matched", "why", "reason", "told", "jobs_made", "rule_revision", "depth"),
    "took_ms",
)
DUE = {"state": FiringState.PENDING.value}


def claim_firings(*, now: datetime, limit: int) -> list[Firing]:
    """Take up firings that are due, the longest due first: nobody else takes them up for LEASE."""

    def work() -> list[Firing]:
        rows = Firing.objects.filter(**DUE, due_at__lte=now).order_by("due_at", "pk")
        if connection.features.has_select_for_update:
            rows = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        found = list(rows[:limit])
        taken = {"attempts": F("attempts") + 1, "due_at": now + LEASE}
        if found:
            Firing.objects.filter(pk__in=[firing.pk for firing in found]).update(**taken)
        return found

    found = in_transaction(work)
    for firing in found:
        firing.attempts, firing.due_at = firing.attempts + 1, now + LEASE
    prefetch_related_objects(found, "rule", "tenant", "job__workflow", "job__queue")
    return found


def carry_out(*, firing: Firing, now: datetime) -> bool:
    """Decide and act on a firing that was taken up, in one transaction with marking it done.

    False where somebody else has it by now: then nothing was done. Raises Refused where it is no use to try again.
    """
    began = time.perf_counter()
    try:
        return in_transaction(lambda: _whole(firing, now, began))
    except Exception:
        # What this process remembers of rows that were made just now, a lane say, is not true any more.
        forget_all()
        raise


def _whole(taken: Firing, now: datetime, began: float) -> bool:
    """Keep all of it or nothing, also where it is a part of a larger transaction."""
    with transaction.atomic():
        return _carry_out(taken, now, began)


def _carry_out(firing: Firing, now: datetime, began: float) -> bool:
    if not _is_mine(firing):
        return False
    rule = firing.rule
    reason = _why_not(firing, rule)
    if rule is None or reason:
        _finish(firing, now, began, Decision(None, reason=reason))
        return True
    compiled = compile_rule(rule)
    memory = _memory(rule, firing.tenant_id, now) if compiled.remember else None
    last = last_of(compiled, memory.last if memory else {})
    names = names_of(firing, tenant=firing.tenant, last=last, now=now)
    decision = decide(rule, compiled, names)
    if not decision.matched:
        _finish(firing, now, began, decision)
        return True
    # Held until the end: so the limits are exact, and of two firings the second sees what the first has kept.
    memory = memory or _memory(rule, firing.tenant_id, now)
    depth = depth_of(firing.job)
    acts = Acts(firing, rule, depth, now)
    if stop := stopped_by(firing, rule, depth, now):
        decision = Decision(None, decision.why, stop)
    else:
        acts.carry_out(compiled.plan(names))
        memory.last, memory.updated_at = compiled.kept(names), now
        memory.save(update_fields=["last", "updated_at"])
    _finish(firing, now, began, decision, acts, depth=depth)
    return True


def _is_mine(firing: Firing) -> bool:
    """Lock the firing's row; False where somebody else has taken it up since, or is done with it."""
    rows = Firing.objects.filter(pk=firing.pk, attempts=firing.attempts, **DUE)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    return bool(rows.values_list("pk").order_by().first())


def _why_not(firing: Firing, rule: AutomationRule | None) -> str:
    if rule is None:
        return "The rule was deleted before it ran."
    if not rule.enabled and firing.trigger_kind != TriggerKind.MANUAL:
        return "The rule was switched off before it ran."
    if rule.tenant_id not in (None, firing.tenant_id):
        return "The rule is another tenant's."
    return "" if firing.tenant.active else "The tenant is switched off."


def last_of(compiled: CompiledRule, kept: dict[str, Any]) -> dict[str, Any]:
    """Return `last` as a rule sees it: null for what was never kept."""
    return dict.fromkeys(compiled.remember) | kept


def _memory(rule: AutomationRule, tenant_id: int, now: datetime) -> RuleMemory:
    """Return what the rule keeps for a tenant, locked: its firings there are worked on one after the other."""
    RuleMemory.objects.get_or_create(rule=rule, tenant_id=tenant_id, defaults={"updated_at": now})
    rows = RuleMemory.objects.filter(rule=rule, tenant_id=tenant_id)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    memory: RuleMemory = rows.get()
    return memory


def _finish(
    firing: Firing, now: datetime, began: float, decision: Decision, acts: Acts | None = None, *, depth: int = 0
) -> None:
    firing.state, firing.finished_at, firing.error = FiringState.DONE.value, now, ""
    firing.matched, firing.why, firing.reason = decision.matched, decision.parts(), decision.reason[:500]
    firing.depth = depth
    if acts is not None:
        firing.told, firing.jobs_made, firing.rule_revision = acts.told, len(acts.made), acts.rule.revision
        if acts.notices:
            hint_on_commit()
    firing.took_ms = (time.perf_counter() - began) * 1000
    firing.save(update_fields=RESULTS)


def record_failure(*, firing: Firing, error: Exception, now: datetime) -> None:
    """Keep why a firing could not be worked on; it is tried again later, or given up where that is no use."""
    again = None if isinstance(error, Refused) else next_try(firing.attempts, now)
    text = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
    changes: dict[str, Any] = {"error": text[:5000]}
    if again is None:
        changes |= {"state": FiringState.FAILED.value, "finished_at": now}
    else:
        changes["due_at"] = again
    Firing.objects.filter(pk=firing.pk, attempts=firing.attempts, **DUE).update(**changes)
