"""Test runs: their states, their counts, and when one may take a slot from live work."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from jobs.domain.comparing import Status
from jobs.domain.fairness import LaneShare, in_turn


class TrialState(StrEnum):
    """Where a test run stands. One that waits for its turn or for a limit is RUNNING too."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


#: The column of a run that counts items of a status.
COUNTED = {
    Status.SAME: "same",
    Status.CHANGED: "changed",
    Status.FIXED: "fixed",
    Status.BROKEN: "broken",
    Status.ERROR: "errors",
    Status.NEW: "fresh",
}
#: A test run waits no longer than this many seconds for its turn, however far its lane is ahead of others.
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether a test run may start items now. `charged`: others wait, so its lane pays, from `virtual_time` on."""

    runs: bool
    charged: bool = False
    virtual_time: float = 0.0


def turn_of(
    own: LaneShare, due: Sequence[LaneShare], *, free_slots: bool, waited: float, contends: bool = False
) -> Turn:
    """Return whose turn it is between a test run of the lane `own` and live work.

    `due` are the unpaused lanes with due jobs, `waited` the seconds since the run was last served. Work of the run's
    own tenant is in the same lane, so nobody else's business. Where no other tenant waits, the run goes on and pays
    nothing: else a test at night would cost the tenant's jobs their place in the morning.

    Where others wait, it goes on while a slot is free, or while its lane is not ahead of the first of theirs. When they
    begin to wait it is level with that one at least, so that an idle lane brings no credit along; while it `contends`
    with them, what it missed for want of a worker is made good. A run that has waited for PATIENCE_SECONDS gets a turn
    in any case.
    """
    others = [lane for lane in in_turn(due) if lane.id != own.id]
    if not others:
        return Turn(True)
    start = own.virtual_time if contends else max(own.virtual_time, others[0].virtual_time)
    ahead = own.virtual_time > others[0].virtual_time
    return Turn(free_slots or not ahead or waited >= PATIENCE_SECONDS, charged=True, virtual_time=start)
