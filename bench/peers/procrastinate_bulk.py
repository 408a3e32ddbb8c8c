"""Procrastinate on PostgreSQL: jobs deferred 50 at a time, a row for each step's result."""

import os
import sys

os.environ["PEER_SUBMITTER"] = "1"

from bench.subject import Subject, main
from bench.workload import order

BATCH = 50


class Procrastinate(Subject):
    """Two worker processes, of 3 concurrent jobs each, 25 for W2. `keys` maps a job's number to its row."""

    name = "procrastinate"

    def setup(self, mode):
        import psycopg

        from bench.peers import procrastinate_app as peer

        with psycopg.connect(peer.DSN + "postgres", autocommit=True) as connection:
            connection.execute(f"drop database if exists {peer.DATABASE} with (force)")
            connection.execute(f"create database {peer.DATABASE}")
        peer.app.open()
        peer.app.schema_manager.apply_schema()
        self.dsn = peer.DSN + peer.DATABASE
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self.connection.execute(
            "create table step_result (id bigserial primary key, job_id bigint not null, step_no int not null,"
            " name text not null, result jsonb not null, at timestamptz not null, unique (job_id, step_no))"
        )
        self.task = peer.app.tasks["run_call" if mode == "w2" else "run_job"]
        self.keys = {}

    def start(self, mode):
        for _ in range(2):
            self.spawn(
                sys.executable, "-m", "procrastinate", "--app=bench.peers.procrastinate_app.app", "--log-level",
                "warning", "worker", "-q", "bench", "-c", "25" if mode == "w2" else "3", env={"PEER_SUBMITTER": ""},
            )  # fmt: skip

    def submit(self, numbers, mode):
        for start in range(0, len(numbers), BATCH):
            batch = numbers[start : start + BATCH]
            self.task.batch_defer(*[{"payload": {"id": n} if mode == "w2" else order(n)} for n in batch])

    def submit_one(self, number, mode):
        self.keys[number] = self.task.defer(payload={"id": number} if mode == "w2" else order(number))

    def count_done(self):
        return self.connection.execute("select count(*) from procrastinate_jobs where status = 'succeeded'").fetchone()[
            0
        ]

    def done_among(self, numbers):
        wanted = {self.keys[number]: number for number in numbers if number in self.keys}
        sql = "select id from procrastinate_jobs where status = 'succeeded' and id = any(%s)"
        return [wanted[row[0]] for row in self.connection.execute(sql, [list(wanted)]).fetchall()]

    def records(self):
        tables = ("procrastinate_jobs", "procrastinate_events", "step_result")
        return {"rows": {t: self.connection.execute(f"select count(*) from {t}").fetchone()[0] for t in tables}}


if __name__ == "__main__":
    main(Procrastinate)
