"""Counting jobs when they are final, each once: behind a mark, in the order of their ids, by one process at a time.

What is not final when the mark goes by it, and what is retried after it was counted, stands in UncountedJob until it is
final. The mark, the counts and those rows change in one transaction: a crash at any moment loses and doubles nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from jobs.domain.figures import Added
from jobs.models import FigureMark, FigureSlot, Job, JobCount, Queue, UncountedJob
from jobs.queries.facts import FINAL_STATES, NEW, Counted, read_facts
from jobs.queries.job_pages import last_id
from jobs.services.claim_sql import due_tenants
from taskflow.lib.db import in_transaction
from taskflow.lib.telemetry import span

BATCH = 500
#: Jobs this young are left for later: most are final then, and need no row that says they were not.
AGE = timedelta(seconds=3)
#: While there is due work, jobs are left for longer, and fewer are counted in one go until so many are behind.
BUSY_AGE, MOST_BEHIND = timedelta(seconds=30), 100_000
#: So many open jobs behind the mark are looked at in one go.
WINDOW = 10_000
#: Ids that were given out and became no job are looked at again for this long: their transaction may still end.
KEEP_GAPS = timedelta(hours=6)
#: Beyond so many open jobs behind it the mark stands still: asking for each of them would cost more than it saves.
MOST_OPEN = 50_000


def count_in_background(*, now: datetime) -> int:
    """Count what has become final, and keep out of the way of the workers while there is work for them."""
    if not any(due_tenants(pk) for pk in Queue.objects.values_list("pk", flat=True)):
        return count_figures(now=now)
    mark = FigureMark.objects.filter(pk=1).values_list("job_id", flat=True).first() or 0
    return count_figures(now=now, batches=20 if last_id() - mark > MOST_BEHIND else 2, age=BUSY_AGE)


def count_figures(*, now: datetime, batches: int = 20, age: timedelta | None = None) -> int:
    """Count jobs older than `age` that are final; returns how many. Nothing happens where another process is at it."""
    with span("figures.count") as fields:
        counted = 0
        for _ in range(batches):
            found = in_transaction(lambda: _count_batch(now, now - (AGE if age is None else age)))
            if found is None:
                break
            counted += found
        fields["jobs"] = counted + in_transaction(lambda: _sweep(now))
    return int(fields["jobs"])


def uncount(job: Job, *, now: datetime) -> None:
    """Note that a final job goes on; belongs in the transaction that retries it, before its row is changed."""
    mark = FigureMark.objects.values_list("job_id", flat=True).filter(pk=1).first() or 0
    if job.pk > mark or UncountedJob.objects.filter(pk=job.pk).exists():
        return
    UncountedJob.objects.create(
        job_id=job.pk, workflow_id=job.workflow_id, was=job.state, runs=job.run_number, noted_at=now
    )


def _take_mark() -> FigureMark | None:
    """Return the mark's row, locked; None where another process has it."""
    FigureMark.objects.get_or_create(pk=1)
    rows = FigureMark.objects.filter(pk=1)
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows.first()


def _count_batch(now: datetime, before: datetime) -> int | None:
    """Move the mark on by one batch; returns how many jobs of it are counted, None where there was none."""
    mark = _take_mark()
    if mark is None or UncountedJob.objects.count() >= MOST_OPEN:
        return None
    rows = list(
        Job.objects.filter(pk__gt=mark.job_id).order_by("pk").values_list("pk", "created_at", "workflow_id")[:BATCH]
    )
    young = next((place for place, row in enumerate(rows) if row[1] > before), len(rows))
    rows = rows[:young]
    if not rows:
        return None
    added = Added()
    for _, created_at, workflow_id in rows:
        added.see(workflow_id, created_at)
    counted = _count([row[0] for row in rows], {}, added)
    _store(added)
    _note_the_others(mark, rows, counted, now)
    mark.job_id, mark.job_created_at, mark.counted_at = rows[-1][0], rows[-1][1], now
    mark.save(update_fields=["job_id", "job_created_at", "counted_at"])
    return len(counted)


def _note_the_others(mark: FigureMark, rows: Sequence[tuple[Any, ...]], counted: set[int], now: datetime) -> None:
    workflows = {pk: workflow_id for pk, _, workflow_id in rows}
    left = [pk for pk in workflows if pk not in counted]
    newest = max(row[1] for row in rows)
    first, last = mark.job_id + 1, rows[-1][0]
    if newest > now - KEEP_GAPS and last - first < 4 * BATCH:
        left += [pk for pk in range(first, last) if pk not in workflows]
    UncountedJob.objects.bulk_create(
        UncountedJob(job_id=pk, workflow_id=workflows.get(pk), noted_at=now) for pk in sorted(left)
    )


def _sweep(now: datetime) -> int:
    """Count those behind the mark that have become final, a part of them at a time."""
    mark = _take_mark()
    if mark is None:
        return 0
    rows = list(UncountedJob.objects.filter(pk__gt=mark.swept_id).order_by("pk")[:WINDOW])
    there = {row.pk: row for row in rows}
    final = Job.objects.filter(pk__in=list(there), state__in=FINAL_STATES).order_by("pk")
    ids = list(final.values_list("pk", flat=True)[:BATCH])
    added = Added()
    counted = _count(ids, {pk: (there[pk].was, there[pk].runs) for pk in ids}, added)
    UncountedJob.objects.filter(pk__in=[*counted, *_settle_gaps(rows, added, now)]).delete()
    _store(added)
    all_of_them = len(rows) < WINDOW and len(ids) < BATCH
    swept = ids[-1] if len(ids) == BATCH else (0 if all_of_them else rows[-1].pk)
    if counted or swept != mark.swept_id:
        mark.swept_id, mark.counted_at = swept, now
        mark.save(update_fields=["swept_id", "counted_at"])
    return len(counted)


def _settle_gaps(rows: Sequence[UncountedJob], added: Added, now: datetime) -> list[int]:
    """Give ids that have become jobs their workflow; returns those that never will."""
    unknown = [row for row in rows if row.workflow_id is None]
    found = Job.objects.filter(pk__in=[row.pk for row in unknown]).values_list("pk", "workflow_id", "created_at")
    named = {pk: (workflow_id, created_at) for pk, workflow_id, created_at in (found if unknown else ())}
    for pk, (workflow_id, created_at) in named.items():
        UncountedJob.objects.filter(pk=pk).update(workflow_id=workflow_id)
        added.see(workflow_id, created_at)
    return [row.pk for row in unknown if row.pk not in named and row.noted_at < now - KEEP_GAPS]


def _count(ids: Sequence[int], counted: Mapping[int, Counted], added: Added) -> set[int]:
    """Add those of `ids` that are final and that nobody is changing; returns which they are."""
    if not ids:
        return set()
    rows = Job.objects.filter(pk__in=ids, state__in=FINAL_STATES).defer("payload", "result", "retry_policy")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    jobs = list(rows.order_by("pk"))
    for facts in read_facts(jobs, {job.pk: counted.get(job.pk, NEW) for job in jobs}):
        added.add(facts)
    return {job.pk for job in jobs}


def _store(added: Added) -> None:
    counts = added.all_counts()
    keys = ("workflow_id", "moment", "width", "slot", "state")
    slots = {(width, slot) for _, _, width, slot, _ in counts}
    there = {tuple(getattr(row, name) for name in keys): row for row in _rows(JobCount, counts, slots)}
    changed = []
    for key in [key for key in counts if key in there]:
        there[key].jobs += counts[key]
        changed.append(there[key])
    JobCount.objects.bulk_update(changed, ["jobs"], batch_size=500)
    JobCount.objects.bulk_create(
        [JobCount(**dict(zip(keys, key, strict=True)), jobs=jobs) for key, jobs in counts.items() if key not in there]
    )
    _store_figures(added)


def _store_figures(added: Added) -> None:
    figures = added.all_figures()
    slots = {(width, slot) for _, width, slot in figures}
    there = {(row.workflow_id, row.width, row.slot): row for row in _rows(FigureSlot, figures, slots)}
    changed, new = [], []
    for (workflow_id, width, slot), more in figures.items():
        row = there.get((workflow_id, width, slot))
        if row is None:
            kept = {name: amount for name, amount in more.items() if amount}
            new.append(FigureSlot(workflow_id=workflow_id, width=width, slot=slot, figures=kept))
            continue
        for name, amount in more.items():
            if amount:
                row.figures[name] = row.figures.get(name, 0) + amount
        changed.append(row)
    FigureSlot.objects.bulk_update(changed, ["figures"], batch_size=100)
    FigureSlot.objects.bulk_create(new)


def _rows(model: Any, keys: Iterable[tuple[Any, ...]], slots: set[tuple[int, datetime]]) -> list[Any]:
    """Return the rows that there are of these workflows in these slots; only the holder of the mark changes any."""
    workflows = {key[0] for key in keys}
    if not workflows:
        return []
    found: list[Any] = []
    for width in {width for width, _ in slots}:
        of_width = [slot for each, slot in slots if each == width]
        rows = model.objects.filter(workflow_id__in=workflows, width=width, slot__in=of_width)
        found += rows.filter(moment__in=("in", "end", "new")) if model is JobCount else rows
    return found
