"""Working on firings: taking them up, deciding, acting, and marking them, so that nothing is done twice."""

import time
from collections.abc import Callable
from datetime import datetime
from itertools import accumulate
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import F, prefetch_related_objects
from django.db.models.functions import Length

from automations.domain.effects import Refused
from automations.domain.patience import LEASE, next_try
from automations.domain.states import FiringState, TriggerKind
from automations.models import AutomationRule, Firing
from automations.queries.names import names_of
from automations.services.acting import Acts
from automations.services.compiling import compile_rule
from automations.services.deciding import Decision, acted_lately, decide, depth_of, stopped_by
from automations.services.memories import last_of, lock_memories
from taskflow.lib.cache import forget_all
from taskflow.lib.db import in_transaction

T = TypeVar("T")
#: What is written when a firing is done.
RESULTS = (
    *("state", "finished_at", "error", "matched", "why", "reason", "told", "jobs_made", "rule_revision", "depth"),
    "took_ms",
)
#: Characters of what firings saw that one worker takes up at once.
MOST_SEEN = 4_000_000
DUE = {"state": FiringState.PENDING.value}


def claim_firings(*, now: datetime, limit: int) -> list[Firing]:
    """Take up firings that are due, the longest due first: nobody else takes them up for LEASE.

    At most `limit`, and fewer where what they saw is large: all of it is held in memory.
    """

    def work() -> list[Firing]:
        rows = Firing.objects.filter(**DUE, due_at__lte=now).order_by("due_at", "pk")
        if connection.features.has_select_for_update:
            rows = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        sizes = dict(rows.values_list("pk", Length("event"))[:limit])
        small = [pk for pk, total in zip(sizes, accumulate(sizes.values()), strict=True) if total <= MOST_SEEN]
        taken = Firing.objects.filter(pk__in=small or list(sizes)[:1])
        if not sizes or not taken.update(attempts=F("attempts") + 1, due_at=now + LEASE):
            return []
        by_key = taken.in_bulk()
        return [by_key[pk] for pk in sizes if pk in by_key]

    found = in_transaction(work)
    prefetch_related_objects(found, "rule", "tenant", "job__workflow", "job__queue")
    return found


def carry_out(*, firing: Firing, now: datetime) -> bool:
    """Decide and act on a firing that was taken up, in one transaction with marking it done.

    False where somebody else has it by now: then nothing was done. Raises Refused where it is no use to try again.
    """
    began = time.perf_counter()
    return whole_or_nothing(lambda: _carry_out(firing, now, began))


def whole_or_nothing(work: Callable[[], T]) -> T:
    """Keep all that `work` does or nothing, also where it is a part of a larger transaction."""

    def whole() -> T:
        with transaction.atomic():
            return work()

    try:
        return in_transaction(whole)
    except Exception:
        # What this process remembers of rows that were made just now, a lane say, is not true any more.
        forget_all()
        raise


def _carry_out(firing: Firing, now: datetime, began: float) -> bool:
    if not _is_mine(firing):
        return False
    rule = firing.rule
    reason = why_not(firing, rule)
    if rule is None or reason:
        _finish(firing, now, began, Decision(None, reason=reason))
        return True
    compiled = compile_rule(rule)
    pair = (rule.pk, firing.tenant_id)
    memory = lock_memories([pair], now=now)[pair] if compiled.remember else None
    last = last_of(compiled, memory.last if memory else {})
    names = names_of(firing, tenant=firing.tenant, last=last, now=now)
    decision = decide(rule, compiled, names)
    if not decision.matched:
        _finish(firing, now, began, decision)
        return True
    # Held until the end: so the limits are exact, and of two firings the second sees what the first has kept.
    memory = memory or lock_memories([pair], now=now)[pair]
    depth = depth_of(firing.job)
    acts = Acts(firing, rule, depth, now)
    if stop := stopped_by(rule, depth=depth, acted=acted_lately(rule, firing.tenant_id, now)):
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


def why_not(firing: Firing, rule: AutomationRule | None) -> str:
    """Return why a rule is not even asked at a firing; nothing where it is."""
    if rule is None:
        return "The rule was deleted before it ran."
    if not rule.enabled and firing.trigger_kind != TriggerKind.MANUAL:
        return "The rule was switched off before it ran."
    if rule.tenant_id not in (None, firing.tenant_id):
        return "The rule is another tenant's."
    return "" if firing.tenant.active else "The tenant is switched off."


def _finish(
    firing: Firing, now: datetime, began: float, decision: Decision, acts: Acts | None = None, *, depth: int = 0
) -> None:
    firing.state, firing.finished_at, firing.error = FiringState.DONE.value, now, ""
    firing.matched, firing.why, firing.reason = decision.matched, decision.parts(), decision.reason[:500]
    firing.depth = depth
    if acts is not None:
        firing.told, firing.jobs_made, firing.rule_revision = acts.told, len(acts.made), acts.rule.revision
    firing.took_ms = (time.perf_counter() - began) * 1000
    firing.save(update_fields=RESULTS)


def record_failure(*, firing: Firing, error: Exception, now: datetime) -> bool:
    """Keep why a firing could not be worked on; True where it is given up, and not tried again later."""
    again = None if isinstance(error, Refused) else next_try(firing.attempts, now)
    text = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
    changes: dict[str, Any] = {"error": text[:5000]}
    if again is None:
        changes |= {"state": FiringState.FAILED.value, "finished_at": now}
    else:
        changes["due_at"] = again
    Firing.objects.filter(pk=firing.pk, attempts=firing.attempts, **DUE).update(**changes)
    return again is None
