"""Rules: when this happens, and that is true, these jobs are made; and every decision can be read afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from automations.models import AutomationRule, Firing, JobLink, RuleMemory
from automations.runtime.fire import fire
from automations.services.events import tell_event
from automations.services.rules import create_rule, set_enabled
from automations.services.schedule import fire_due_rules
from automations.services.telling import sentence_of
from automations.services.trying import run_now
from jobs.domain.states import State
from jobs.models import Job
from taskflow.lib.clock import utcnow
from tests.factories import (
    NOW,
    Cast,
    make_queue,
    make_rule,
    make_tenant,
    make_workflow,
)
from tests.rule_scenes import ON_ORDER, making, the_firings, told

pytestmark = pytest.mark.django_db
SEVEN = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
ECHO_TEXT = {"version": {"fields": [{"key": "text", "type": "text", "required": True}]}}


# The sentence of the design.

BILLING: dict[str, Any] = {
    "name": "Recalculate billing",
    "trigger": {"kind": "cron", "expression": "0 7 * * *"},
    "for_each_tenant": "tenant.plan == 'pro'",
    "condition": "tenant.attributes.usage != last.usage",
    "actions": [
        {
            "kind": "create_jobs",
            "jobs": [
                {
                    "workflow": "recalculate-billing",
                    "payload": {
                        "customer": "{{ tenant.name }}",
                        "usage": {"expression": "tenant.attributes.usage"},
                        "before": {"expression": "last.usage"},
                    },
                }
            ],
        }
    ],
}


def test_every_day_at_7_each_pro_tenant_whose_usage_changed_gets_its_billing_job() -> None:
    tenants = {
        "acme": make_tenant("acme", plan="pro", attributes={"usage": 5}),
        "globex": make_tenant("globex", plan="pro", attributes={"usage": 7}),
        "free": make_tenant("free", plan="free", attributes={"usage": 7}),
        "without": make_tenant("without", plan="pro", attributes={"usage": 1}),
        "gone": make_tenant("gone", plan="pro", attributes={"usage": 1}, active=False),
    }
    for name in ("acme", "globex", "free", "gone"):
        make_workflow(tenants[name], "recalculate-billing")
    rule = create_rule(tenant=None, values=BILLING, now=NOW)

    def seven(days: int) -> dict[str, Any]:
        fire_due_rules(now=SEVEN + timedelta(days=days, seconds=1))
        fire()
        jobs = Job.objects.filter(created_at__gte=started).order_by("pk")
        made = {job.tenant.slug: job.payload for job in jobs}
        Job.objects.all().delete()
        return made

    started = utcnow() - timedelta(minutes=1)
    assert seven(0) == {
        "acme": {"customer": "Acme", "usage": 5, "before": None},
        "globex": {"customer": "Globex", "usage": 7, "before": None},
    }
    tenants["acme"].attributes = {"usage": 6}
    tenants["acme"].save()
    assert seven(1) == {"acme": {"customer": "Acme", "usage": 6, "before": 5}}
    assert seven(2) == {}
    tenants["acme"].attributes = {"usage": 5}
    tenants["acme"].save()
    assert seven(3) == {"acme": {"customer": "Acme", "usage": 5, "before": 6}}
    skipped = Firing.objects.get(rule=rule, tenant=tenants["without"], scheduled_for=SEVEN)
    assert skipped.told[0]["skipped"] == "There is no workflow 'recalculate-billing'."
    assert not Firing.objects.filter(tenant__slug__in=["free", "gone"]).exists()
    unchanged = Firing.objects.get(rule=rule, tenant=tenants["globex"], scheduled_for=SEVEN + timedelta(days=1))
    assert (unchanged.matched, unchanged.why) == (
        False,
        [{"part": "tenant.attributes.usage != last.usage", "value": False}],
    )
    assert sentence_of(rule) == (
        "Every day at 07:00 UTC, for each pro tenant, if usage changed, create recalculate-billing."
    )


def test_a_time_is_fired_once_however_often_it_is_looked_at() -> None:
    tenant = make_tenant(time_zone="Europe/Paris")
    make_workflow(tenant, "target")
    rule = make_rule(tenant, trigger={"kind": "cron", "expression": "0 7 * * *"})
    assert rule.next_at == SEVEN - timedelta(hours=1)
    for _ in range(3):
        fire_due_rules(now=SEVEN - timedelta(minutes=59))
        AutomationRule.objects.update(next_at=SEVEN - timedelta(hours=1), fired_until=NOW)
    fire()
    (firing,) = the_firings(rule)
    assert (firing.scheduled_for, firing.state, firing.jobs_made) == (SEVEN - timedelta(hours=1), "done", 1)
    job = firing.links.get().job
    assert (job.source, job.tenant) == (f"rule:{rule.uid}", tenant)


@pytest.mark.parametrize(("missed", "days"), [("skip", []), ("one", [5]), ("all", [4, 5])])
def test_runs_missed_while_nothing_ran_are_made_up_for_by_the_policy(missed: str, days: list[int]) -> None:
    tenant = make_tenant()
    make_workflow(tenant, "target")
    trigger = {"kind": "cron", "expression": "0 7 * * *", "missed": missed, "window": 2 * 86_400}
    rule = make_rule(tenant, trigger=trigger)
    fire_due_rules(now=SEVEN + timedelta(days=2, hours=3))
    assert [firing.scheduled_for.day for firing in the_firings(rule)] == days
    rule.refresh_from_db()
    assert rule.next_at == SEVEN + timedelta(days=3)


def test_what_was_missed_while_a_rule_was_off_is_not_made_up_for() -> None:
    tenant = make_tenant()
    make_workflow(tenant, "target")
    rule = make_rule(tenant, trigger={"kind": "cron", "expression": "0 7 * * *", "missed": "all"})
    rule = set_enabled(rule=rule, enabled=False, now=NOW)
    fire_due_rules(now=SEVEN + timedelta(hours=1))
    rule = set_enabled(rule=rule, enabled=True, now=SEVEN + timedelta(hours=2))
    fire_due_rules(now=SEVEN + timedelta(hours=3))
    assert the_firings(rule) == []
    assert rule.next_at == SEVEN + timedelta(days=1)


# Events and conditions.


def test_an_event_makes_a_job_of_its_values(acme: Cast) -> None:
    make_workflow(acme.tenant, "target", **ECHO_TEXT)
    payload = {"text": "Order {{ payload.id }} of {{ tenant.name }}", "total": {"expression": "payload.total * 2.0"}}
    rule = make_rule(acme.tenant, **ON_ORDER, **making({"workflow": "target", "payload": payload, "priority": 7}))
    firing = told(rule, id=12, total=2.5)
    job = Job.objects.get()
    assert (job.payload, job.priority) == ({"text": "Order 12 of Acme", "total": 5.0}, 7)
    assert (firing.state, firing.matched, firing.jobs_made) == ("done", True, 1)
    assert firing.told == [{"place": "actions.0.jobs.0", "action": "create_jobs", "count": 1, "jobs": [str(job.uid)]}]


def test_an_event_that_is_told_again_fires_nothing(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER)
    one = tell_event(tenant_id=acme.tenant.pk, name="order", payload={}, key="k", now=NOW)
    two = tell_event(tenant_id=acme.tenant.pk, name="order", payload={}, key="k", now=NOW)
    assert (one[0].pk, one[1:], two[1:]) == (two[0].pk, (True, 1), (False, 0))
    assert len(the_firings(rule)) == 1


def test_a_condition_that_is_not_true_says_which_part(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER, condition="payload.total > 100 && tenant.plan == 'free'")
    firing = told(rule, total=5)
    assert (firing.state, firing.matched, firing.jobs_made) == ("done", False, 0)
    assert firing.why == [
        {"part": "payload.total > 100", "value": False},
        {"part": "tenant.plan == 'free'", "value": True},
    ]


def test_a_condition_that_does_not_fit_the_event_fails_the_firing_with_the_word(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER, condition="payload.total > 100")
    firing = told(rule, sum=5)
    assert (firing.state, firing.attempts) == ("failed", 1)
    assert firing.error.startswith("condition: ")
    assert "total" in firing.error


def test_a_list_makes_a_job_for_each_element_and_too_long_a_list_makes_none(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    template = {"workflow": "target", "payload": {"text": "{{ index }}: {{ item.sku }}"}}
    rule = make_rule(acme.tenant, **ON_ORDER, **making(template, for_each="payload.lines", most=3))
    firing = told(rule, lines=[{"sku": "a"}, {"sku": "b"}])
    assert [link.job.payload["text"] for link in firing.links.order_by("position")] == ["0: a", "1: b"]
    firing = told(rule, lines=[{"sku": "a"}] * 4)
    assert firing.error == "actions.0.for_each: the list has 4 elements; at most 3 are taken"
    assert Job.objects.count() == 2


def test_a_job_that_the_workflow_refuses_leaves_none_of_the_firing_behind(acme: Cast) -> None:
    make_workflow(acme.tenant, "target", **ECHO_TEXT)
    template = {"workflow": "target", "payload": {"text": {"expression": "item"}}}
    rule = make_rule(acme.tenant, **ON_ORDER, **making(template, for_each="payload.texts"))
    firing = told(rule, texts=["good", ""])
    assert (firing.state, firing.error) == (
        "failed",
        "actions.0.jobs.0.payload.text: is required, and must not be empty",
    )
    assert (Job.objects.count(), JobLink.objects.count()) == (0, 0)


def test_a_job_is_made_once_for_each_idempotency_key(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER, **making({"workflow": "target", "key": "order {{ payload.id }}"}))
    told(rule, id=1)
    again = told(rule, id=1)
    told(rule, id=2)
    assert Job.objects.count() == 2
    assert (again.jobs_made, again.told[0]["skipped"]) == (0, "there is a job for 'order 1' already")


def test_a_delay_makes_the_job_due_later(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER, **making({"workflow": "target", "delay": 3600}))
    told(rule)
    job = Job.objects.get()
    assert (job.state, (job.due_at - job.created_at).total_seconds()) == (State.SCHEDULED, 3600)


def test_remembered_values_are_each_tenants_own() -> None:
    tenants = [make_tenant(attributes={"usage": number}) for number in (1, 2)]
    for tenant in tenants:
        make_workflow(tenant, "target")
    rule = make_rule(None, condition="tenant.attributes.usage != last.usage")
    for _ in range(2):
        run_now(rule=rule, actor="op", now=utcnow())
        fire()
    assert dict(RuleMemory.objects.values_list("tenant_id", "last")) == {
        tenants[0].pk: {"usage": 1},
        tenants[1].pk: {"usage": 2},
    }
    assert Job.objects.count() == 2


def test_an_operators_rule_holds_a_whole_queue() -> None:
    queue = make_queue()
    make_tenant()
    rule = make_rule(None, actions=[{"kind": "pause_queue", "queue": "default", "everybody": True}])
    run_now(rule=rule, actor="op", now=utcnow())
    fire()
    queue.refresh_from_db()
    assert queue.paused_at is not None
