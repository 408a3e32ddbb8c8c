"""How full the queues are."""

from dataclasses import dataclass, field
from datetime import datetime

from jobs.domain.states import State
from jobs.models import Lane, Queue
from jobs.queries.depths import ACTIVE, count_active, oldest_due


@dataclass(slots=True)
class QueueFigures:
    """A queue as one tenant sees it, or as a whole: jobs by active state, and the due time of the one due longest.

    A depth of DEPTH_LIMIT means that many or more.
    """

    queue: Queue
    lane: Lane | None
    depth: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACTIVE, 0))
    oldest_due_at: datetime | None = None


def queue_figures(tenant_id: int | None) -> list[QueueFigures]:
    """Return every queue with the figures of one tenant, or of all of them for None; four queries at most."""
    lanes = {} if tenant_id is None else {lane.queue_id: lane for lane in Lane.objects.filter(tenant_id=tenant_id)}
    figures = {queue.pk: QueueFigures(queue, lanes.get(queue.pk)) for queue in Queue.objects.order_by("slug")}
    for (queue_id, state), count in count_active(list(figures), tenant_id=tenant_id).items():
        figures[queue_id].depth[state] = count
    for (queue_id, state), due_at in oldest_due(list(figures), tenant_id=tenant_id).items():
        if state == State.PENDING:
            figures[queue_id].oldest_due_at = due_at
    return list(figures.values())
