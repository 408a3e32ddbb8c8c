"""Celery + ORM rows by hand: a job row, a task that records each step's result and the job's state."""

import os

os.environ["PEER_VARIANT"] = "rows"

from bench.peers.celery_workers import start_workers
from bench.peers.django_subject import RowsSubject
from bench.subject import main
from bench.workload import order


class CeleryRows(RowsSubject):
    """What most Django teams write themselves."""

    name = "celery-rows"

    def setup(self, mode):
        super().setup(mode)
        from bench.peers import celery_app

        self.tasks = celery_app

    def start(self, mode):
        start_workers(self, "rows", mode)

    def submit_one(self, number, mode):
        from django.utils import timezone

        from bench.peers.tables.models import Job

        now, slow = timezone.now(), mode == "w2"
        payload = {"id": number} if slow else order(number)
        job = Job.objects.create(name="invoice", payload=payload, run_at=now, created=now, updated=now)
        self.keys[number] = job.pk
        (self.tasks.run_call if slow else self.tasks.run_job).delay(job.pk)


if __name__ == "__main__":
    main(CeleryRows)
