"""Test runs among real workers: one of them dies in the middle, several are at the same run."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from django.db import connection
from django.db.models import Count

from jobs.models import Trial, TrialItem
from jobs.runtime import trials as turns
from jobs.runtime.trials import run_trial
from jobs.services import trials
from taskflow.lib.clock import utcnow
from tests.factories import make_workflow
from workflows.models import Sample

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
SLEEP = {"kind": "python", "config": {"function": "sleep", "params": {"seconds": 0.03}}}
WORKER = "import django; django.setup(); from jobs.runtime.trials import run_trial; run_trial({pk}, slots=2)"


def sleepy(samples: int) -> Trial:
    workflow = make_workflow(steps=[SLEEP])
    rows = [Sample.objects.create(workflow=workflow, input={"n": n}) for n in range(samples)]
    return trials.start_trial(workflow=workflow, samples=rows, user=None, now=utcnow())


def settled(trial: Trial) -> None:
    """Each item is stored once, and the counts say what the items say."""
    trial.refresh_from_db()
    assert (trial.state, trial.done, trial.same) == ("done", trial.total, trial.total)
    assert trial.items.filter(status="same").count() == trial.same
    counted = TrialItem.objects.filter(trial=trial, done_at__isnull=False).aggregate(n=Count("pk"))["n"]
    assert counted == trial.total


def test_a_worker_that_is_killed_in_the_middle_is_followed_by_another(
    process_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = sleepy(60)
    environment = process_env | {"DJANGO_SETTINGS_MODULE": "taskflow.settings"}
    worker = subprocess.Popen([sys.executable, "-c", WORKER.format(pk=trial.pk)], env=environment)
    while Trial.objects.get(pk=trial.pk).done < 4:
        assert worker.poll() is None
        time.sleep(0.02)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    before = Trial.objects.get(pk=trial.pk).done
    assert before < 60
    run_trial(trial.pk)  # too early: the dead one may be alive
    assert Trial.objects.get(pk=trial.pk).done == before
    monkeypatch.setattr(trials, "STALE", trials.STALE * 0)
    time.sleep(0.01)
    while not Trial.objects.get(pk=trial.pk).is_over:
        run_trial(trial.pk, slots=4)
    settled(trial)
    assert trial.same == 60


def test_a_worker_that_was_taken_for_dead_stores_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the run from the others all the time, through no fault of an item; then they let one end it."""
    trial = sleepy(40)
    stale = trials.STALE
    monkeypatch.setattr(trials, "STALE", stale * 0)
    monkeypatch.setattr(turns, "MOST_TRIES", 10_000)

    def work() -> None:
        try:
            while not Trial.objects.get(pk=trial.pk).is_over:
                run_trial(trial.pk, slots=2, slice_seconds=0.2)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    time.sleep(1.5)
    monkeypatch.setattr(trials, "STALE", stale)
    for worker in workers:
        worker.join()
    assert TrialItem.objects.filter(trial=trial, tries__gt=1).exists()
    settled(trial)
