"""Which rows a filter means, and the ids that bound a time."""

from datetime import datetime, timedelta

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet

from jobs.domain.job_filter import JobFilter
from jobs.domain.ledger import FOR_PERSON
from jobs.domain.states import State
from jobs.models import Job, Review

#: How far the order of ids and that of creation times may differ.
MARGIN = timedelta(minutes=1)
#: The review a waiting job waits for: open, or decided and not yet in effect.
ASKED = Q(position=OuterRef("position"), run_number=OuterRef("run_number")) & (
    Q(state="open") | Q(state="decided", wake_at__isnull=False)
)


def matching(tenant_id: int, wanted: JobFilter) -> QuerySet[Job]:
    """Return the jobs of a tenant that `wanted` describes, in no order; its conditions on values are left out."""
    jobs: QuerySet[Job] = Job.objects.for_tenant(tenant_id)
    simple = {"workflow_id": wanted.workflow_id, "queue_id": wanted.queue_id, "correlation_id": wanted.correlation_id}
    jobs = jobs.filter(**{name: value for name, value in simple.items() if value})
    if wanted.ids is not None:
        jobs = jobs.filter(pk__in=wanted.ids)
    if wanted.states:
        jobs = jobs.filter(state__in=wanted.states)
    if wanted.waits:
        asked = Exists(Review.objects.filter(ASKED, job=OuterRef("pk")))
        jobs = jobs.filter(asked if wanted.waits == FOR_PERSON else ~asked, state=State.WAITING.value)
    if wanted.created_from is not None:
        jobs = jobs.filter(created_at__gte=wanted.created_from, pk__gte=first_id_since(wanted.created_from - MARGIN))
    if wanted.created_to is not None:
        jobs = jobs.filter(created_at__lt=wanted.created_to, pk__lte=first_id_since(wanted.created_to + MARGIN))
    return jobs


def first_id_since(moment: datetime) -> int:
    """Return the id of the first job created at `moment` or later; one above the last where there is none.

    Ids grow with time, and the creation time has no index: a search by halves over the primary key replaces one.
    Transactions that race give ids a little out of order, so callers leave a margin and compare the times as well.
    """
    ends = Job.objects.aggregate(low=Min("pk"), high=Max("pk"))
    low, high = ends["low"] or 0, (ends["high"] or 0) + 1
    while low < high:
        middle = (low + high) // 2
        row = Job.objects.filter(pk__gte=middle).order_by("pk").values_list("pk", "created_at").first()
        if row is None or row[1] >= moment:
            high = middle
        else:
            low = row[0] + 1
    return low


def last_id() -> int:
    """Return the highest id of any job; 0 where there is none."""
    highest = Job.objects.aggregate(high=Max("pk"))["high"]
    return int(highest or 0)
