"""django-q2 on its Redis broker: a chain of three tasks, a row for each result in MariaDB."""

import os
import sys

os.environ["PEER_APP"] = "django_q"

from bench import workload
from bench.peers.django_subject import DjangoSubject
from bench.subject import main
from bench.workload import order


def first(payload):
    """W1, the first task."""
    return workload.parse(payload)


def second(payload):
    """W1, the second task. A chain hands no result on, so it starts from the payload; that costs microseconds."""
    return workload.compute(workload.parse(payload))


def third(payload):
    """W1, the third task."""
    return workload.emit(workload.compute(workload.parse(payload)))


class DjangoQ(DjangoSubject):
    """One cluster with two workers, 50 for W2."""

    name = "django-q2"
    ready_seconds = 5.0

    def setup(self, mode):
        super().setup(mode)
        from django_q.brokers import get_broker

        self.broker = get_broker()
        self.tasks_a_job = 1 if mode == "w2" else 3

    def start(self, mode):
        self.spawn(sys.executable, "-m", "django", "qcluster", env={"PEER_WORKERS": 50 if mode == "w2" else 2})

    def submit_one(self, number, mode):
        from django_q.tasks import async_chain, async_task

        if mode == "w2":
            async_task("bench.workload.slow_call", number, broker=self.broker)
            return
        payload = order(number)
        async_chain([(f"bench.peers.django_q.{name}", (payload,)) for name in ("first", "second", "third")],
                    broker=self.broker)  # fmt: skip

    def count_done(self):
        return self.count("django_q_task", "success = 1") // self.tasks_a_job

    def records(self):
        return {"rows": {"task": self.count("django_q_task")}}


if __name__ == "__main__":
    main(DjangoQ)
