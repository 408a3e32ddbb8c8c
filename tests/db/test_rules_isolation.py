"""A tenant's rule hears, names and does nothing of another tenant's."""

import pytest

from automations.models import Firing, WebhookEndpoint
from automations.runtime.fire import fire
from automations.services.events import tell_event
from automations.services.rules import RuleInvalid
from jobs.domain.states import State
from jobs.models import Job, Lane
from taskflow.lib.clock import utcnow
from tests.factories import (
    Cast,
    make_connection,
    make_job,
    make_lane,
    make_queue,
    make_rule,
    make_workflow,
)
from tests.rule_scenes import ON_ORDER, end, making, on_jobs, reading, the_firings

pytestmark = pytest.mark.django_db


def test_a_rule_of_one_tenant_hears_and_makes_nothing_of_another(acme: Cast, globex: Cast) -> None:
    theirs = make_workflow(globex.tenant, "target")
    make_workflow(acme.tenant, "target")
    make_workflow(globex.tenant, "only-theirs")
    rules = [
        make_rule(acme.tenant, **ON_ORDER),
        make_rule(acme.tenant, **on_jobs("job_failed", "job_created"), now=utcnow()),
    ]
    tell_event(tenant_id=globex.tenant.pk, name="order", payload={}, now=utcnow())
    end(make_job(theirs), "failed", State.FAILED)
    reading()
    assert [the_firings(rule) for rule in rules] == [[], []]
    with pytest.raises(RuleInvalid, match="There is no workflow 'only-theirs'"):
        make_rule(acme.tenant, **making({"workflow": "only-theirs"}))
    # Also where a row says otherwise.
    firing = Firing.objects.create(
        key="x" * 64, rule=rules[0], rule_uid=rules[0].uid, rule_name="x", tenant=globex.tenant, trigger_kind="event",
        occurrence="event:1", event={"kind": "event"}, due_at=utcnow(), created_at=utcnow(),
    )  # fmt: skip
    fire()
    firing.refresh_from_db()
    assert firing.reason == "The rule is another tenant's."
    assert not Job.objects.filter(source__startswith="rule:").exists()


def test_a_firing_does_not_see_a_job_of_another_tenant(acme: Cast, globex: Cast) -> None:
    job = end(make_job(make_workflow(globex.tenant, "secret")), "failed", State.FAILED)
    make_workflow(acme.tenant, "target")
    rule = make_rule(
        acme.tenant, **on_jobs("job_failed"), actions=[{"kind": "cancel_job"}, {"kind": "retry_job"}], now=utcnow()
    )
    firing = Firing.objects.create(
        key="x" * 64, rule=rule, rule_uid=rule.uid, rule_name="x", tenant=acme.tenant, trigger_kind="job", job=job,
        occurrence="job:1", event={"kind": "job"}, due_at=utcnow(), created_at=utcnow(),
    )  # fmt: skip
    fire()
    firing.refresh_from_db()
    assert (firing.state, firing.error) == ("failed", "actions.0: there is no job at this firing")
    job.refresh_from_db()
    assert job.state == State.FAILED


def test_nothing_of_another_tenant_can_be_named_in_a_rule(acme: Cast, globex: Cast) -> None:
    theirs = make_workflow(globex.tenant, "theirs")
    make_connection(globex.tenant, slug="chat", kind="slack", config={}, secrets={"webhook_url": "https://s.test/x"})
    endpoint = WebhookEndpoint.objects.create(tenant=globex.tenant, name="Shop", key_hash="k")
    make_workflow(acme.tenant, "target")
    for values in (
        {"trigger": {"kind": "webhook", "endpoint": str(endpoint.uid)}},
        {"trigger": {"kind": "job", "events": ["job_failed"], "workflows": [theirs.slug]}},
        {"trigger": {"kind": "measure", "measure": "open_reviews", "above": 1, "of": theirs.slug}},
        {"trigger": {"kind": "measure", "measure": "budget_used", "above": 1, "of": "chat"}},
        {"actions": [{"kind": "notify", "channel": "slack", "connection": "chat", "text": "x"}]},
        making({"workflow": theirs.slug}),
    ):
        with pytest.raises(RuleInvalid, match=r"(?i)there is no"):
            make_rule(acme.tenant, **values)


def test_a_queue_is_held_for_the_rules_own_tenant_and_keys_are_its_own(acme: Cast, globex: Cast) -> None:
    queue = make_queue()
    hold = {"kind": "pause_queue", "queue": "default"}
    for cast in (acme, globex):
        make_workflow(cast.tenant, "target")
        make_lane(queue, cast.tenant)
        make = {"kind": "create_jobs", "jobs": [{"workflow": "target", "key": "same"}]}
        make_rule(cast.tenant, **ON_ORDER, actions=[hold, make] if cast is acme else [make])
        tell_event(tenant_id=cast.tenant.pk, name="order", payload={}, now=utcnow())
    fire()
    assert {lane.tenant.slug: lane.paused_at is None for lane in Lane.objects.all()} == {"acme": False, "globex": True}
    assert sorted(Job.objects.values_list("tenant__slug", flat=True)) == ["acme", "globex"]
