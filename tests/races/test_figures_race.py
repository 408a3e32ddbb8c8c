"""The ledger adds up at every instant while jobs come, run, fail, wait, are cancelled and retried, and are counted."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Flag

import pytest
from django.db import connection, transaction

from jobs.domain.periods import Period
from jobs.models import UncountedJob
from jobs.queries.ledger import get_ledgers
from jobs.services import figures
from jobs.services.figures import count_figures
from taskflow.lib.clock import utcnow
from tests.figures import (
    History,
    counted_ends,
    counted_figures,
    direct_ends,
    direct_figures,
    direct_states,
    make_counted_workflow,
)
from workflows.models import Workflow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
SECONDS = 12
THREADS = 3


def act(history: History, over: Flag) -> int:
    """Do things until told to stop; returns how many."""
    done = 0
    try:
        while not over.is_set():
            history.act(utcnow())
            done += 1
    finally:
        connection.close()
    return done


def count(over: Flag) -> int:
    """Count again and again; returns how often."""
    done = 0
    try:
        while not over.is_set():
            count_figures(now=utcnow(), batches=2)
            done += 1
    finally:
        connection.close()
    return done


def compare(workflows: list[Workflow]) -> int:
    """Compare the ledger with the rows in one snapshot of the database; returns how many jobs there were."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    with transaction.atomic():
        ledgers = get_ledgers([each.pk for each in workflows], Period("all"))
        for each in workflows:
            assert ledgers[each.pk].states == direct_states(each)
            assert 0 <= ledgers[each.pk].for_person <= ledgers[each.pk].of("WAITING")
    return sum(ledger.came_in for ledger in ledgers.values())


def test_the_ledger_is_exact_at_every_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "AGE", timedelta(milliseconds=5))
    monkeypatch.setattr(figures, "BATCH", 20)
    workflows = [make_counted_workflow() for _ in range(THREADS)]
    histories = [History(workflow, random.Random(seed)) for seed, workflow in enumerate(workflows)]
    over, end, seen = Flag(), time.monotonic() + SECONDS, []
    with ThreadPoolExecutor(THREADS + 2) as pool:
        acting = [pool.submit(act, history, over) for history in histories]
        counting = [pool.submit(count, over) for _ in range(2)]
        try:
            while time.monotonic() < end:
                seen.append(compare(workflows))
        finally:
            over.set()
    print([future.result() for future in [*acting, *counting]], len(seen), seen[-1])
    assert seen[-1] > seen[0]
    later = utcnow() + timedelta(hours=4)
    for history in histories:
        history.end(later)
    count_figures(now=later + timedelta(minutes=1), batches=10_000)
    while UncountedJob.objects.filter(workflow__isnull=False).exists():
        count_figures(now=later + timedelta(minutes=1))
    for workflow in workflows:
        assert counted_ends(workflow) == direct_ends(workflow)
        assert counted_figures(workflow, 900) == counted_figures(workflow, 86_400) == direct_figures(workflow)
