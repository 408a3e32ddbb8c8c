"""Sharing a queue among tenants: start-time fair queueing over worker-seconds.

After Goyal, Vin and Cheng, "Start-time Fair Queueing" (SIGCOMM 1996): the lane with the least virtual time goes
first and is charged `seconds / weight`; a lane that comes back from idle starts at the present virtual time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

#: By how much virtual time a lane may fall behind another because a worker was just claiming from it.
LAG = 0.5


@dataclass(frozen=True, slots=True)
class LaneShare:
    """One tenant's standing in a queue."""

    id: int
    tenant_id: int
    weight: float
    cap: int | None
    virtual_time: float
    idle: bool


def present_virtual_time(lanes: Sequence[LaneShare]) -> float:
    """Return where a lane that comes back from idle starts: level with the one that is served next.

    When every lane was idle they start level with the furthest, so that none brings credit along.
    """
    busy = [lane.virtual_time for lane in lanes if not lane.idle]
    if busy:
        return min(busy)
    return max((lane.virtual_time for lane in lanes), default=0.0)


def in_turn(lanes: Sequence[LaneShare]) -> list[LaneShare]:
    """Return the lanes that have work in the order they are served, idle ones lifted to the present virtual time."""
    present = present_virtual_time(lanes)
    lifted = [
        replace(lane, virtual_time=present) if lane.idle and lane.virtual_time < present else lane for lane in lanes
    ]
    return sorted(lifted, key=turn)


def turn(lane: LaneShare) -> tuple[float, bool, int]:
    """Return what lanes are ordered by: the least virtual time first, and of level ones the one that comes back.

    The other way round, one that comes back would be lifted level again at each claim, and never be served.
    """
    return lane.virtual_time, not lane.idle, lane.id


def lags(lanes: Sequence[LaneShare]) -> bool:
    """Say whether the first of these lanes in turn is so far behind the next that its turn must not be passed over."""
    return len(lanes) > 1 and lanes[1].virtual_time - lanes[0].virtual_time > LAG


def charge(lane: LaneShare, seconds: float) -> float:
    """Return the lane's virtual time after `seconds` of work."""
    return lane.virtual_time + seconds / lane.weight


def keep_up(lane: LaneShare, served: Sequence[LaneShare]) -> float:
    """Return the virtual time of a lane whose cap kept it from being served: level with the least of those that were.

    Time it was not allowed to use gives it no credit, and those that come back are not lifted to its old time.
    """
    return max(lane.virtual_time, min((other.virtual_time for other in served), default=lane.virtual_time))
