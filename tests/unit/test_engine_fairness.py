"""Sharing a queue: properties of the arithmetic, and of the queue it makes when a worker follows it.

The simulation below claims as `jobs.services.claim` does: the lane that is first in turn fills the chunk alone, is
charged for it, and is idle when it has nothing left.
"""

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.domain.fairness import LAG, LaneShare, charge, in_turn, lags, present_virtual_time

times = st.floats(0, 1e6)
weights = st.floats(0.01, 1000)
lanes = st.lists(
    st.builds(
        LaneShare,
        id=st.integers(1, 10_000),
        tenant_id=st.integers(1, 10_000),
        weight=weights,
        cap=st.none(),
        virtual_time=times,
        idle=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda lane: lane.id,
)


@given(lanes)
def test_every_lane_gets_its_turn_and_none_loses_time_it_was_charged(given_lanes: list[LaneShare]) -> None:
    turn = in_turn(given_lanes)
    before = {lane.id: lane for lane in given_lanes}
    assert {lane.id for lane in turn} == set(before)
    assert all(lane.virtual_time >= before[lane.id].virtual_time for lane in turn)
    assert all(lane == before[lane.id] for lane in turn if not lane.idle)
    assert [lane.virtual_time for lane in turn] == sorted(lane.virtual_time for lane in turn)


@given(lanes)
def test_a_lane_that_comes_back_brings_no_credit_along(given_lanes: list[LaneShare]) -> None:
    present = present_virtual_time(given_lanes)
    assert all(lane.virtual_time >= present for lane in in_turn(given_lanes))


@given(lanes)
def test_the_order_does_not_depend_on_how_the_lanes_were_found(given_lanes: list[LaneShare]) -> None:
    assert in_turn(given_lanes) == in_turn(given_lanes[::-1])


@given(lanes)
def test_the_first_lags_only_behind_one_that_is_clearly_ahead(given_lanes: list[LaneShare]) -> None:
    turn = in_turn(given_lanes)
    ahead = [lane.virtual_time - turn[0].virtual_time for lane in turn[1:]]
    assert lags(turn) == (bool(ahead) and min(ahead) > LAG)


@given(times, weights, st.floats(0, 1e4), st.floats(0, 1e4))
def test_a_charge_is_time_by_weight_however_it_is_split(at: float, weight: float, one: float, two: float) -> None:
    lane = LaneShare(1, 1, weight, None, at, idle=False)
    once = charge(lane, one + two)
    assert once >= at
    twice = charge(replace(lane, virtual_time=charge(lane, one)), two)
    assert abs(once - twice) <= 1e-6 * max(abs(once), 1.0)


@dataclass
class Simulation:
    """One worker that claims and runs chunk after chunk. `waiting` and `done` are seconds of work by lane."""

    lanes: dict[int, LaneShare]
    waiting: dict[int, list[float]]
    done: dict[int, float] = field(default_factory=dict)
    chunk: float = 0.25

    def claim(self) -> int | None:
        """Run one chunk of the lane that is first in turn; None when nothing is due."""
        due = [lane for lane in self.lanes.values() if self.waiting[lane.id]]
        if not due:
            return None
        first = in_turn(due)[0]
        jobs, taken = self.waiting[first.id], 0.0
        while jobs and taken < self.chunk:
            taken += jobs.pop()
        self.done[first.id] = self.done.get(first.id, 0.0) + taken
        self.lanes[first.id] = replace(first, virtual_time=charge(first, taken), idle=not jobs)
        return first.id


def simulate(weights_of: dict[int, float], waiting: dict[int, list[float]]) -> Simulation:
    fresh = {pk: LaneShare(pk, pk, weight, None, 0.0, idle=True) for pk, weight in weights_of.items()}
    return Simulation(fresh, waiting)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.2, 20), st.floats(0.002, 2.0)), min_size=2, max_size=6), st.integers(50, 250))
def test_backlogged_lanes_share_worker_seconds_by_weight(tenants: list[tuple[float, float]], claims: int) -> None:
    """No lane is further from its share than a chunk and a job of its own, one of another (SFQ, theorem 1), and what
    the first was charged before the others came.
    """
    weights_of = {pk: weight for pk, (weight, _) in enumerate(tenants)}
    seconds = {pk: one for pk, (_, one) in enumerate(tenants)}
    sim = simulate(weights_of, {pk: [one] * 70_000 for pk, one in seconds.items()})
    for _ in range(claims):
        sim.claim()
    largest = {pk: (sim.chunk + one) / weights_of[pk] for pk, one in seconds.items()}
    for one in weights_of:
        for two in weights_of:
            apart = sim.done.get(one, 0.0) / weights_of[one] - sim.done.get(two, 0.0) / weights_of[two]
            assert apart <= largest[one] + largest[two] + max(largest.values()) + 1e-6


@given(st.permutations([1, 2]), st.floats(0.2, 5), st.integers(0, 50))
def test_who_comes_into_a_busy_queue_waits_for_one_chunk_at_most(ids: list[int], weight: float, before: int) -> None:
    busy, guest = ids
    sim = simulate({busy: weight, guest: 1.0}, {busy: [0.01] * 5_000, guest: []})
    for _ in range(before):
        sim.claim()
    sim.waiting[guest] = [0.01] * 20
    assert guest in [sim.claim(), sim.claim()]


@given(st.permutations([1, 2]), st.floats(0.2, 5), st.integers(1, 40))
def test_coming_and_going_gains_nothing(ids: list[int], weight: float, rounds: int) -> None:
    """A lane that sends its jobs one by one has, chunk and job apart, no more than its share."""
    busy, sly = ids
    sim = simulate({busy: weight, sly: 1.0}, {busy: [0.01] * 5_000, sly: []})
    sim.claim()
    for _ in range(rounds * 4):
        sim.waiting[sly] = sim.waiting[sly] or [0.01]
        sim.claim()
    assert sim.done.get(sly, 0.0) <= sim.done[busy] / weight + 0.01 + sim.chunk / weight + 0.02


@given(st.lists(st.integers(1, 5), min_size=50, max_size=200))
def test_nobody_starves(arrivals: list[int]) -> None:
    """Jobs of one lane that is always full never keep the others, that come at odd times, from running."""
    sim = simulate(dict.fromkeys(range(6), 1.0), {pk: [0.1] * (5_000 if pk == 0 else 0) for pk in range(6)})
    for pk in arrivals:
        sim.waiting[pk].append(0.1)
        sim.claim()
        sim.claim()
    for _ in range(len(arrivals) + 10):
        sim.claim()
    assert all(not sim.waiting[pk] for pk in range(1, 6))
