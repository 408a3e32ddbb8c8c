"""Counting requests by caller and minute, in one process and over several."""

import pytest
import time_machine
from django.core.cache import cache

from taskflow.lib.throttling import count_request, forget

MINUTE = "2026-03-02T09:00:10Z"


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget()
    cache.clear()


def another_process() -> None:
    """What this process counted stays in the cache; what it knows is gone."""
    forget()


def test_every_request_counts() -> None:
    with time_machine.travel(MINUTE, tick=False):
        assert [count_request("a", step=1) for _ in range(3)] == [1, 2, 3]
        assert count_request("b", step=1) == 1


def test_a_new_minute_starts_from_nothing() -> None:
    with time_machine.travel("2026-03-02T09:00:59Z", tick=False):
        assert count_request("a", step=1) == 1
    with time_machine.travel("2026-03-02T09:01:00Z", tick=False):
        assert count_request("a", step=1) == 1


def test_processes_count_together() -> None:
    with time_machine.travel(MINUTE, tick=False):
        assert [count_request("a", step=1) for _ in range(3)] == [1, 2, 3]
        another_process()
        assert count_request("a", step=1) == 4


def test_the_cache_is_told_of_a_step_of_requests_at_once() -> None:
    with time_machine.travel(MINUTE, tick=False):
        assert [count_request("a", step=5) for _ in range(7)] == [1, 2, 3, 4, 5, 6, 7]
        another_process()
        assert [count_request("a", step=5) for _ in range(5)] == [1, 2, 3, 4, 10]


def test_a_process_knows_of_many_callers_and_forgets_them_before_they_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("taskflow.lib.throttling.MOST_CALLERS", 2)
    with time_machine.travel(MINUTE, tick=False):
        for caller in "abc":
            count_request(caller, step=1)
        assert count_request("a", step=1) == 2
