"""Whatever beats and workers do at once: a rule fires once for each thing that happens, and makes its jobs once."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from threading import Event as Flag
from typing import Any

import pytest
from django.db import connection, transaction

from automations.models import Firing, JobEventCursor, JobLink, RuleMemory, WebhookDelivery, WebhookEndpoint
from automations.runtime.fire import fire, work_on, work_on_all
from automations.services.events import tell_event
from automations.services.firings import claim_firings
from automations.services.occurrences import fire_for_delivery
from automations.services.reading import read_job_events
from automations.services.schedule import fire_due_rules
from jobs.models import Event, Job
from taskflow.lib.clock import utcnow
from tests.factories import NOW, make_job, make_rule, make_tenant, make_workflow
from tests.races.test_engine_races import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
TICKS = 500
MOST = {"rate_limit": 1_000_000}


def work_until(done: Flag) -> None:
    """Be a worker that hears every message twice: take up firings, and work on each two times, or on all together."""
    while True:
        last = done.is_set()
        taken = claim_firings(now=utcnow(), limit=7)
        work_on_all(taken[: len(taken) // 2])
        for firing in taken * 2:
            work_on(firing, now=utcnow())
        if last and not taken:
            return
        if not taken:
            time.sleep(0.01)


def test_two_beats_and_eight_workers_fire_each_rule_once_for_each_minute() -> None:
    tenants = [make_tenant() for _ in range(2)]
    for tenant in tenants:
        make_workflow(tenant, "target")
    every_minute = {"kind": "cron", "expression": "* * * * *", "missed": "all"}
    rules = [make_rule(tenants[0], trigger=every_minute, **MOST), make_rule(None, trigger=every_minute, **MOST)]
    done = Flag()

    def beat(seed: int) -> None:
        chance = random.Random(seed)
        for tick in range(1, TICKS + 1):
            # Some ticks are lost, some come twice, and the clocks of the two are not the same.
            for _ in range(chance.choice((0, 1, 1, 2)) if tick < TICKS else 1):
                fire_due_rules(now=NOW + timedelta(minutes=tick, seconds=chance.uniform(0, 50)))

    def beats() -> None:
        at_once(lambda: beat(1), lambda: beat(2))
        done.set()

    at_once(beats, *[lambda: work_until(done)] * 8)
    wanted = Counter({(rules[0].pk, tenants[0].pk): TICKS, (rules[1].pk, tenants[0].pk): TICKS})
    wanted[rules[1].pk, tenants[1].pk] = TICKS
    assert Counter(Firing.objects.values_list("rule_id", "tenant_id")) == wanted
    times = Counter(Firing.objects.values_list("rule_id", "tenant_id", "scheduled_for"))
    assert set(times.values()) == {1}
    assert Counter(Firing.objects.values_list("state", "jobs_made")) == {("done", 1): 3 * TICKS}
    assert Job.objects.count() == JobLink.objects.count() == 3 * TICKS
    assert Counter(Job.objects.values_list("tenant_id", flat=True)) == {
        tenants[0].pk: 2 * TICKS,
        tenants[1].pk: TICKS,
    }


HANG = """
import django; django.setup()
from automations.runtime.fire import fire
fire()
"""


def test_a_worker_that_is_killed_between_taking_up_and_acting_leaves_the_jobs_to_be_made_once(
    process_env: dict[str, str],
) -> None:
    tenant = make_tenant()
    make_workflow(tenant, "target")
    rule = make_rule(tenant, trigger={"kind": "event", "name": "order"})
    RuleMemory.objects.create(rule=rule, tenant=tenant, updated_at=NOW)
    tell_event(tenant_id=tenant.pk, name="order", payload={}, now=utcnow())
    environment = process_env | {"DJANGO_SETTINGS_MODULE": "taskflow.settings"}
    with transaction.atomic():
        # The worker stands still at this lock, with the firing in its hands.
        RuleMemory.objects.select_for_update().get()
        with subprocess.Popen([sys.executable, "-c", HANG], env=environment, stdout=subprocess.DEVNULL) as worker:
            deadline = time.monotonic() + 30
            while not Firing.objects.filter(attempts=1).exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(0.3)
            worker.send_signal(signal.SIGKILL)
    assert (Job.objects.count(), Firing.objects.get().state) == (0, "pending")
    assert fire() == 0
    Firing.objects.update(due_at=utcnow())
    assert fire() == 1
    firing = Firing.objects.get()
    assert (firing.state, firing.attempts, Job.objects.count()) == ("done", 2, 1)


def test_an_event_and_a_delivery_told_by_many_at_once_fire_once() -> None:
    tenant = make_tenant()
    make_workflow(tenant, "target")
    endpoint = WebhookEndpoint.objects.create(tenant=tenant, name="shop", key_hash="k")
    make_rule(tenant, trigger={"kind": "event", "name": "order"})
    make_rule(tenant, trigger={"kind": "webhook", "endpoint": str(endpoint.uid)})
    for number in range(10):
        Firing.objects.all().delete()
        delivery = WebhookDelivery.objects.create(
            tenant=tenant, endpoint=endpoint, delivery_id=str(number), body=b"{}", state="received", received_at=NOW
        )

        def tell(key: str = f"k{number}") -> bool:
            return tell_event(tenant_id=tenant.pk, name="order", payload={}, key=key, now=utcnow())[1]

        answers = at_once(*[tell] * 4, *[lambda pk=delivery.pk: fire_for_delivery(pk)] * 4)
        assert answers[:4].count(True) == 1
        assert sorted(Firing.objects.values_list("trigger_kind", flat=True)) == ["event", "webhook"]


def test_two_readers_hear_every_line_of_the_log_once_however_late_it_is_committed() -> None:
    tenant = make_tenant()
    source, _ = make_workflow(tenant, "source"), make_workflow(tenant, "target")
    rule = make_rule(tenant, trigger={"kind": "job", "events": ["job_failed"]}, now=utcnow(), **MOST)
    job = make_job(source)
    kept: list[int] = []
    done = Flag()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            try:
                with transaction.atomic():
                    kinds = chance.choices(("failed", "started"), k=chance.randint(1, 6))
                    rows = [Event.objects.create(job=job, at=utcnow(), kind=kind) for kind in kinds]
                    time.sleep(chance.choice((0, 0, 0.01, 0.1)))
                    if chance.random() < 0.2:
                        raise KeyError
            except KeyError:
                continue
            kept.extend(row.pk for row in rows if row.kind == "failed")

    def read() -> None:
        while not done.is_set():
            read_job_events(now=utcnow())

    def writers() -> None:
        at_once(*[lambda seed=seed: write(seed) for seed in range(4)])
        done.set()

    at_once(read, read, writers)
    read_job_events(now=utcnow())
    heard = Counter(Firing.objects.filter(rule=rule).values_list("occurrence", flat=True))
    assert heard == Counter({f"job:{pk}": 1 for pk in kept})
    assert len(kept) > 100
    cursor = JobEventCursor.objects.get()
    assert cursor.position == Event.objects.order_by("-pk").values_list("pk", flat=True).first()
    print("gaps left of rolled-back lines:", len(cursor.gaps), "of", connection.vendor)


def test_firings_of_one_rule_for_one_tenant_see_what_the_last_one_kept() -> None:
    """A condition on `last` holds once, however many workers ask at the same moment."""
    tenant = make_tenant(attributes={"usage": 5})
    make_workflow(tenant, "target")
    changed: dict[str, Any] = {"condition": "tenant.attributes.usage != last.usage"}
    make_rule(tenant, trigger={"kind": "event", "name": "look"}, **changed, **MOST)
    for _ in range(40):
        tell_event(tenant_id=tenant.pk, name="look", payload={}, now=utcnow())
    at_once(*[fire] * 6)
    assert Counter(Firing.objects.values_list("state", "matched")) == {("done", True): 1, ("done", False): 39}
    assert Job.objects.count() == 1
