"""Reading the jobs' own log for rules that listen to jobs: nothing is missed, and nothing fires twice.

Lines are committed in another order than their ids are given out. So the reader notes which ids below its place were
not there yet, and looks for them again for GAP_SECONDS: longer than any transaction lasts. It counts the ids of each
stretch, and reads only the lines that some rule wants.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import connection
from django.db.models import Q

from automations.domain import occurrences
from automations.domain.gaps import Gap, missing_ranges, without
from automations.domain.states import TriggerKind
from automations.domain.triggers import EVENT_OF_LINE, JobTrigger, has_labels
from automations.models import AutomationRule, Firing, JobEventCursor
from automations.services.compiling import compile_rule
from automations.services.occurrences import make_firings, new_firing
from jobs.models import Event, Job
from taskflow.lib.db import in_transaction
from workflows.models import Workflow

#: Lines of the log that are gone through in one transaction.
STRETCH = 5000
GAP_SECONDS = 120
MOST_GAPS = 500
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Listener:
    """A rule that listens to jobs, with its trigger."""

    rule: AutomationRule
    trigger: JobTrigger

    def hears(self, line: dict[str, Any], job: dict[str, Any]) -> bool:
        """Say whether the rule is concerned by a line of this job's log."""
        rule, trigger = self.rule, self.trigger
        if rule.tenant_id not in (None, job["tenant_id"]) or line["kind"] not in trigger.lines:
            return False
        if rule.enabled_at is None or line["at"] < rule.enabled_at:
            return False
        if trigger.workflows and job["workflow"] not in trigger.workflows:
            return False
        if trigger.states and (line["state"] or job["state"]) not in trigger.states:
            return False
        return not trigger.labels or has_labels(job["result"], trigger.labels)


def follow_jobs() -> None:
    """Read the log from here on, if nobody does yet. Belongs in the transaction that switches a rule on."""
    cursor = _locked_cursor()
    if cursor is not None and cursor.position is None:
        cursor.position, cursor.gaps = _end_of_log(), []
        cursor.save()


def read_job_events(*, now: datetime) -> bool:
    """Make the firings that new lines of the log call for, at most STRETCH lines on; True if there may be more."""
    if not JobEventCursor.objects.filter(position__isnull=False).exists():
        return False
    return in_transaction(lambda: _read(now))


def _read(now: datetime) -> bool:
    cursor = _locked_cursor(wait=False)
    if cursor is None or cursor.position is None:
        return False
    listeners = _listeners()
    if not listeners:
        cursor.position, cursor.gaps, cursor.read_at = None, [], now
        cursor.save()
        return False
    first, last = cursor.position + 1, min(_end_of_log(), cursor.position + STRETCH)
    gaps = [gap for gap in map(Gap.read, cursor.gaps) if now - gap.seen_at < timedelta(seconds=GAP_SECONDS)]
    wanted = {line for listener in listeners for line in listener.trigger.lines}
    # Counted before they are read: a line that is committed in between counts as missing and is read twice, not never.
    missing = _missing(first, last, now) if last >= first else []
    late = _late(gaps)
    lines = [line for line in late if line["kind"] in wanted]
    if last >= first:
        lines += _lines(Q(pk__gte=first, pk__lte=last, kind__in=wanted))
    make_firings(_firings(lines, listeners, now))
    gaps = [*without(gaps, {line["id"] for line in late}), *missing][-MOST_GAPS:]
    cursor.position, cursor.gaps, cursor.read_at = max(cursor.position, last), [gap.write() for gap in gaps], now
    cursor.save()
    return last - first + 1 >= STRETCH


def _locked_cursor(*, wait: bool = True) -> JobEventCursor | None:
    """Return the one row, locked; None where it is held and `wait` is not set."""
    JobEventCursor.objects.get_or_create(pk=1)
    rows = JobEventCursor.objects.all()
    if connection.features.has_select_for_update:
        rows = rows.select_for_update(skip_locked=not wait and connection.features.has_select_for_update_skip_locked)
    return rows.filter(pk=1).first()


def _end_of_log() -> int:
    found: int | None = Event.objects.order_by("-pk").values_list("pk", flat=True).first()
    return found or 0


def _listeners() -> list[Listener]:
    rules = AutomationRule.objects.filter(enabled=True, trigger_kind=TriggerKind.JOB.value).order_by("pk")
    compiled = ((rule, compile_rule(rule).trigger) for rule in rules)
    return [Listener(rule, trigger) for rule, trigger in compiled if isinstance(trigger, JobTrigger)]


def _missing(first: int, last: int, now: datetime) -> list[Gap]:
    stretch = Event.objects.filter(pk__gte=first, pk__lte=last)
    if stretch.count() == last - first + 1:
        return []
    ids = set(stretch.order_by().values_list("pk", flat=True))
    return [Gap(low, high, now) for low, high in missing_ranges(first, last, ids)]


def _late(gaps: Sequence[Gap]) -> list[dict[str, Any]]:
    if not gaps:
        return []
    return _lines(reduce(or_, (Q(pk__gte=gap.first, pk__lte=gap.last) for gap in gaps)))


def _lines(which: Q) -> list[dict[str, Any]]:
    rows: Any = Event.objects.filter(which).order_by("pk")
    return list(rows.values("id", "kind", "state", "at", "actor", "data", "job_id"))


def _firings(lines: Iterable[dict[str, Any]], listeners: Sequence[Listener], now: datetime) -> Iterator[Firing]:
    found = list(lines)
    jobs = _jobs({line["job_id"] for line in found}, listeners)
    for line in found:
        job = jobs.get(line["job_id"])
        if job is None:
            continue
        for listener in listeners:
            if listener.hears(line, job):
                yield _firing(listener.rule, line, job, now)


def _jobs(ids: Collection[int], listeners: Sequence[Listener]) -> dict[int, dict[str, Any]]:
    """Return what the listeners ask about these jobs; results only where one looks into them."""
    columns = ["id", "tenant_id", "workflow_id", "state"]
    if any(listener.trigger.labels for listener in listeners):
        columns.append("result")
    rows = Job.objects.all()
    if all(listener.rule.tenant_id for listener in listeners):
        rows = rows.filter(tenant__in={listener.rule.tenant_id for listener in listeners})
    ordered, found = sorted(ids), dict[int, dict[str, Any]]()
    for start in range(0, len(ordered), BATCH):
        found |= {row["id"]: row for row in rows.filter(pk__in=ordered[start : start + BATCH]).values(*columns)}
    slugs = dict(
        Workflow.objects.filter(pk__in={row["workflow_id"] for row in found.values()}).values_list("pk", "slug")
    )
    for row in found.values():
        row["workflow"] = slugs.get(row["workflow_id"], "")
    return found


def _firing(rule: AutomationRule, line: dict[str, Any], job: dict[str, Any], now: datetime) -> Firing:
    event = {
        "kind": TriggerKind.JOB.value,
        "name": EVENT_OF_LINE[line["kind"]].value,
        "state": line["state"],
        "at": line["at"].isoformat(),
        "actor": line["actor"],
        "data": line["data"] or {},
    }
    return new_firing(rule, job["tenant_id"], occurrences.of_job_event(line["id"]), now, event, job_id=line["job_id"])
