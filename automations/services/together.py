"""Working on many firings in one transaction: what they look up is looked up once, their jobs are stored together.

Together come the firings of rules that only add: such a firing writes nothing before all of it is known to be right, so
one that is refused leaves nothing behind. Rules that hold queues, change jobs or make jobs under keys take locks of
their own; where they are to act, their firings are worked on alone.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from automations.domain.effects import Refused
from automations.domain.states import FiringState
from automations.models import AutomationRule, Firing, JobLink, RuleMemory
from automations.queries.names import names_of
from automations.services.acting import Acts, store_acts
from automations.services.compiling import CompiledRule, compile_rule
from automations.services.deciding import Decision, acted_lately, decide, depth_of, stopped_by
from automations.services.firings import DUE, RESULTS, whole_or_nothing, why_not
from automations.services.memories import Pair, last_of, lock_memories
from jobs.models import Job
from jobs.services.submit import store_jobs
from taskflow.lib.db import database_time, update_rows
from taskflow.lib.fields import dump_json

#: Jobs that are made in one transaction, if not one firing makes more.
MOST_JOBS = 500


@dataclass(slots=True)
class Together:
    """What became of the firings: `done` and kept; `refused`, to be kept; to be worked on `alone`, in this order."""

    done: list[Firing] = field(default_factory=list)
    refused: list[tuple[Firing, Refused]] = field(default_factory=list)
    alone: list[Firing] = field(default_factory=list)


def carry_out_together(*, firings: Sequence[Firing], now: datetime) -> Together:
    """Decide and act on firings that were taken up, in one transaction with marking them done.

    Those that somebody else has by now are in no list.
    """
    return whole_or_nothing(lambda: _Round(now).work(firings))


@dataclass(frozen=True, slots=True)
class _Case:
    """A firing that may act. Its `decision` is open where it hangs on what the one before it keeps."""

    firing: Firing
    rule: AutomationRule
    compiled: CompiledRule
    names: Mapping[str, Any]
    decision: Decision | None

    @property
    def pair(self) -> Pair:
        return self.rule.pk, self.firing.tenant_id


class _Round:
    """One transaction's work."""

    def __init__(self, now: datetime) -> None:
        self.now, self.began, self.out = now, time.perf_counter(), Together()
        self.full = False
        self.memories: dict[Pair, RuleMemory] = {}
        self.kept: set[Pair] = set()
        self.acted: dict[Pair, int] = {}
        self.depths: dict[int, int] = {}
        self.acts: list[Acts] = []
        self.rows: dict[int, tuple[Any, ...]] = {}

    def work(self, firings: Sequence[Firing]) -> Together:
        found = [self._look(firing) for firing in _lock(firings)]
        cases = [case for case in found if case is not None]
        self.memories = lock_memories({case.pair for case in cases}, now=self.now)
        self._look_up_depths([case.firing.job for case in cases if case.firing.job is not None])
        for case in cases:
            try:
                self._settle(case)
            except Refused as error:
                self.out.refused.append((case.firing, error))
        self._write()
        return self.out

    def _look(self, firing: Firing) -> _Case | None:
        """Return the case of a firing that may act; what becomes of another one is settled here."""
        rule = firing.rule
        reason = why_not(firing, rule)
        if rule is None or reason:
            self._done(firing, Decision(None, reason=reason))
            return None
        compiled = compile_rule(rule)
        names = names_of(firing, tenant=firing.tenant, last=last_of(compiled, {}), now=self.now)
        if compiled.remember:
            decision = None
        else:
            try:
                decision = decide(rule, compiled, names)
            except Refused as error:
                self.out.refused.append((firing, error))
                return None
            if not decision.matched:
                self._done(firing, decision)
                return None
        if compiled.only_adds:
            return _Case(firing, rule, compiled, names, decision)
        self.out.alone.append(firing)
        return None

    def _settle(self, case: _Case) -> None:
        firing, rule, memory = case.firing, case.rule, self.memories[case.pair]
        names = {**case.names, "last": last_of(case.compiled, memory.last)}
        decision = case.decision or decide(rule, case.compiled, names)
        if not decision.matched:
            self._done(firing, decision)
            return
        depth = self._depth(firing.job)
        acts = Acts(firing, rule, depth, self.now)
        if case.pair not in self.acted:
            self.acted[case.pair] = acted_lately(rule, firing.tenant_id, self.now)
        if stop := stopped_by(rule, depth=depth, acted=self.acted[case.pair]):
            self._done(firing, Decision(None, decision.why, stop), acts, depth)
            return
        acts.prepare(case.compiled.plan(names))
        if self._is_full(len(acts.made)):
            self.out.alone.append(firing)
            return
        memory.last, memory.updated_at = case.compiled.kept(names), self.now
        self.kept.add(case.pair)
        self.acted[case.pair] += 1
        self.acts.append(acts)
        self._done(firing, decision, acts, depth)

    def _is_full(self, more: int) -> bool:
        """Say whether a firing with so many jobs, and with it all that come after it, go beyond what is taken."""
        made = sum(len(acts.made) for acts in self.acts)
        self.full = self.full or (made > 0 and made + more > MOST_JOBS)
        return self.full

    def _look_up_depths(self, jobs: Sequence[Job]) -> None:
        links = JobLink.objects.filter(job_id__in={job.pk for job in jobs}) if jobs else JobLink.objects.none()
        self.depths = dict.fromkeys((job.pk for job in jobs if job.parent_id is None), 0)
        self.depths |= dict(links.values_list("job_id", "depth"))

    def _depth(self, job: Job | None) -> int:
        if job is None:
            return 0
        return self.depths[job.pk] if job.pk in self.depths else depth_of(job)

    def _done(self, firing: Firing, decision: Decision, acts: Acts | None = None, depth: int = 0) -> None:
        firing.matched = decision.matched
        self.out.done.append(firing)
        self.rows[firing.pk] = (
            FiringState.DONE.value,
            database_time(self.now),
            "",
            decision.matched,
            dump_json(decision.parts()),
            decision.reason[:500],
            dump_json([] if acts is None else acts.told),
            0 if acts is None else len(acts.made),
            firing.rule_revision if acts is None else acts.rule.revision,
            depth,
        )

    def _write(self) -> None:
        store_jobs([job for acts in self.acts for job in acts.made], now=self.now)
        store_acts(self.acts)
        for pair in sorted(self.kept):
            self.memories[pair].save(update_fields=["last", "updated_at"])
        took = (time.perf_counter() - self.began) * 1000 / max(len(self.rows), 1)
        update_rows(Firing, RESULTS, {pk: (*row, took) for pk, row in self.rows.items()})


def _lock(firings: Sequence[Firing]) -> list[Firing]:
    """Lock the firings' rows, and return those that nobody else has taken up since, or is done with."""
    rows = Firing.objects.filter(pk__in=[firing.pk for firing in firings], **DUE).order_by("pk")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    mine = dict(rows.values_list("pk", "attempts"))
    return [firing for firing in firings if mine.get(firing.pk) == firing.attempts]
