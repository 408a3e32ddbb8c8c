"""The same writes as the floor, through Django's ORM: 50 jobs a transaction (submit, claim, each step)."""

import os
import sys
import time
from datetime import timedelta

from bench.peers.django_subject import RowsSubject
from bench.subject import main
from bench.workload import STEPS, order

BATCH = 50
IDLE_SECONDS = 0.005


def submit(numbers):
    """Store jobs with their first event; returns the rows."""
    from django.db import transaction
    from django.utils import timezone

    from bench.peers.tables.models import Event, Job

    now = timezone.now()
    with transaction.atomic():
        rows = [Job(name="invoice", payload=order(n), run_at=now, created=now, updated=now) for n in numbers]
        rows = Job.objects.bulk_create(rows)
        Event.objects.bulk_create([Event(job_id=row.pk, kind="created", at=now) for row in rows])
    return rows


def claim(label):
    """Take due jobs; returns them with their attempts."""
    from django.db import transaction
    from django.db.models import F
    from django.utils import timezone

    from bench.peers.tables.models import Attempt, Event, Job

    now = timezone.now()
    with transaction.atomic():
        due = Job.objects.select_for_update(skip_locked=True).filter(status="pending", queue="default", run_at__lte=now)
        jobs = list(due.order_by("priority", "run_at", "id")[:BATCH])
        if not jobs:
            return [], []
        lease = {"owner": label, "lease_until": now + timedelta(seconds=30)}
        Job.objects.filter(pk__in=[job.pk for job in jobs]).update(
            status="running", attempt_no=F("attempt_no") + 1, updated=now, **lease
        )
        attempts = [
            Attempt(job_id=job.pk, no=job.attempt_no + 1, worker=label, status="running", started=now) for job in jobs
        ]
        attempts = Attempt.objects.bulk_create(attempts)
        Event.objects.bulk_create([Event(job_id=job.pk, kind="started", at=now) for job in jobs])
    return jobs, attempts


def work(jobs, attempts, label):
    """Run the steps of the jobs side by side, a transaction a step."""
    from django.db import transaction
    from django.utils import timezone

    from bench.peers.tables.models import Event, StepResult

    records = [job.payload for job in jobs]
    for number, (name, step) in enumerate(STEPS, 1):
        started = timezone.now()
        records = [step(record) for record in records]
        now = timezone.now()
        times = {"started": started, "finished": now}
        with transaction.atomic():
            StepResult.objects.bulk_create(
                StepResult(job_id=job.pk, step_no=number, name=name, status="done", result=record, **times)
                for job, record in zip(jobs, records, strict=True)
            )
            if number < len(STEPS):
                Event.objects.bulk_create(
                    Event(job_id=job.pk, kind="step_done", at=now, data={"step": number}) for job in jobs
                )
            else:
                finish(jobs, attempts, records, label, now)


def finish(jobs, attempts, records, label, now):
    """Mark the jobs done, fenced by their owner."""
    from django.db.models import Case, JSONField, Value, When

    from bench.peers.tables.models import Attempt, Event, Job

    results = [When(pk=job.pk, then=Value(record, JSONField())) for job, record in zip(jobs, records, strict=True)]
    done = Job.objects.filter(pk__in=[job.pk for job in jobs], owner=label).update(
        status="succeeded", step_no=3, finished=now, updated=now, owner=None, lease_until=None,
        result=Case(*results, output_field=JSONField()),
    )  # fmt: skip
    if done != len(jobs):
        raise RuntimeError("The lease was lost.")
    Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts]).update(status="succeeded", finished=now)
    Event.objects.bulk_create([Event(job_id=job.pk, kind="succeeded", at=now) for job in jobs])


def run_worker(number):
    """Claim and run until the process is ended; look again after 5 ms when nothing is due."""
    import django

    django.setup()
    label = f"w{number}-{os.getpid()}"
    while True:
        jobs, attempts = claim(label)
        if jobs:
            work(jobs, attempts, label)
        else:
            time.sleep(IDLE_SECONDS)


class FloorOrm(RowsSubject):
    """Two worker processes."""

    name = "floor-orm"
    ready_seconds = 1.5

    def start(self, mode):
        for number in range(2):
            self.spawn(sys.executable, "-m", "bench.peers.floor_orm", "worker", number)

    def submit(self, numbers, mode):
        for start in range(0, len(numbers), BATCH):
            submit(numbers[start : start + BATCH])

    def submit_one(self, number, mode):
        self.keys[number] = submit([number])[0].pk


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        run_worker(sys.argv[2])
    else:
        main(FloorOrm)
