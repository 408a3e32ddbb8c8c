"""Alerts, messages and webhooks of rules: raised once for each crossing, sent after the fact, heard by who listens."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import transaction

from automations.models import AutomationRule, Firing, Notice, WebhookDelivery, WebhookEndpoint
from automations.runtime.fire import fire
from automations.runtime.sending import send_notices
from automations.services.alerts import watch_measures
from automations.services.events import fire_what_was_left
from automations.services.occurrences import fire_for_delivery
from automations.services.trying import retry_firing, run_now
from jobs.domain.states import State
from jobs.models import Job
from taskflow.lib.clock import utcnow
from tenants.models import ConnectionSpend
from tests.factories import NOW, Cast, make_connection, make_job, make_review, make_rule, make_workflow
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(acme: Cast) -> Workflow:
    make_workflow(acme.tenant, "target")
    return make_workflow(acme.tenant, "source")


def measuring(measure: str, above: float, **more: Any) -> dict[str, Any]:
    return {"trigger": {"kind": "measure", "measure": measure, "above": above, **more}}


def watched(rule: AutomationRule, seconds: float) -> list[str]:
    """Look at the measures so many seconds after NOW; returns what was told of the rule so far."""
    watch_measures(now=NOW + timedelta(seconds=seconds))
    return [firing.event["name"] for firing in Firing.objects.filter(rule=rule).order_by("pk")]


def test_an_alert_is_raised_once_and_resolved_once_for_each_crossing(acme: Cast, source: Workflow) -> None:
    rule = make_rule(acme.tenant, **measuring("open_reviews", 2, below=1, cooldown=300))
    reviews = [make_review(make_job(source, State.WAITING)) for _ in range(2)]
    assert watched(rule, 0) == []
    reviews.append(make_review(make_job(source, State.WAITING)))
    assert watched(rule, 5) == []
    assert watched(rule, 10) == ["raised"]
    assert watched(rule, 20) == ["raised"]
    # Between the two thresholds nothing changes.
    reviews.pop().delete()
    assert watched(rule, 30) == ["raised"]
    reviews.pop().delete()
    assert watched(rule, 40) == ["raised", "resolved"]
    for _ in range(3):
        make_review(make_job(source, State.WAITING))
    assert watched(rule, 50) == ["raised", "resolved"]
    assert watched(rule, 320) == ["raised", "resolved", "raised"]
    event = Firing.objects.filter(rule=rule).latest("pk").event
    assert (event["value"], event["above"], event["measure"]) == (4, 2, "open_reviews")


def test_an_alert_may_keep_quiet_about_being_resolved(acme: Cast, source: Workflow) -> None:
    rule = make_rule(acme.tenant, **measuring("open_reviews", 0, tell_resolved=False))
    review = make_review(make_job(source, State.WAITING))
    assert watched(rule, 0) == ["raised"]
    review.delete()
    assert watched(rule, 10) == ["raised"]


@pytest.mark.parametrize(("above", "told"), [(0.49, ["raised"]), (0.5, [])])
def test_a_failure_rate_is_that_of_jobs_which_ended_by_themselves_in_the_window(
    acme: Cast, globex: Cast, source: Workflow, above: float, told: list[str]
) -> None:
    trigger = measuring("failure_rate", above, of="source", window=600, least=4)
    rule = make_rule(acme.tenant, **trigger)
    for state in (State.FAILED, State.DEAD, State.SUCCEEDED, State.SUCCEEDED, State.CANCELLED):
        make_job(source, state, now=NOW - timedelta(minutes=7))
    for _ in range(3):
        make_job(source, State.FAILED, now=NOW - timedelta(hours=1))
        make_job(make_workflow(globex.tenant), State.FAILED, now=NOW - timedelta(minutes=7))
    assert watched(rule, 0) == told


def test_few_jobs_have_no_failure_rate(acme: Cast, source: Workflow) -> None:
    rule = make_rule(acme.tenant, **measuring("failure_rate", 0.1, least=4))
    for _ in range(3):
        make_job(source, State.FAILED, now=NOW - timedelta(minutes=7))
    assert watched(rule, 0) == []


def test_the_age_of_a_queue_is_that_of_the_tenants_job_due_longest(acme: Cast, globex: Cast, source: Workflow) -> None:
    rule = make_rule(acme.tenant, **measuring("queue_age", 100, of="default"))
    make_job(make_workflow(globex.tenant), now=NOW - timedelta(hours=1))
    make_job(source, now=NOW - timedelta(seconds=95))
    assert watched(rule, 0) == []
    assert watched(rule, 10) == ["raised"]
    Job.objects.update(state=State.SUCCEEDED.value)
    assert watched(rule, 20) == ["raised", "resolved"]


def test_a_budget_is_watched_by_the_part_that_is_used(acme: Cast, source: Workflow) -> None:
    connection = make_connection(acme.tenant, slug="gpt", monthly_budget=10)
    rule = make_rule(acme.tenant, **measuring("budget_used", 0.8, of="gpt"))
    spend = ConnectionSpend.objects.create(
        tenant=acme.tenant, key=connection.pk, month=NOW.date().replace(day=1), cost=8.0
    )
    assert watched(rule, 0) == []
    ConnectionSpend.objects.filter(pk=spend.pk).update(cost=8.5)
    assert watched(rule, 10) == ["raised"]
    assert Firing.objects.get().event["value"] == 0.85


# Messages.


def telling(**more: Any) -> dict[str, Any]:
    known = {"kind": "notify", "channel": "mail", "to": ["ops@acme.test"], "text": "{{ payload.text }}"}
    return {"actions": [known | more]}


def test_a_message_is_sent_once_after_the_firing(acme: Cast, settings: Any) -> None:
    settings.EMAIL_HOST = "mail.test"
    rule = make_rule(acme.tenant, **telling(subject="{{ tenant.name }}: look"))
    (firing,) = run_now(rule=rule, actor="ann", now=utcnow(), payload={"text": "It is full."})
    fire()
    fire()
    (message,) = mail.outbox
    assert (message.to, message.subject, message.body) == (["ops@acme.test"], "Acme: look", "It is full.")
    assert message.extra_headers["Message-ID"].startswith(f"<{firing.uid}.notice.0@")
    notice = Notice.objects.get(firing=firing)
    assert (notice.state, notice.attempts, notice.tenant) == ("sent", 1, acme.tenant)


def test_a_message_that_cannot_be_sent_says_why_and_is_tried_again_where_that_may_help(
    acme: Cast, settings: Any
) -> None:
    rule = make_rule(acme.tenant, **telling())
    run_now(rule=rule, actor="ann", now=utcnow(), payload={"text": "x"})
    fire()
    notice = Notice.objects.get()
    assert (notice.state, notice.error.split(":")[0]) == ("failed", "There is no mail server")
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1"]
    secrets = {"webhook_url": "https://127.0.0.1:9/x"}
    make_connection(acme.tenant, slug="chat", kind="slack", config={}, secrets=secrets)
    rule = make_rule(acme.tenant, **telling(channel="slack", connection="chat", to=[]))
    run_now(rule=rule, actor="ann", now=utcnow(), payload={"text": "x"})
    fire()
    notice = Notice.objects.latest("pk")
    assert (notice.state, notice.attempts) == ("pending", 1)
    assert notice.due_at > utcnow()
    assert send_notices(now=utcnow()) == 0


def test_a_connection_that_a_rule_uses_is_not_deleted(acme: Cast) -> None:
    from tenants.services.connections import ConnectionInUse, delete_connection

    secrets = {"webhook_url": "https://hooks.slack.com/services/x"}
    chat = make_connection(acme.tenant, slug="chat", kind="slack", config={}, secrets=secrets)
    make_rule(acme.tenant, name="Tell them", **telling(channel="slack", connection="chat", to=[]))
    with pytest.raises(ConnectionInUse, match="rule “Tell them”"):
        delete_connection(connection=chat)


# Webhooks.


@pytest.fixture
def endpoint(acme: Cast, source: Workflow) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(tenant=acme.tenant, name="Shop", key_hash="k")


def deliver(endpoint: WebhookEndpoint, **fields: Any) -> WebhookDelivery:
    known = {"body": b"{}", "payload": {"id": 7}, "state": "received", "event_type": "order.paid", "received_at": NOW}
    return WebhookDelivery.objects.create(
        tenant=endpoint.tenant, endpoint=endpoint, delivery_id=f"d{WebhookDelivery.objects.count()}", **known | fields
    )


def test_a_delivery_fires_the_rules_of_its_endpoint_and_type_once(endpoint: WebhookEndpoint, globex: Cast) -> None:
    other = WebhookEndpoint.objects.create(tenant=endpoint.tenant, name="Other", key_hash="o")
    template = {"workflow": "target", "payload": {"text": "{{ event.name }} {{ payload.id }}"}}
    make = {"actions": [{"kind": "create_jobs", "jobs": [template]}]}
    trigger = {"kind": "webhook", "endpoint": str(endpoint.uid)}
    rules = [
        make_rule(endpoint.tenant, trigger=trigger, **make),
        make_rule(endpoint.tenant, trigger=trigger | {"events": ["order.paid"]}, **make),
        make_rule(endpoint.tenant, trigger=trigger | {"events": ["order.lost"]}, **make),
        make_rule(endpoint.tenant, trigger={"kind": "webhook", "endpoint": str(other.uid)}, **make),
        make_rule(endpoint.tenant, trigger=trigger, **make, enabled=False),
    ]
    delivery = deliver(endpoint)
    assert [fire_for_delivery(delivery.pk) for _ in range(2)] == [2, 0]
    fire()
    assert list(Firing.objects.order_by("pk").values_list("rule_id", flat=True)) == [rules[0].pk, rules[1].pk]
    assert {job.payload["text"] for job in Job.objects.all()} == {"order.paid 7"}
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == ("fired", "2 rules")


def test_a_delivery_whose_process_died_is_fired_by_the_tick_and_a_refused_one_never(endpoint: WebhookEndpoint) -> None:
    make_rule(endpoint.tenant, trigger={"kind": "webhook", "endpoint": str(endpoint.uid)})
    deliver(endpoint)
    deliver(endpoint, state="refused")
    assert fire_what_was_left(now=NOW + timedelta(seconds=4)) == 0
    assert fire_what_was_left(now=NOW + timedelta(seconds=6)) == 1
    assert Firing.objects.count() == 1


def test_a_firing_that_failed_is_worked_on_again_when_somebody_asks(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant)
    workflow.active = False
    workflow.save()
    (firing,) = run_now(rule=rule, actor="ann", now=utcnow())
    fire()
    firing.refresh_from_db()
    assert (firing.state, firing.error) == ("failed", "actions.0.jobs.0.workflow: There is no workflow 'target'.")
    Workflow.objects.update(active=True)
    with transaction.atomic():
        assert retry_firing(firing=firing, now=utcnow())
    fire()
    firing.refresh_from_db()
    assert (firing.state, firing.jobs_made, retry_firing(firing=firing, now=utcnow())) == ("done", 1, False)
