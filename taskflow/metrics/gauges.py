"""What the database says when asked: how deep the queues are, who works on them, whether the engine ticks."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from automations.queries.gauges import backlog
from jobs.queries import gauges
from taskflow.lib.clock import utcnow


class GaugesCollector:
    """Reads the gauges. When the database is down it says so, and what processes counted is still handed out."""

    def collect(self) -> Iterator[Metric]:
        try:
            read = list(_read(utcnow()))
        except Error:
            read = []
        yield _gauge("taskflow_database_up", "1 when the database answered.", {(): 1.0 if read else 0.0})
        yield from read

    def describe(self) -> list[Metric]:
        """Name nothing in advance, or registering would ask the database."""
        return []


def _read(now: datetime) -> Iterator[Metric]:
    yield from _queues(now)
    yield from _workers()
    yield from _reviews(now)
    yield from _rules(now)
    ticked_at = gauges.last_tick_at()
    if ticked_at is not None:
        text = "Seconds since the engine last promoted, rescued and woke."
        yield _gauge("taskflow_last_tick_age_seconds", text, {(): _age(ticked_at, now)})


def _queues(now: datetime) -> Iterator[Metric]:
    depths = gauges.queue_depths()
    labels = ("queue", "state")
    jobs = {(d.queue, d.state.lower()): float(d.jobs) for d in depths}
    yield _gauge("taskflow_queue_jobs", "Jobs that are not finished.", jobs, labels)
    ages = {(d.queue, d.state.lower()): _age(d.oldest_due_at, now) for d in depths if d.oldest_due_at is not None}
    yield _gauge("taskflow_queue_oldest_due_age_seconds", "Seconds since the job due longest was due.", ages, labels)
    paused = {(slug,): float(is_paused) for slug, is_paused in gauges.paused_queues().items()}
    yield _gauge("taskflow_queue_paused", "1 for a paused queue.", paused, ("queue",))


def _workers() -> Iterator[Metric]:
    fleets = gauges.living_fleets(lease_seconds=settings.LEASE_SECONDS)
    for name, text, values in (
        ("taskflow_workers_alive", "Worker processes with a fresh heartbeat.", [f.workers for f in fleets]),
        ("taskflow_worker_slots", "Jobs that living workers can run at once.", [f.slots for f in fleets]),
        ("taskflow_worker_jobs", "Jobs that living workers run, by their heartbeats.", [f.running for f in fleets]),
    ):
        yield _gauge(name, text, {(f.pool,): float(v) for f, v in zip(fleets, values, strict=True)}, ("pool",))


def _reviews(now: datetime) -> Iterator[Metric]:
    found = gauges.open_reviews(now=now)
    yield _gauge("taskflow_reviews_open", "Questions to people that have no answer.", {(): float(found.waiting)})
    yield _gauge("taskflow_reviews_overdue", "Those of them whose answer is late.", {(): float(found.overdue)})


def _rules(now: datetime) -> Iterator[Metric]:
    found = backlog(now=now)
    age = 0.0 if found.oldest_due_at is None else _age(found.oldest_due_at, now)
    for name, text, value in (
        ("taskflow_firings_waiting", "Firings of rules that are due and not taken up.", float(found.firings)),
        ("taskflow_firings_oldest_due_age_seconds", "Seconds since the firing due longest was due.", age),
        ("taskflow_webhooks_waiting", "Webhooks that were stored and not told to the rules.", float(found.deliveries)),
    ):
        yield _gauge(name, text, {(): value})
    if found.ticked_at is not None:
        text = "Seconds since somebody last looked which rules are due."
        yield _gauge("taskflow_rules_last_tick_age_seconds", text, {(): _age(found.ticked_at, now)})


def _age(moment: datetime, now: datetime) -> float:
    return max((now - moment).total_seconds(), 0.0)


def _gauge(name: str, text: str, values: Mapping[Any, float], labels: tuple[str, ...] = ()) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
