"""What the engine looks like from outside at one moment, for metrics: cheap enough to be asked every few seconds."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, Sum

from jobs.domain.states import FINAL, State
from jobs.models import EngineTick, Job, Queue, WorkerLease
from taskflow.lib.clock import DatabaseNow, seconds

#: Finished jobs are never counted: there are too many of them, and they wait for nothing.
_ACTIVE = tuple(state.value for state in State if state not in FINAL)


@dataclass(frozen=True, slots=True)
class Depth:
    """The jobs of one queue in one active state, and when the one due longest was due."""

    queue: str
    state: str
    jobs: int
    oldest_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fleet:
    """The living worker processes of one pool: how many, the jobs they can run at once, and those they run."""

    pool: str
    workers: int
    slots: int
    running: int


def queue_depths() -> list[Depth]:
    """Return every queue in every active state, empty ones too, from the claim index alone."""
    slugs = dict(Queue.objects.order_by("slug").values_list("pk", "slug"))
    rows = Job.objects.filter(queue_id__in=list(slugs), state__in=_ACTIVE).order_by()
    counted = rows.values("queue_id", "state").annotate(jobs=Count("id"), oldest=Min("due_at"))
    found = {(row["queue_id"], row["state"]): (row["jobs"], row["oldest"]) for row in counted}
    return [Depth(slug, state, *found.get((pk, state), (0, None))) for pk, slug in slugs.items() for state in _ACTIVE]


def paused_queues() -> dict[str, bool]:
    """Return which queues are paused."""
    return {slug: at is not None for slug, at in Queue.objects.values_list("slug", "paused_at")}


def living_fleets(*, lease_seconds: float) -> list[Fleet]:
    """Return the workers heard of in the last `lease_seconds`, by pool; a pool of queues that nobody serves has 0."""
    alive = Q(ended_at__isnull=True, heartbeat_at__gte=DatabaseNow() - seconds(lease_seconds))
    rows = WorkerLease.objects.filter(alive).values("pool").order_by()
    found = {row["pool"]: row for row in rows.annotate(workers=Count("id"), all=Sum("slots"), busy=Sum("running"))}
    pools = {*found, *Queue.objects.values_list("pool", flat=True)}
    none = {"workers": 0, "all": 0, "busy": 0}
    ordered = [(pool, found.get(pool, none)) for pool in sorted(pools)]
    return [Fleet(pool, row["workers"], row["all"], row["busy"]) for pool, row in ordered]


def last_tick_at() -> datetime | None:
    """Return when the engine last promoted, rescued and woke; None when it never did."""
    return EngineTick.objects.values_list("ticked_at", flat=True).filter(pk=1).first()
