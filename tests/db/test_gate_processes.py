"""Several processes at one gate: a limit of three calls at once is never exceeded, and the dead give places back."""

import subprocess
import sys
import time

import pytest

from tenants.models import ConnectionMeter, ConnectionSpend
from tests.factories import make_lease, make_tenant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
PROCESSES, THREADS, CALLS = 4, 3, 8

CALLER = """
import os, sys, threading, time
import django
django.setup()
from taskflow.lib.clock import utcnow
from tenants.domain.connections import Connection, LimitReached, Limits
from tenants.services.gate import Gate
from jobs.services.leases import living_leases

tenant, holder, threads, calls = map(int, sys.argv[1:])
connection = Connection("model", "http", {}, {}, Limits(concurrent=3), id=77)
gate = Gate(tenant, holder, living_leases)

def call():
    done = 0
    while done < calls:
        try:
            permit = gate.enter(connection, now=utcnow())
        except LimitReached:
            time.sleep(0.02)
            continue
        begin = time.monotonic()
        time.sleep(0.02)
        os.write(1, f"{begin} {time.monotonic()}\\n".encode())
        permit.leave(tokens=2, cost=0.5)
        done += 1

started = [threading.Thread(target=call) for _ in range(threads)]
[thread.start() for thread in started]
[thread.join() for thread in started]
"""


def caller(env: dict[str, str], tenant: int, holder: int, threads: int, calls: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CALLER, str(tenant), str(holder), str(threads), str(calls)]
    return subprocess.Popen(
        command, env=env | {"DJANGO_SETTINGS_MODULE": "taskflow.settings"}, stdout=subprocess.PIPE, text=True
    )


def peak(spans: list[tuple[float, float]]) -> int:
    """Return how many spans overlap at most."""
    moments = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return most


def test_three_at_once_is_never_exceeded(process_env: dict[str, str]) -> None:
    tenant, lease = make_tenant(), make_lease()
    callers = [caller(process_env, tenant.pk, lease.pk, THREADS, CALLS) for _ in range(PROCESSES)]
    outputs = [each.communicate()[0] for each in callers]
    assert [each.returncode for each in callers] == [0] * PROCESSES
    lines = [line for output in outputs for line in output.splitlines()]
    assert [line for line in lines if "connection.not_counted" in line] == []
    # A call that was put off is a line of the log, and no fault.
    spans = [tuple(map(float, line.split())) for line in lines if not line.startswith("{")]
    assert len(spans) == PROCESSES * THREADS * CALLS
    assert peak(spans) == 3
    assert ConnectionMeter.objects.get(pk=77).state["places"] == {}
    spend = ConnectionSpend.objects.get()
    assert (spend.calls, spend.tokens, spend.cost) == (len(spans), 2 * len(spans), 0.5 * len(spans))


def test_a_killed_worker_gives_its_places_back_when_its_lease_is_ended(process_env: dict[str, str]) -> None:
    tenant, doomed, heir = make_tenant(), make_lease(), make_lease()
    victim = caller(process_env, tenant.pk, doomed.pk, 3, 10_000)
    while len(ConnectionMeter.objects.filter(pk=77).values_list("state", flat=True)[:1]) == 0:
        time.sleep(0.05)
    time.sleep(0.2)
    victim.kill()
    victim.communicate()
    type(doomed).objects.filter(pk=doomed.pk).update(ended_at=doomed.started_at)
    survivor = caller(process_env, tenant.pk, heir.pk, 3, CALLS)
    output, _ = survivor.communicate(timeout=120)
    assert len([line for line in output.splitlines() if not line.startswith("{")]) == 3 * CALLS
