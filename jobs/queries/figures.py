"""How full the queues are."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Min

from jobs.domain.states import FINAL, State
from jobs.models import Job, Lane, Queue

#: The states that make up a queue's depth; finished jobs wait for nothing, and there are too many of them to count.
ACTIVE = tuple(state.value for state in State if state not in FINAL)


@dataclass(slots=True)
class QueueFigures:
    """A queue as one tenant sees it, or as a whole: jobs by active state, and the due time of the one due longest."""

    queue: Queue
    lane: Lane | None
    depth: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACTIVE, 0))
    oldest_due_at: datetime | None = None


def queue_figures(tenant_id: int | None) -> list[QueueFigures]:
    """Return every queue with the figures of one tenant, or of all of them for None; three queries."""
    lanes = {} if tenant_id is None else {lane.queue_id: lane for lane in Lane.objects.filter(tenant_id=tenant_id)}
    figures = {queue.pk: QueueFigures(queue, lanes.get(queue.pk)) for queue in Queue.objects.order_by("slug")}
    jobs = Job.objects.filter(queue_id__in=list(figures), state__in=ACTIVE)
    if tenant_id is not None:
        jobs = jobs.filter(tenant_id=tenant_id)
    counted = jobs.order_by().values("queue_id", "state").annotate(jobs=Count("id"), oldest=Min("due_at"))
    for row in counted.values_list("queue_id", "state", "jobs", "oldest"):
        queue_id, state, count, oldest = row
        figures[queue_id].depth[state] = count
        if state == State.PENDING:
            figures[queue_id].oldest_due_at = oldest
    return list(figures.values())
