"""Chunks: quick jobs by the hundred, slow ones as there are threads, and suspects alone."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.chunks import CHUNK_JOBS, CHUNK_SECONDS, SLOW_SECONDS, Candidate, Room, Taking

seconds = st.one_of(st.just(0.0), st.floats(0, 0.01), st.floats(0, 5))
candidates = st.lists(
    st.builds(Candidate, id=st.integers(1, 10**6), expected=seconds, crashes=st.sampled_from([0, 0, 0, 0, 1, 2])),
    max_size=130,
    unique_by=lambda candidate: candidate.id,
)
rooms = st.builds(Room, slots=st.integers(1, 20), empty=st.booleans())
limits = st.integers(0, 120)


def is_slow(candidate: Candidate) -> bool:
    return candidate.expected >= SLOW_SECONDS


@given(candidates, rooms, limits)
def test_a_chunk_keeps_the_order_and_every_bound(due: list[Candidate], room: Room, limit: int) -> None:
    taken = Taking(room).take(due, limit)
    assert taken == due[: len(taken)]
    assert len(taken) <= min(limit, CHUNK_JOBS)
    quick = [candidate.expected for candidate in taken if not is_slow(candidate)]
    assert sum(quick[:-1]) < CHUNK_SECONDS
    assert sum(map(is_slow, taken)) + bool(quick) <= room.slots


@given(candidates, rooms, limits)
def test_a_suspect_runs_alone(due: list[Candidate], room: Room, limit: int) -> None:
    taken = Taking(room).take(due, limit)
    if any(candidate.crashes for candidate in taken):
        assert len(taken) == 1
        assert room.empty


@given(candidates, rooms, st.integers(1, 120))
def test_where_there_is_room_something_is_taken(due: list[Candidate], room: Room, limit: int) -> None:
    taken = Taking(room).take(due, limit)
    if due and (room.empty or not due[0].crashes):
        assert taken


@given(st.lists(candidates, max_size=6), rooms)
def test_lanes_fill_one_chunk_together(lanes: list[list[Candidate]], room: Room) -> None:
    taking = Taking(room)
    taken = [candidate for due in lanes for candidate in taking.take(due, CHUNK_JOBS)]
    assert len(taken) == taking.jobs <= CHUNK_JOBS
    quick = sum(candidate.expected for candidate in taken if not is_slow(candidate))
    assert quick < CHUNK_SECONDS + SLOW_SECONDS
    assert sum(map(is_slow, taken)) + any(not is_slow(candidate) for candidate in taken) <= room.slots
    assert not any(candidate.crashes for candidate in taken) or len(taken) == 1


def test_a_suspect_whose_turn_it_is_lets_nothing_pass_it() -> None:
    """Else it would wait for ever behind jobs that keep coming."""
    due = [Candidate(1, 0.0, crashes=1), Candidate(2, 0.0)]
    taking = Taking(Room(4, empty=False))
    assert taking.take(due, 100) == []
    assert taking.full


def test_quick_jobs_come_by_the_hundred_and_slow_ones_as_there_are_threads() -> None:
    assert len(Taking(Room(4)).take([Candidate(n, 0.0002) for n in range(200)], 500)) == CHUNK_JOBS
    assert len(Taking(Room(4)).take([Candidate(n, 0.01) for n in range(200)], 500)) == 25
    assert len(Taking(Room(4)).take([Candidate(n, 2.0) for n in range(200)], 500)) == 4
