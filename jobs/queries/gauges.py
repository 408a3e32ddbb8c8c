"""What the engine looks like from outside at one moment, for metrics: cheap enough to be asked every few seconds."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum

from jobs.domain.periods import Period
from jobs.models import EngineTick, Queue, WorkerLease
from jobs.queries.dashboard import ReviewsNow, get_reviews_now
from jobs.queries.depths import ACTIVE, count_active, oldest_due
from taskflow.lib.clock import DatabaseNow, seconds
from workflows.models import Workflow

#: A gauge stops growing here: counting a million jobs takes a fifth of a second.
GAUGE_LIMIT = 1_000_000


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
    counted, oldest = count_active(list(slugs), limit=GAUGE_LIMIT), oldest_due(list(slugs))
    keys = [(pk, state) for pk in slugs for state in ACTIVE]
    return [Depth(slugs[pk], state, counted[pk, state], oldest.get((pk, state))) for pk, state in keys]


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


def open_reviews(*, now: datetime) -> ReviewsNow:
    """Return how many reviews of all tenants are open, and how many of these are late."""
    return get_reviews_now(list(Workflow.objects.values_list("pk", flat=True)), Period("now"), now)


def last_tick_at() -> datetime | None:
    """Return when the engine last promoted, rescued and woke; None when it never did."""
    return EngineTick.objects.values_list("ticked_at", flat=True).filter(pk=1).first()
