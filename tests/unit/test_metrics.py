"""What the engine's events become in numbers, added up over processes."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from taskflow.lib.telemetry import emit
from taskflow.metrics import counts as counting
from taskflow.metrics.counts import MOST_NAMES, bounded, observe_many
from taskflow.metrics.store import fold_dead, read_counts

FOLDER = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
BOUNDS = (0.1, 1.0, 10.0)


def values(folder: Path = FOLDER) -> dict[str, float]:
    """Return every sample as the text Prometheus shows, such as `name{label="x"}`."""
    found = {}
    for metric in read_counts(folder):
        for sample in metric.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


class Change:
    """What the numbers grew by since this was made."""

    def __init__(self) -> None:
        self.before = values()

    def __getitem__(self, name: str) -> float:
        return values().get(name, 0.0) - self.before.get(name, 0.0)

    def names(self) -> set[str]:
        return {name for name, value in values().items() if value != self.before.get(name)}


@pytest.fixture
def change() -> Change:
    return Change()


def test_a_submit_is_counted_by_queue_and_workflow(change: Change) -> None:
    batches = [("q1", "receipts", 3), ("q1", "tickets", 2), ("q2", "tickets", 4)]
    emit("engine.submit", count=9, batches=batches, seconds=0.02)
    for queue, workflow, count in batches:
        assert change[f'taskflow_jobs_submitted_total{{queue="{queue}",workflow="{workflow}"}}'] == count
    for queue in ("q1", "q2"):
        assert change[f'taskflow_submit_seconds_sum{{queue="{queue}"}}'] == pytest.approx(0.02)


def test_a_submit_that_failed_stores_no_jobs(change: Change) -> None:
    emit("engine.submit", count=3, batches=[("q1", "receipts", 3)], seconds=0.02, error="IntegrityError")
    assert change['taskflow_jobs_submitted_total{queue="q1",workflow="receipts"}'] == 0


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"taken": 5, "lanes": 1, "empty": False}, "taken"),
        ({"taken": 0, "lanes": 1, "empty": True}, "empty"),
        ({"error": "OperationalError"}, "error"),
    ],
)
def test_a_claim_is_counted_by_what_it_took(change: Change, fields: dict[str, object], result: str) -> None:
    emit("engine.claim", queue="q1", seconds=0.003, **fields)
    assert change[f'taskflow_claims_total{{queue="q1",result="{result}"}}'] == 1
    assert change['taskflow_claim_seconds_bucket{le="0.005",queue="q1"}'] == 1
    assert change['taskflow_claim_seconds_bucket{le="0.0025",queue="q1"}'] == 0


def test_started_jobs_are_counted_with_their_waits(change: Change) -> None:
    emit("engine.start", queue="q1", count=3, wait_seconds=[0.001, 0.2, 7.0])
    assert change['taskflow_jobs_started_total{queue="q1"}'] == 3
    assert change['taskflow_job_wait_seconds_count{queue="q1"}'] == 3
    assert change['taskflow_job_wait_seconds_bucket{le="0.25",queue="q1"}'] == 2
    assert change['taskflow_job_wait_seconds_sum{queue="q1"}'] == pytest.approx(7.201)


def test_steps_are_told_apart_by_kind_and_outcome(change: Change) -> None:
    emit("engine.steps", items=[("http", 0.2, "done"), ("http", 0.3, "error"), ("route", 0.0001, "done")] * 2)
    assert change['taskflow_step_seconds_count{kind="http",outcome="done"}'] == 2
    assert change['taskflow_step_seconds_count{kind="http",outcome="error"}'] == 2
    assert change['taskflow_step_seconds_bucket{kind="route",le="0.0005",outcome="done"}'] == 2


def test_no_steps_change_nothing(change: Change) -> None:
    emit("engine.steps", items=[])
    assert change.names() == set()


def test_ends_retries_rescues_and_lost_leases_are_counted(change: Change) -> None:
    emit("engine.finish", queue="q1", counts={"succeeded": 98, "failed": 2})
    emit("engine.retry", queue="q1", count=2, error_class="TimeoutError")
    emit("engine.rescue", jobs=4, leases=1)
    emit("engine.lease_lost", jobs=1)
    emit("engine.release", jobs=6, reason="stopping")
    assert change['taskflow_jobs_finished_total{outcome="succeeded",queue="q1"}'] == 98
    assert change['taskflow_jobs_finished_total{outcome="failed",queue="q1"}'] == 2
    assert change['taskflow_job_retries_total{error_class="TimeoutError",queue="q1"}'] == 2
    assert change['taskflow_jobs_rescued_total{reason="worker lost"}'] == 4
    assert change['taskflow_jobs_lease_lost_total{reason="rescued meanwhile"}'] == 1
    assert change['taskflow_jobs_released_total{reason="stopping"}'] == 6


def test_wakes_are_sent_or_suppressed(change: Change) -> None:
    for sent in (True, False, False):
        emit("engine.wake", queue="q1", sent=sent)
    assert change['taskflow_wakes_total{queue="q1",result="sent"}'] == 1
    assert change['taskflow_wakes_total{queue="q1",result="suppressed"}'] == 2


def test_flushes_drains_and_ticks_are_timed(change: Change) -> None:
    emit("engine.flush", jobs=100, seconds=0.02)
    emit("engine.drain", queue=1, jobs=100, seconds=9.0)
    emit("engine.tick", promoted=3, woken=1, rescued=0, leases=0, seconds=0.004)
    emit("engine.tick", seconds=0.004, error="OperationalError")
    assert change['taskflow_flush_seconds_count{outcome="done"}'] == 1
    assert change['taskflow_jobs_flushed_total{outcome="done"}'] == 100
    assert change['taskflow_drain_seconds_bucket{le="10.0",outcome="done"}'] == 1
    assert change['taskflow_tick_rows_total{what="promoted"}'] == 3
    assert change['taskflow_tick_seconds_count{outcome="error"}'] == 1


@pytest.mark.parametrize(
    ("name", "what"),
    [("engine.database_away", "database"), ("engine.heartbeat_failed", "heartbeat"), ("cache.unreachable", "cache")],
)
def test_troubles_are_counted(change: Change, name: str, what: str) -> None:
    emit(name, error="OperationalError")
    assert change[f'taskflow_troubles_total{{what="{what}"}}'] == 1


def test_what_nobody_counts_changes_nothing(change: Change) -> None:
    emit("queue.pause", queue="q1", actor="ada")
    assert change.names() == set()


@given(st.lists(st.floats(min_value=0, max_value=1e6) | st.sampled_from(BOUNDS)))
def test_many_values_at_once_give_what_one_by_one_gives(seconds: list[float]) -> None:
    one, many = (Histogram("h", "", registry=CollectorRegistry(), buckets=BOUNDS) for _ in range(2))
    for value in seconds:
        one.observe(value)
    observe_many(many, seconds)
    for left, right in zip(one.collect(), many.collect(), strict=True):
        for a, b in zip(left.samples, right.samples, strict=True):
            if not a.name.endswith("_created"):
                assert a._replace(value=0) == b._replace(value=0)
                assert a.value == pytest.approx(b.value)


def test_names_that_people_make_come_to_an_end() -> None:
    names = [bounded("test label", f"name {number}") for number in range(MOST_NAMES + 10)]
    assert names[:2] == ["name 0", "name 1"]
    assert names[MOST_NAMES:] == ["other"] * 10
    assert bounded("test label", "name 0") == "name 0"
    assert bounded("another label", "name 999") == "name 999"


COUNT_AND_DIE = """
import os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from taskflow.metrics.counts import count_telemetry
count_telemetry("engine.finish", {"queue": "q1", "counts": {"succeeded": int(sys.argv[2])}})
count_telemetry("engine.start", {"queue": "q1", "count": 1, "wait_seconds": [float(sys.argv[2])]})
"""
FINISHED = 'taskflow_jobs_finished_total{outcome="succeeded",queue="q1"}'


def count_in_a_process(folder: Path, count: int) -> None:
    root = Path(counting.__file__).parents[2]
    subprocess.run([sys.executable, "-c", COUNT_AND_DIE, str(folder), str(count)], cwd=root, check=True, timeout=60)


@pytest.mark.slow
def test_what_dead_processes_counted_stays_in_one_file(tmp_path: Path) -> None:
    for count in (1, 20, 300):
        count_in_a_process(tmp_path, count)
    assert values(tmp_path)[FINISHED] == 321
    assert values(tmp_path)['taskflow_job_wait_seconds_sum{queue="q1"}'] == 321
    assert values(tmp_path)['taskflow_job_wait_seconds_count{queue="q1"}'] == 3
    assert {path.name for path in tmp_path.glob("*.db")} == {"counter_0.db", "histogram_0.db"}
    count_in_a_process(tmp_path, 4000)
    assert values(tmp_path)[FINISHED] == 4321
    assert fold_dead(tmp_path) == 0


def test_an_empty_folder_has_no_numbers(tmp_path: Path) -> None:
    assert values(tmp_path) == {}


def _emit_in_child() -> None:
    emit("engine.lease_lost", jobs=5)


def test_a_forked_child_counts_for_itself_and_for_the_sum(change: Change) -> None:
    emit("engine.lease_lost", jobs=1)
    child = multiprocessing.get_context("fork").Process(target=_emit_in_child)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert change['taskflow_jobs_lease_lost_total{reason="rescued meanwhile"}'] == 6


def test_the_file_of_a_process_that_was_killed_while_it_made_it_is_put_away(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    empty = tmp_path / f"counter_{gone.pid}.db"
    empty.touch()
    assert fold_dead(tmp_path) == 1
    assert not empty.exists()
    assert read_counts(tmp_path) == []
