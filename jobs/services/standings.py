"""Where the lanes with due work stand, remembered between the claims of one worker when there are many of them.

Finding every tenant with due work costs as much as there are tenants, at each claim. Virtual time only grows, so what
was read before is a lower bound: when the first lanes are read again and still are first, they are the first of all.
What a remembered look misses is a tenant whose first job came in since; that is why it is soon done again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from jobs.domain.fairness import LaneShare, in_turn
from jobs.services import claim_sql as sql
from jobs.services.submit import ensure_lane

#: Up to so many lanes are looked for at each claim: it costs little, and misses nothing.
FEW_LANES = 50
#: How long a look at more of them serves.
LOOK_AGAIN = timedelta(seconds=0.1)
#: How many of the first lanes are read again, at once.
FRONT = 16


@dataclass(slots=True)
class Standings:
    """The lanes of one queue in turn, and when all of them were looked for."""

    queue_id: int = 0
    looked_at: datetime | None = None
    lanes: list[LaneShare] = field(default_factory=list)

    def remembers(self, queue_id: int, now: datetime) -> bool:
        """Say whether the last look at this queue still serves."""
        if self.looked_at is None or self.queue_id != queue_id or len(self.lanes) <= FEW_LANES:
            return False
        return timedelta(0) <= now - self.looked_at < LOOK_AGAIN

    def look(self, queue_id: int, now: datetime) -> list[LaneShare]:
        """Return the unpaused lanes of all tenants with due work, in turn."""
        self.queue_id, self.looked_at = queue_id, now
        self.lanes = in_turn(_find(queue_id))
        return self.lanes

    def read_front(self) -> list[LaneShare]:
        """Return the remembered lanes in turn, the first of which are read again until they are the first indeed."""
        read: set[int] = set()
        while unread := [lane.id for lane in self.lanes[:FRONT] if lane.id not in read]:
            found = {lane.id: lane for lane in sql.read_lanes(unread)}
            read.update(unread)
            kept = (found.get(lane.id) if lane.id in unread else lane for lane in self.lanes)
            self.lanes = in_turn([lane for lane in kept if lane is not None])
            if read.issuperset(lane.id for lane in self.lanes[:2]):
                break
        return self.lanes

    def move(self, moves: Iterable[tuple[int, float, bool]]) -> None:
        """Note what a claim changed: (lane, virtual time, whether nothing is left in it)."""
        if len(self.lanes) <= FEW_LANES:
            return
        moved = {lane_id: (virtual_time, idle) for lane_id, virtual_time, idle in moves}
        self.lanes = [
            replace(lane, virtual_time=moved[lane.id][0], idle=False) if lane.id in moved else lane
            for lane in self.lanes
            if not (lane.id in moved and moved[lane.id][1])
        ]


def _find(queue_id: int) -> list[LaneShare]:
    lanes, missing = sql.due_lanes(queue_id)
    for tenant_id in missing:
        ensure_lane(queue_id=queue_id, tenant_id=tenant_id)
    return sql.due_lanes(queue_id)[0] if missing else lanes
