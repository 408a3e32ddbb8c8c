"""Finding the few among the many, where no index is in the order of the list."""

from datetime import datetime

from jobs.domain.job_filter import JobFilter
from jobs.models import Job, Queue
from jobs.queries.job_pages import ALL_STATES

FEW = 5000


def find_few_with_priority(tenant_id: int, priority: int, wanted: JobFilter) -> tuple[int, ...] | None:
    """Return the ids of the tenant's jobs with this priority, or None if there are more than `FEW`.

    The claim's index answers for every queue and state at once. Of few, the list can be made from their ids; many
    are found soon enough by going through the list.
    """
    queues = [wanted.queue_id] if wanted.queue_id else list(Queue.objects.values_list("pk", flat=True))
    states = wanted.states or ALL_STATES
    jobs = Job.objects.filter(queue_id__in=queues, state__in=states, tenant_id=tenant_id, priority=priority)
    ids = tuple(jobs.order_by().values_list("pk", flat=True)[: FEW + 1])
    return ids if len(ids) <= FEW else None


def find_few_finished(tenant_id: int, since: datetime | None, until: datetime | None) -> tuple[int, ...] | None:
    """Return the ids of the tenant's jobs that finished from `since` on, before `until`, or None if over `FEW`."""
    jobs = Job.objects.filter(tenant_id=tenant_id, finished_at__isnull=False)
    if since is not None:
        jobs = jobs.filter(finished_at__gte=since)
    if until is not None:
        jobs = jobs.filter(finished_at__lt=until)
    ids = tuple(jobs.order_by().values_list("pk", flat=True)[: FEW + 1])
    return ids if len(ids) <= FEW else None
