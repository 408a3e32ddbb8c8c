"""The judge of the crash tests is judged itself: a history that is wrong in any one way is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.history import History, Line, Row, Try, by_time, check, peaks

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROW = Row(1, "SUCCEEDED", 2, 1, held=False, wake_at=None, finished_at=NOW, has_result=True, queue=1, tenant=1)


def lines(*told: tuple[str, str, int], job: int = 1, first: int = 1) -> list[Line]:
    return [
        Line(first + n, job, NOW + timedelta(seconds=n), kind, state, attempt)
        for n, (kind, state, attempt) in enumerate(told)
    ]


CREATED, STARTED, LOST = ("created", "PENDING", 0), ("started", "RUNNING", 1), ("worker_lost", "PENDING", 1)
AGAIN, LATE, DONE = ("started", "RUNNING", 2), ("lease_lost", "", 1), ("succeeded", "SUCCEEDED", 2)
GOOD = History(
    ROW, lines(CREATED, STARTED, LOST, AGAIN, LATE, DONE), [Try(1, 1, "worker_lost"), Try(1, 2, "succeeded")]
)


def test_a_history_in_order_has_no_problems() -> None:
    assert check([GOOD]) == []


def test_a_release_charges_no_attempt() -> None:
    row = replace(ROW, attempts=1, crashes=0)
    log = lines(CREATED, STARTED, ("released", "PENDING", 1), STARTED, ("succeeded", "SUCCEEDED", 1))
    assert check([History(row, log, [Try(1, 1, "succeeded")])]) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (replace(GOOD, lines=lines(CREATED, STARTED, AGAIN, DONE)), "leads from RUNNING to RUNNING"),
        (replace(GOOD, lines=lines(STARTED, LOST, AGAIN, DONE)), "leads from None to RUNNING"),
        (replace(GOOD, lines=lines(CREATED, STARTED, LOST, AGAIN)), "its log says RUNNING"),
        (replace(GOOD, lines=lines(CREATED, STARTED, LOST, STARTED, DONE)), "starts attempt 1 after 1"),
        (replace(GOOD, lines=lines(CREATED, STARTED, LOST, AGAIN, ("failed", "FAILED", 2))), "is SUCCEEDED, its log"),
        (replace(GOOD, tries=GOOD.tries[:1]), "has 1 attempts, its log ends 2"),
        (replace(GOOD, tries=[Try(1, 1, "succeeded"), GOOD.tries[1]]), "attempt 1 is succeeded"),
        (replace(GOOD, tries=[Try(1, 1, "worker_lost"), Try(1, 3, "succeeded")]), "has the attempts [1, 3]"),
        (replace(GOOD, row=replace(ROW, attempts=3)), "counts 3 attempts"),
        (replace(GOOD, row=replace(ROW, crashes=2)), "counts 2 crashes"),
        (replace(GOOD, row=replace(ROW, held=True)), "held by a worker"),
        (replace(GOOD, row=replace(ROW, finished_at=None)), "finished at None"),
        (replace(GOOD, row=replace(ROW, wake_at=NOW)), "due to wake"),
        (replace(GOOD, row=replace(ROW, has_result=False)), "without a result"),
        (replace(GOOD, lines=lines(CREATED, ("promoted", "RUNNING", 1), LOST, AGAIN, DONE)), "(promoted) leads to"),
        (replace(GOOD, lines=lines(CREATED, STARTED, ("worker_lost", "PENDING", 2), AGAIN, DONE)), "ends attempt 2"),
    ],
)
def test_what_does_not_fit_is_told(wrong: History, told: str) -> None:
    assert any(told in problem for problem in check([wrong])), check([wrong])


def test_jobs_that_run_at_one_instant_are_counted() -> None:
    """The second starts by the log after the first ended, but by its clock before that."""
    one = History(ROW, [Line(1, 1, NOW, "started", "RUNNING", 1), Line(3, 1, NOW + timedelta(2), "x", "PENDING", 1)])
    two = History(replace(ROW, id=2), [Line(4, 2, NOW + timedelta(1), "started", "RUNNING", 1)])
    assert peaks([one, two], lambda row: row.queue) == {1: 1}
    assert peaks([one, two], lambda row: row.queue, by_time) == {1: 2}
    assert peaks([one, two], lambda row: row.id) == {1: 1, 2: 1}
