"""Celery, one task a job, nothing stored: what the transport alone can do."""

import os

os.environ["PEER_VARIANT"] = "nothing"

from bench.peers.celery_workers import start_workers
from bench.subject import Subject, main
from bench.workload import order_text


class CeleryNothing(Subject):
    """Two solo processes; that a job is done is a counter in Redis."""

    name = "celery-nothing"

    def setup(self, mode):
        import redis

        self.redis = redis.Redis(port=self.places.redis, db=8)
        self.redis.flushdb()
        from bench.peers import celery_app

        self.tasks = celery_app

    def start(self, mode):
        start_workers(self, "nothing", mode, pool="solo")

    def submit_one(self, number, mode):
        if mode == "w2":
            self.tasks.slow.delay(number)
        else:
            self.tasks.whole.delay(order_text(number))

    def count_done(self):
        return int(self.redis.get("done") or 0)


if __name__ == "__main__":
    main(CeleryNothing)
