"""How many jobs one claim takes: a quarter second of quick work, a slow job for each free thread, a suspect alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.chunks import CHUNK_JOBS, CHUNK_SECONDS, SLOW_SECONDS, Candidate, Room, Taking

CANDIDATES = st.lists(
    st.builds(Candidate, id=st.integers(1), expected=st.floats(0, 10), crashes=st.sampled_from([0, 0, 0, 1])),
    max_size=150,
)
ROOMS = st.builds(Room, slots=st.integers(1, 20), empty=st.booleans())


def candidates(count: int, expected: float, crashes: int = 0) -> list[Candidate]:
    return [Candidate(number, expected, crashes) for number in range(count)]


@pytest.mark.parametrize(
    ("expected", "count"),
    [(0.0, CHUNK_JOBS), (0.0002, CHUNK_JOBS), (0.01, 25), (0.018, 14), (SLOW_SECONDS, 3), (20.0, 3)],
)
def test_quick_jobs_are_taken_by_the_hundred_and_slow_ones_one_for_each_thread(expected: float, count: int) -> None:
    assert len(Taking(Room(slots=3)).take(candidates(500, expected), 500)) == count


def test_a_slow_job_leaves_a_thread_to_the_quick_ones_that_were_taken() -> None:
    taking = Taking(Room(slots=2))
    taking.take(candidates(3, 0.001), 3)
    assert len(taking.take(candidates(5, 1.0), 5)) == 1


def test_a_suspect_is_taken_alone_by_a_process_that_runs_nothing() -> None:
    taking = Taking(Room(slots=5))
    assert len(taking.take(candidates(2, 0.001, crashes=1), 2)) == 1
    assert taking.full


@pytest.mark.parametrize("room", [Room(slots=5, empty=False), Room(slots=5)])
def test_a_suspect_waits_until_the_others_are_done_and_nothing_passes_it(room: Room) -> None:
    before = candidates(2, 0.001) if room.empty else []
    taking = Taking(room)
    taken = taking.take([*before, Candidate(8, 0.001, crashes=1), Candidate(9, 0.001)], 10)
    assert taken == before
    assert taking.full


@given(room=ROOMS, offered=CANDIDATES, limit=st.integers(0, 200))
def test_what_is_taken_is_the_head_of_what_is_offered_and_fits(room: Room, offered, limit: int) -> None:
    taken = Taking(room).take(offered, limit)
    assert taken == offered[: len(taken)]
    assert len(taken) <= min(limit, CHUNK_JOBS)
    assert sum(one.expected >= SLOW_SECONDS for one in taken) <= room.slots
    assert sum(one.expected for one in taken if one.expected < SLOW_SECONDS) <= CHUNK_SECONDS + SLOW_SECONDS
    assert len(taken) == 1 or not any(one.crashes for one in taken)
