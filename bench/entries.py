"""Which systems take part in which measurement, with how many jobs, and what each of them records."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OURS = "bench/taskflow_peer.py"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a table.

    `program` is a script of the product's environment, or a module of the peers'. `jobs` makes a run last about ten
    seconds. `goal` is what the ratio of TaskFlow's figure to this one's should be. `needs` names the server variable
    without which the entry cannot run.
    """

    title: str
    program: str
    mode: str
    jobs: int
    records: str
    goal: str = ""
    needs: str = "MY_PORT"
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Whether it is TaskFlow itself."""
        return self.program.endswith(".py")


ROWS = "job, attempt, 3 step results, 3 events; leases, fairness, retries"
FLOOR_ROWS = "job, attempt, 3 step results, 5 events"
HAND_ROWS = "job, 3 step results"
W1 = (
    Entry("TaskFlow", OURS, "w1", 20_000, ROWS),
    Entry("Raw SQL, 50 jobs a transaction: the floor", "bench.peers.floor_sql", "w1", 30_000, FLOOR_ROWS, "0.5"),
    Entry("The same through Django's ORM", "bench.peers.floor_orm", "w1", 15_000, FLOOR_ROWS, "≥ 0.75"),
    Entry(
        "Raw SQL, a transaction a step", "bench.peers.floor_sql", "w1", 6_000, FLOOR_ROWS, env={"PEER_BATCH": "1"}
    ),
    Entry("Celery, one task, nothing stored", "bench.peers.celery_nothing", "w1", 8_000, "a counter in Redis", "> 1"),
    Entry("Celery + ORM rows by hand", "bench.peers.celery_rows", "w1", 2_000, HAND_ROWS, "≥ 7"),
    Entry("Celery + django-celery-results", "bench.peers.celery_results", "w1", 1_500, "3 task results"),
    Entry("django-q2, Redis broker", "bench.peers.django_q", "w1", 1_500, "3 task results"),
    Entry(
        "Procrastinate, bulk", "bench.peers.procrastinate_bulk", "w1", 4_000, "job, 3 events, 3 step results",
        needs="PG_PORT",
    ),
)  # fmt: skip
W2 = (
    Entry("TaskFlow, `http` step", OURS, "w2", 500, "job, attempt, step result, 3 events", "≥ 0.92 of 250/s"),
    Entry("TaskFlow, `python` step", OURS, "w2python", 500, "job, attempt, step result, 3 events"),
    Entry("Celery, nothing stored", "bench.peers.celery_nothing", "w2", 500, "a counter in Redis"),
    Entry("Celery + ORM rows by hand", "bench.peers.celery_rows", "w2", 500, "job, step result"),
    Entry("Celery + django-celery-results", "bench.peers.celery_results", "w2", 500, "task result"),
    Entry("django-q2, Redis broker", "bench.peers.django_q", "w2", 500, "task result"),
    Entry(
        "Procrastinate, bulk", "bench.peers.procrastinate_bulk", "w2", 500, "job, events, step result", needs="PG_PORT"
    ),
)
TRICKLE = (
    Entry("TaskFlow", OURS, "trickle", 400, ROWS),
    Entry("ORM floor, looking every 5 ms", "bench.peers.floor_orm", "trickle", 400, FLOOR_ROWS),
    Entry("Celery + ORM rows by hand", "bench.peers.celery_rows", "trickle", 400, HAND_ROWS),
    Entry("Celery + django-celery-results", "bench.peers.celery_results", "trickle", 400, "3 task results"),
    Entry(
        "Procrastinate", "bench.peers.procrastinate_bulk", "trickle", 400, "job, 3 events, 3 step results",
        needs="PG_PORT",
    ),
)  # fmt: skip
POST = (
    Entry("TaskFlow, 1 client", "bench/post.py", "post1", 1_000, ROWS),
    Entry("TaskFlow, 8 clients", "bench/post.py", "post8", 2_000, ROWS),
    Entry("TaskFlow, bulk of 1,000", "bench/post.py", "bulk", 20_000, ROWS),
    Entry("A Django view by hand + Celery + ORM rows, 1 client", "bench.peers.django_view", "post1", 1_000, HAND_ROWS),
    Entry("A Django view by hand + Celery + ORM rows, 8 clients", "bench.peers.django_view", "post8", 1_000, HAND_ROWS),
)
