import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from taskflow.lib.telemetry import bind, bound, bound_ids, emit, rebind, span, subscribe, unsubscribe


class Ear:
    """A subscriber that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, fields: dict[str, Any]) -> None:
        self.heard.append((name, dict(fields)))


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    subscribe(ear)
    yield ear
    unsubscribe(ear)


def test_a_subscriber_hears_each_event_once_however_often_it_subscribes(ear: Ear) -> None:
    subscribe(ear)
    emit("test.said", count=3)
    assert ear.heard == [("test.said", {"count": 3})]


def test_who_unsubscribed_hears_nothing(ear: Ear) -> None:
    unsubscribe(ear)
    unsubscribe(ear)
    emit("test.said")
    assert ear.heard == []


def test_a_span_tells_its_time_and_what_the_block_added(ear: Ear) -> None:
    with span("test.work", queue="q") as fields:
        fields["taken"] = 2
    ((name, heard),) = ear.heard
    assert name == "test.work"
    assert heard.pop("seconds") >= 0
    assert heard == {"queue": "q", "taken": 2}


def test_a_span_names_the_error_and_lets_it_through(ear: Ear) -> None:
    with pytest.raises(KeyError), span("test.work"):
        raise KeyError("gone")
    assert ear.heard[0][1]["error"] == "KeyError"


def test_a_subscriber_that_fails_is_logged_and_hurts_nobody(ear: Ear, caplog: pytest.LogCaptureFixture) -> None:
    def broken(name: str, fields: dict[str, Any]) -> None:
        raise OSError("the disk is full")

    subscribe(broken)
    later = Ear()
    subscribe(later)
    try:
        with caplog.at_level(logging.ERROR):
            emit("test.said")
    finally:
        unsubscribe(broken)
        unsubscribe(later)
    assert len(ear.heard) == len(later.heard) == 1
    assert "telemetry subscriber failed" in caplog.text


def test_what_a_block_binds_is_gone_after_it() -> None:
    rebind()
    with bound(request="r1"):
        bind(tenant="acme")
        assert dict(bound_ids()) == {"request": "r1", "tenant": "acme"}
        with bound(tenant="globex"):
            assert bound_ids()["tenant"] == "globex"
        assert bound_ids()["tenant"] == "acme"
    assert dict(bound_ids()) == {}


def test_rebinding_leaves_nothing_of_what_was_bound_before() -> None:
    with bound(job="j1", step="a"):
        rebind(job="j2")
        assert dict(bound_ids()) == {"job": "j2"}


def test_threads_do_not_see_each_others_ids() -> None:
    seen = []
    with bound(job="mine"):
        thread = threading.Thread(target=lambda: seen.append(dict(bound_ids())))
        thread.start()
        thread.join()
    assert seen == [{}]
