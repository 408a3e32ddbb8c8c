"""A bad day: workers, beat, broker and database die again and again while jobs come in, and no job may be lost.

    make chaos

runs it at full size. What is judged is the log the engine itself kept, and a ledger outside the database.
"""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from redis import Redis as Client

from jobs.domain.states import FINAL, State
from jobs.domain.submission import NewJob
from jobs.models import Attempt, Event, Job, StepRun, WorkerLease
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from tests.chaos.fleet import JOBS, Fleet, Process, environment, fleet, surely, wait_for
from tests.chaos.steps import Mark, read
from tests.conftest import url_of_test_database
from tests.factories import make_queue, make_tenant, make_workflow
from tests.history import check, load
from tests.servers import MariaDb, Redis, private_servers
from workflows.models import Workflow

pytestmark = pytest.mark.timeout(1800)
PURE = {"kind": "python", "config": {"function": "echo"}}
FLAKY = {"kind": "python", "config": {"function": "chaos.flaky"}}
RETRY = {"retry_policy": {"base_delay": 0.3, "max_attempts": 4}}
#: Jobs a second: the bad day lasts about half a minute at full size.
ARRIVING = 60


def mark(key: str) -> dict[str, object]:
    return {"key": key, "kind": "python", "config": {"function": "chaos.mark", "params": {"seconds": 0.3}}}


@pytest.fixture(scope="module")
def env(place: Path) -> dict[str, str]:
    return environment(place, database=url_of_test_database(), broker=settings.BROKER_URL, PYTHONFAULTHANDLER="1")


@pytest.fixture(scope="module")
def workers(env: dict[str, str], place: Path) -> Iterator[Fleet]:
    with fleet(env, place, app="tests.chaos.twice") as found:
        yield found


@pytest.fixture(scope="module")
def servers() -> tuple[MariaDb, Redis] | None:
    """The servers, if they may be stopped; else only the processes are disturbed."""
    return private_servers()


class BadDay:
    """What goes wrong, second by second. `rounds` is how many there are."""

    def __init__(self, workers: Fleet, servers: tuple[MariaDb, Redis] | None, rounds: int) -> None:
        self.workers, self.servers, self.rounds = workers, servers, rounds
        self.chance = random.Random(rounds)
        for _ in range(3):
            workers.worker()
        self.beat: Process | None = workers.beat()
        self.log: Counter[str] = Counter()

    def strike(self, number: int) -> None:
        """Do this second's damage."""
        self._kill_a_worker(number)
        if number % 4 == 1:
            self._empty_redis()
        if self.servers and number == self.rounds // 3:
            self._restart_redis(self.servers[1])
        if self.servers and number in (self.rounds // 2, self.rounds * 3 // 4):
            self._restart_mariadb(self.servers[0])
        if number in (self.rounds // 4, self.rounds - 1):
            self._kill_beat()
        elif self.beat is None and number == self.rounds // 2:
            self.beat = self.workers.beat()

    def _kill_a_worker(self, number: int) -> None:
        """Kill the process with most in its hands, now and then with its parent and all the others of that."""
        time.sleep(self.chance.uniform(0, 0.4))
        deadline = time.monotonic() + 0.6
        while (found := self._busiest()) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        pid, parent = found or (0, None)
        if parent is None:
            self.log["nobody at work"] += 1
        elif number % 5 == 4:
            self.workers.kill(parent)
            self.workers.worker()
            self.log["whole workers killed"] += 1
        else:
            self.workers.kill_child(pid)
            self.log["worker processes killed"] += 1

    def _busiest(self) -> tuple[int, Process] | None:
        """Return the living process that holds most jobs, and its parent."""
        held = Job.objects.filter(state=State.RUNNING).values_list("lease_id", flat=True)
        busy = Counter(surely(lambda: list(held)))
        pids = dict(WorkerLease.objects.filter(pk__in=list(busy)).values_list("pk", "pid"))
        found = ((pids[lease], self.workers.parent_of(pids[lease])) for lease, _ in busy.most_common() if lease in pids)
        return next(((pid, parent) for pid, parent in found if parent), None)

    def _empty_redis(self) -> None:
        with Client.from_url(settings.BROKER_URL) as client:
            client.flushall()
        self.log["times Redis emptied"] += 1

    def _restart_redis(self, server: Redis) -> None:
        server.stop()
        time.sleep(1)
        server.start()
        self.log["Redis restarts"] += 1

    def _restart_mariadb(self, server: MariaDb) -> None:
        connection.close()
        server.stop()
        time.sleep(1)
        server.start()
        self.log["MariaDB restarts"] += 1

    def _kill_beat(self) -> None:
        if self.beat is not None:
            self.workers.kill(self.beat)
            self.beat = None
            self.log["times beat killed"] += 1


def make_workflows() -> list[Workflow]:
    """Two tenants; half of the jobs are quick, a quarter has one step that matters outside, a quarter two in a row."""
    make_queue()
    kinds = {
        "quick": [PURE, FLAKY, PURE],
        "hasty": [PURE, PURE],
        "outside": [PURE, mark("one"), PURE],
        "twofold": [mark("one"), mark("two"), PURE],
    }
    one, two = make_tenant(), make_tenant()
    return [
        make_workflow(two if slug == "outside" else one, slug, steps=steps, version=RETRY)
        for slug, steps in kinds.items()
    ]


def send(workflows: list[Workflow], start: int, count: int) -> None:
    """Store jobs number `start` and following."""
    for offset, workflow in enumerate(workflows):
        numbers = [n for n in range(start, start + count) if n % len(workflows) == offset]
        requests = [NewJob(workflow.slug, {"n": n, "failures": int(n % 10 == 0)}) for n in numbers]
        if requests:
            surely(lambda w=workflow, r=requests: submit_jobs(tenant_id=w.tenant_id, requests=r, now=utcnow()))


def states() -> Counter[str]:
    return Counter(Job.objects.values_list("state", flat=True))


def all_final() -> bool:
    return set(states()) <= {state.value for state in FINAL}


def test_no_job_is_lost_on_a_bad_day(workers: Fleet, servers: tuple[MariaDb, Redis] | None) -> None:
    workflows = make_workflows()
    rounds = max(JOBS // ARRIVING, 12)
    day = BadDay(workers, servers, rounds)
    wait_for(lambda: WorkerLease.objects.count() >= 3, told=workers.logs)
    for number in range(rounds):
        begin = time.monotonic()
        send(workflows, number * JOBS // rounds, (number + 1) * JOBS // rounds - number * JOBS // rounds)
        day.strike(number)
        time.sleep(max(begin + 1 - time.monotonic(), 0))
    wait_for(all_final, within=600, told=lambda: f"{states()}\n{workers.logs()}")
    assert Job.objects.count() == JOBS
    assert check(load()) == []
    judge_ends()
    judge_ledger(read(Path(workers.env["CHAOS_LEDGER"])), workers.killed)
    print(dict(day.log), dict(states()), dict(Counter(Event.objects.values_list("kind", flat=True))))


def judge_ends() -> None:
    """Every job succeeded, but those whose workers were killed too often."""
    dead = Job.objects.filter(state=State.DEAD)
    assert set(states()) <= {State.SUCCEEDED, State.DEAD}
    assert all(job.crashes >= 3 and job.error_class == "WorkerLost" for job in dead)


def judge_ledger(marks: list[Mark], killed: set[int]) -> None:
    """A step outside ran again only if its worker was killed in it, with the same key, and never once it was stored."""
    begun: dict[str, list[Mark]] = defaultdict(list)
    for one in marks:
        if one.what == "begin":
            begun[one.key].append(one)
    for key, found in begun.items():
        again = [one for one in found[:-1] if one.pid not in killed]
        assert not again, f"{key} ran again, although its worker lived: {found}"
    uids = dict(Job.objects.values_list("id", "uid"))
    finished = StepRun.objects.filter(step_key__in=["one", "two"]).values_list("job_id", "step_key", "attempt")
    for job_id, step_key, attempt in finished:
        assert [one.attempt for one in begun[f"{uids[job_id]}:{step_key}:1"]][-1] == attempt
    lost = set(Attempt.objects.filter(outcome="worker_lost").values_list("job_id", "number"))
    by_uid = {str(uid): pk for pk, uid in uids.items()}
    for key, found in begun.items():
        assert all((by_uid[key.split(":")[0]], one.attempt) in lost for one in found[:-1]), key
    again = sum(len(found) - 1 for found in begun.values())
    print(f"{len(begun)} steps outside, {again} of them begun again after their worker was killed in them")
