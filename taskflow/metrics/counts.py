"""What processes count, fed by telemetry.

The engine runs thousands of jobs a second, so each event covers many jobs and is counted in one go.
"""

import os
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import Counter, Histogram

from taskflow.metrics.store import fold_dead

Fields = dict[str, Any]
#: Seconds. Steps take from a fraction of a millisecond to minutes, waits up to hours.
QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
STEP = (0.0005, 0.002, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
WAIT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
#: Names that people make (workflows, error classes) could be without end; the rest is counted together.
MOST_NAMES, OTHER = 200, "other"


class Counts:
    """Every counter and histogram. Made at the first event, so that a process that counts nothing makes no files."""

    def __init__(self) -> None:
        self.submitted = Counter("taskflow_jobs_submitted", "Jobs stored.", ["queue", "workflow"])
        self.submit = Histogram("taskflow_submit_seconds", "Storing a batch of jobs.", ["queue"], buckets=QUICK)
        self.claims = Counter("taskflow_claims", "Claims, by what they took.", ["queue", "result"])
        self.claim = Histogram("taskflow_claim_seconds", "One claim.", ["queue"], buckets=QUICK)
        self.started = Counter("taskflow_jobs_started", "Attempts started.", ["queue"])
        self.wait = Histogram("taskflow_job_wait_seconds", "From due to started.", ["queue"], buckets=WAIT)
        self.step = Histogram("taskflow_step_seconds", "One step.", ["kind", "outcome"], buckets=STEP)
        self.finished = Counter("taskflow_jobs_finished", "Attempts ended, by outcome.", ["queue", "outcome"])
        self.retries = Counter("taskflow_job_retries", "Retries planned.", ["queue", "error_class"])
        self.rescued = Counter("taskflow_jobs_rescued", "Jobs taken back from dead workers.", ["reason"])
        self.lease_lost = Counter("taskflow_jobs_lease_lost", "Jobs that a late worker could not finish.", ["reason"])
        self.released = Counter("taskflow_jobs_released", "Jobs given back untouched.", ["reason"])
        self.wakes = Counter("taskflow_wakes", "Wake-ups wanted, by what became of them.", ["queue", "result"])
        self.flush = Histogram("taskflow_flush_seconds", "Writing the results of a chunk.", ["outcome"], buckets=QUICK)
        self.flushed = Counter("taskflow_jobs_flushed", "Jobs in the chunks written.", ["outcome"])
        self.drain = Histogram("taskflow_drain_seconds", "One drain of a queue.", ["outcome"], buckets=STEP)
        self.tick = Histogram("taskflow_tick_seconds", "One tick of the engine.", ["outcome"], buckets=QUICK)
        self.ticked = Counter("taskflow_tick_rows", "What ticks moved on.", ["what"])
        self.firings = Counter(
            "taskflow_rule_firings", "Firings of rules worked on, by what became of them.", ["outcome"]
        )
        self.firing_lag = Histogram("taskflow_rule_lag_seconds", "From firing made to worked on.", buckets=WAIT)
        self.notices = Counter("taskflow_rule_notices", "Messages of rules, by what became of them.", ["outcome"])
        self.deliveries = Counter(
            "taskflow_webhook_deliveries", "Webhooks that came, by what became of them.", ["outcome"]
        )
        self.troubles = Counter("taskflow_troubles", "Databases, caches and heartbeats that failed.", ["what"])


@cache
def counts() -> Counts:
    """Return this process's counts; the first call also tidies up after processes that are gone."""
    fold_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    return Counts()


def observe_many(histogram: Histogram, values: Iterable[float]) -> None:
    """Observe `values` with one update a bucket they fall in.

    `Histogram.observe` writes twice a value, into a shared file under a lock: at thousands of steps a second that is
    more than the steps themselves cost. There is no public call for many values, so this reaches inside.
    """
    bounds = histogram._upper_bounds
    tally: Tally[int] = Tally()
    total = 0.0
    for value in values:
        tally[bisect_left(bounds, value)] += 1
        total += value
    for bucket, count in tally.items():
        histogram._buckets[bucket].inc(count)
    histogram._sum.inc(total)


_names: dict[str, set[str]] = {}


def bounded(label: str, name: str) -> str:
    """Return `name`, or `other` once a label has too many different ones."""
    known = _names.setdefault(label, set())
    if name not in known:
        if len(known) >= MOST_NAMES:
            return OTHER
        known.add(name)
    return name


def _result(fields: Fields) -> str:
    return "error" if "error" in fields else "done"


def _submit(f: Fields) -> None:
    for queue in {queue for queue, _, _ in f["batches"]}:
        counts().submit.labels(queue).observe(f["seconds"])
    if "error" not in f:
        for queue, workflow, count in f["batches"]:
            counts().submitted.labels(queue, bounded("workflow", workflow)).inc(count)


def _claim(f: Fields) -> None:
    result = "error" if "error" in f else "empty" if f["empty"] else "taken"
    counts().claims.labels(f["queue"], result).inc()
    counts().claim.labels(f["queue"]).observe(f["seconds"])


def _start(f: Fields) -> None:
    counts().started.labels(f["queue"]).inc(f["count"])
    observe_many(counts().wait.labels(f["queue"]), f["wait_seconds"])


def _steps(f: Fields) -> None:
    groups: dict[tuple[str, str], list[float]] = {}
    for kind, seconds, outcome in f["items"]:
        groups.setdefault((kind, outcome), []).append(seconds)
    for labels, values in groups.items():
        observe_many(counts().step.labels(*labels), values)


def _finish(f: Fields) -> None:
    for outcome, count in f["counts"].items():
        counts().finished.labels(f["queue"], str(outcome)).inc(count)


def _retry(f: Fields) -> None:
    counts().retries.labels(f["queue"], bounded("error_class", f["error_class"])).inc(f["count"])


def _rescue(f: Fields) -> None:
    counts().rescued.labels("worker lost").inc(f["jobs"])


def _lease_lost(f: Fields) -> None:
    counts().lease_lost.labels("rescued meanwhile").inc(f["jobs"])


def _release(f: Fields) -> None:
    counts().released.labels(bounded("reason", f["reason"])).inc(f["jobs"])


def _wake(f: Fields) -> None:
    counts().wakes.labels(f["queue"], "sent" if f["sent"] else "suppressed").inc()


def _flush(f: Fields) -> None:
    counts().flush.labels(_result(f)).observe(f["seconds"])
    counts().flushed.labels(_result(f)).inc(f["jobs"])


def _drain(f: Fields) -> None:
    counts().drain.labels(_result(f)).observe(f["seconds"])


def _tick(f: Fields) -> None:
    counts().tick.labels(_result(f)).observe(f["seconds"])
    for what in ("promoted", "woken", "rescued", "leases"):
        if f.get(what):
            counts().ticked.labels(what).inc(f[what])


def _fired(f: Fields) -> None:
    for outcome, count in f["counts"].items():
        counts().firings.labels(outcome).inc(count)
    observe_many(counts().firing_lag, f["lag_seconds"])


def _firing_failed(f: Fields) -> None:
    counts().firings.labels("failed" if f["given_up"] else "to be tried again").inc()


def _notice(f: Fields) -> None:
    counts().notices.labels(f["outcome"]).inc()


def _received(f: Fields) -> None:
    counts().deliveries.labels(f["outcome"]).inc()


def _refused(f: Fields) -> None:
    counts().deliveries.labels(f"refused: {f['cause']}").inc(f["count"])


def _trouble(what: str) -> Callable[[Fields], None]:
    return lambda f: counts().troubles.labels(what).inc()


_COUNT: dict[str, Callable[[Fields], None]] = {
    "engine.submit": _submit,
    "engine.claim": _claim,
    "engine.start": _start,
    "engine.steps": _steps,
    "engine.finish": _finish,
    "engine.retry": _retry,
    "engine.rescue": _rescue,
    "engine.lease_lost": _lease_lost,
    "engine.release": _release,
    "engine.wake": _wake,
    "engine.flush": _flush,
    "engine.drain": _drain,
    "engine.tick": _tick,
    "automations.fired": _fired,
    "automations.firing_failed": _firing_failed,
    "automations.notice": _notice,
    "webhook.received": _received,
    "webhook.refused": _refused,
    "engine.database_away": _trouble("database"),
    "engine.heartbeat_failed": _trouble("heartbeat"),
    "cache.unreachable": _trouble("cache"),
}


def count_telemetry(name: str, fields: Fields) -> None:
    """Count an event; those nobody counts are passed over."""
    count = _COUNT.get(name)
    if count is not None:
        count(fields)
