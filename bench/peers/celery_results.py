"""Celery + django-celery-results: a chain of three tasks, a row for each task's result."""

import os

os.environ |= {"PEER_VARIANT": "results", "PEER_APP": "django_celery_results"}

from bench.peers.celery_workers import start_workers
from bench.peers.django_subject import DjangoSubject
from bench.subject import main
from bench.workload import order

TABLE = "django_celery_results_taskresult"


class CeleryResults(DjangoSubject):
    """A job is done when its last task's result is stored. `keys` maps a job's number to that task's id."""

    name = "celery-results"
    tasks_a_job = 3

    def setup(self, mode):
        super().setup(mode)
        from bench.peers import celery_app

        self.tasks = celery_app
        self.keys = {}
        self.tasks_a_job = 1 if mode == "w2" else 3

    def start(self, mode):
        start_workers(self, "results", mode)

    def submit_one(self, number, mode):
        tasks = self.tasks
        chain = (
            tasks.call.s(number) if mode == "w2" else tasks.parse.s(order(number)) | tasks.compute.s() | tasks.emit.s()
        )
        self.keys[number] = chain.apply_async().id

    def count_done(self):
        return self.count(TABLE, "status = 'SUCCESS'") // self.tasks_a_job

    def done_among(self, numbers):
        wanted = {self.keys[number]: number for number in numbers if number in self.keys}
        marks = ", ".join(["%s"] * len(wanted))
        sql = f"SELECT task_id FROM {TABLE} WHERE status = 'SUCCESS' AND task_id IN ({marks})"
        return [wanted[row[0]] for row in self.query(sql, list(wanted))] if wanted else []

    def records(self):
        return {"rows": {"task result": self.count(TABLE)}}


if __name__ == "__main__":
    main(CeleryResults)
