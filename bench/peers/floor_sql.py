"""The floor: the writes that a durable engine needs, by bare SQL, and nothing else.

PEER_BATCH=50: fifty jobs a transaction (submit, claim, each step). PEER_BATCH=1: a transaction a job and step. Either
way a job leaves one job row, one attempt, three step results and five events.
"""

import json
import os
import sys
import time
import uuid

import MySQLdb

from bench.subject import ROOT, Places, Subject, fresh_database, main
from bench.workload import STEPS, order_text

DATABASE = "bench_floor"
BATCH = int(os.environ.get("PEER_BATCH", "50"))
CLAIM = 20 if BATCH == 1 else BATCH
IDLE_SECONDS = 0.005
INSERT_JOB = (
    "insert into job (uid, name, queue, status, payload, run_at, created, updated) values ",
    "(%s, 'invoice', 'default', 'pending', %s, now(6), now(6), now(6))",
)
INSERT_EVENT = ("insert into event (job_id, kind, at, data) values ", "(%s, %s, now(6), %s)")
INSERT_STEP = (
    "insert into step_result (job_id, step_no, name, status, result, started, finished) values ",
    "(%s, %s, %s, 'done', %s, now(6), now(6))",
)
INSERT_ATTEMPT = (
    "insert into attempt (job_id, no, worker, status, started) values ",
    "(%s, %s, %s, 'running', now(6))",
)
DUE = (
    "select id, payload, attempt_no from job where status = 'pending' and queue = 'default' and run_at <= now(6)"
    " order by priority, run_at, id limit %s for update skip locked"
)


def connect(**more):
    """Connect to the floor's own database."""
    return MySQLdb.connect(**Places.from_environment().mysql_login(), db=DATABASE, charset="utf8mb4", **more)


def insert(cursor, statement, rows):
    """Insert rows in one statement and return the first id; those that follow are consecutive."""
    head, row = statement
    cursor.execute(head + ", ".join([row] * len(rows)), [value for values in rows for value in values])
    return cursor.lastrowid


def marks(values):
    """Return a placeholder for each value."""
    return ", ".join(["%s"] * len(values))


class Worker:
    """Claims and runs jobs until it is ended."""

    def __init__(self, label):
        self.label = label
        self.connection = connect()
        self.cursor = self.connection.cursor()

    def run(self):
        """Loop; look again after 5 ms when nothing is due."""
        while True:
            rows = self.claim()
            if not rows:
                time.sleep(IDLE_SECONDS)
                continue
            for start in range(0, len(rows), BATCH):
                self.work(rows[start : start + BATCH])

    def claim(self):
        """Take due jobs: (job, payload, attempt)."""
        self.cursor.execute(DUE, [CLAIM])
        rows = self.cursor.fetchall()
        if rows:
            ids = [row[0] for row in rows]
            self.cursor.execute(
                "update job set status = 'running', owner = %s, lease_until = now(6) + interval 30 second,"
                f" attempt_no = attempt_no + 1, updated = now(6) where id in ({marks(ids)})",
                [self.label, *ids],
            )
            first = insert(self.cursor, INSERT_ATTEMPT, [(row[0], row[2] + 1, self.label) for row in rows])
            insert(self.cursor, INSERT_EVENT, [(pk, "started", None) for pk in ids])
            rows = [(row[0], row[1], first + number) for number, row in enumerate(rows)]
        self.connection.commit()
        return rows

    def work(self, rows):
        """Run the steps of some jobs side by side, a transaction a step."""
        ids = [row[0] for row in rows]
        records = [json.loads(row[1]) for row in rows]
        for number, (name, step) in enumerate(STEPS, 1):
            records = [step(record) for record in records]
            texts = [json.dumps(record) for record in records]
            insert(self.cursor, INSERT_STEP, [(pk, number, name, text) for pk, text in zip(ids, texts, strict=True)])
            if number < len(STEPS):
                insert(self.cursor, INSERT_EVENT, [(pk, "step_done", f'{{"step": {number}}}') for pk in ids])
                self.connection.commit()
        self.finish(ids, texts, [row[2] for row in rows])

    def finish(self, ids, results, attempts):
        """Mark the jobs done, fenced by their owner."""
        pairs = [value for pair in zip(ids, results, strict=True) for value in pair]
        self.cursor.execute(
            f"update job set status = 'succeeded', step_no = 3, result = case id {'when %s then %s ' * len(ids)}end,"
            " finished = now(6), updated = now(6), owner = null, lease_until = null"
            f" where id in ({marks(ids)}) and owner = %s",
            [*pairs, *ids, self.label],
        )
        if self.cursor.rowcount != len(ids):
            raise RuntimeError("The lease was lost.")
        done = f"update attempt set status = 'succeeded', finished = now(6) where id in ({marks(attempts)})"
        self.cursor.execute(done, attempts)
        insert(self.cursor, INSERT_EVENT, [(pk, "succeeded", None) for pk in ids])
        self.connection.commit()


class Floor(Subject):
    """Two worker processes. `keys` maps a job's number to its row."""

    name = "floor-sql" if BATCH > 1 else "floor-sql-step"
    ready_seconds = 0.7

    def setup(self, mode):
        fresh_database(self.places, DATABASE)
        cursor = connect(autocommit=True).cursor()
        for statement in (ROOT / "bench" / "peers" / "floor.sql").read_text().split(";"):
            if statement.strip():
                cursor.execute(statement)
        self.writer, self.reader = connect(), connect(autocommit=True)
        self.keys = {}

    def start(self, mode):
        for number in range(2):
            self.spawn(sys.executable, "-m", "bench.peers.floor_sql", "worker", number)

    def submit(self, numbers, mode):
        for start in range(0, len(numbers), BATCH):
            self._store(numbers[start : start + BATCH])

    def submit_one(self, number, mode):
        self._store([number])

    def _store(self, numbers):
        cursor = self.writer.cursor()
        first = insert(cursor, INSERT_JOB, [(uuid.uuid4().bytes, order_text(number)) for number in numbers])
        insert(cursor, INSERT_EVENT, [(first + place, "created", None) for place in range(len(numbers))])
        self.writer.commit()
        self.keys.update({number: first + place for place, number in enumerate(numbers)})

    def _ask(self, sql, parameters=()):
        cursor = self.reader.cursor()
        cursor.execute(sql, parameters)
        return cursor.fetchall()

    def count_done(self):
        return self._ask("select count(*) from job where status = 'succeeded'")[0][0]

    def done_among(self, numbers):
        wanted = {self.keys[number]: number for number in numbers if number in self.keys}
        sql = f"select id from job where status = 'succeeded' and id in ({marks(wanted)})"
        return [wanted[row[0]] for row in self._ask(sql, list(wanted))] if wanted else []

    def records(self):
        tables = ("job", "attempt", "step_result", "event")
        return {"rows": {table: self._ask(f"select count(*) from {table}")[0][0] for table in tables}}


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        Worker(f"w{sys.argv[2]}-{os.getpid()}").run()
    else:
        main(Floor)
