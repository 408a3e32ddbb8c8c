"""Rules that are edited, switched, tried and run by hand; firings that break; and what is wrong with a rule."""

from contextlib import closing
from typing import Any

import pytest
from celery import current_app

from automations.domain.states import FiringState
from automations.models import AutomationRule, Firing, RuleMemory
from automations.runtime.fire import fire, work_on
from automations.services.events import tell_event
from automations.services.firings import claim_firings
from automations.services.hints import hint
from automations.services.rules import Conflict, RuleInvalid, delete_rule, edit_rule, set_enabled
from automations.services.trying import dry_run, run_now
from jobs.models import Job
from taskflow.lib.clock import utcnow
from tests.factories import (
    NOW,
    Cast,
    make_rule,
    make_workflow,
)
from tests.rule_scenes import ON_ORDER, making, the_firings

pytestmark = pytest.mark.django_db
ECHO_TEXT = {"version": {"fields": [{"key": "text", "type": "text", "required": True}]}}


# Crashes, retries, changes.


def test_a_firing_whose_worker_died_is_taken_up_again_and_makes_its_jobs_once(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER)
    tell_event(tenant_id=acme.tenant.pk, name="order", payload={}, now=utcnow())
    (lost,) = claim_firings(now=utcnow(), limit=5)
    assert fire() == 0
    Firing.objects.update(due_at=utcnow())
    assert fire() == 1
    assert work_on(lost, now=utcnow()) is False
    assert (Job.objects.count(), the_firings(rule)[0].attempts) == (1, 2)


def test_a_firing_that_breaks_is_tried_again_later_and_given_up_in_the_end(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER)
    tell_event(tenant_id=acme.tenant.pk, name="order", payload={}, now=utcnow())
    # What no check lets through, but an older version may have stored.
    AutomationRule.objects.update(remember={"x": 5})
    Firing.objects.update(event={"kind": "event", "at": "no instant"})
    for attempt in range(1, 7):
        Firing.objects.update(due_at=utcnow())
        fire()
        (firing,) = the_firings(rule)
        assert firing.attempts == attempt
        assert firing.error.startswith("ValueError: ")
        assert firing.state == (FiringState.FAILED if attempt == 6 else FiringState.PENDING)
    assert firing.finished_at is not None


def test_a_rule_that_was_switched_off_or_deleted_meanwhile_does_not_act(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER)
    tell_event(tenant_id=acme.tenant.pk, name="order", payload={}, now=utcnow())
    set_enabled(rule=rule, enabled=False, now=utcnow())
    fire()
    assert the_firings(rule)[0].reason == "The rule was switched off before it ran."
    other = make_rule(acme.tenant, **ON_ORDER)
    tell_event(tenant_id=acme.tenant.pk, name="order", payload={}, now=utcnow())
    delete_rule(rule=other)
    fire()
    last = Firing.objects.get(rule_uid=other.uid)
    assert (last.rule, last.rule_name, last.reason) == (None, other.name, "The rule was deleted before it ran.")
    assert Job.objects.count() == 0


def test_two_who_edit_a_rule_at_once_do_not_overwrite_each_other(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant)
    edit_rule(rule=rule, revision=1, values={"name": "mine"}, now=NOW, user=acme.editor)
    with pytest.raises(Conflict) as conflict:
        edit_rule(rule=rule, revision=1, values={"name": "theirs"}, now=NOW)
    rule.refresh_from_db()
    assert (rule.name, rule.revision, conflict.value.current, rule.edited_by) == ("mine", 2, 2, acme.editor)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"name": " "}, "name: is missing"),
        ({"trigger": {"kind": "moon"}}, "trigger.kind: 'moon' is not known; there are cron, job"),
        (
            {"trigger": {"kind": "cron", "expression": "0 25 * * *"}},
            "trigger.expression: the field hour is wrong: '25'",
        ),
        ({"trigger": {"kind": "cron", "expression": "0 7 * * *", "time_zone": "Mars"}}, "trigger.time_zone: 'Mars'"),
        ({"trigger": {"kind": "job", "events": []}}, "trigger.events: "),
        (
            {"trigger": {"kind": "job", "events": ["job_failed"], "workflows": ["none"]}},
            "trigger.workflows.0: There is",
        ),
        ({"trigger": {"kind": "measure", "measure": "budget_used", "above": 0.8}}, "trigger: `of` must name"),
        ({"condition": "payload.x =="}, "condition: "),
        ({"condition": "steps.x.y == 1"}, "condition: column 1: 'steps' is not known"),
        ({"condition": "payload.a != last.b"}, "condition: nothing says what last.b is: add 'b' to what is remembered"),
        ({"for_each_tenant": "true"}, "for_each_tenant: only the operator's rules choose tenants"),
        ({"actions": []}, "actions: a rule does at least one thing"),
        ({"actions": [{"kind": "dance"}]}, "actions.0.kind: 'dance' is not known"),
        (making({"workflow": "none"}), "actions.0.jobs.0.workflow: There is no workflow 'none'."),
        (making({"workflow": "target", "queue": "no"}), "actions.0.jobs.0.queue: there is no queue 'no'"),
        (making({"workflow": "target", "payload": {"a": {"expression": "item"}}}), "actions.0.jobs.0.payload.a.expres"),
        (making({"workflow": "target", "payload": {"a": "{{ nobody }}"}}), "actions.0.jobs.0.payload.a: "),
        ({"actions": [{"kind": "retry_job"}], **ON_ORDER}, "actions.0.kind: there is a job only where"),
        (
            {"actions": [{"kind": "notify", "channel": "slack", "text": "x"}]},
            "actions.0: slack needs a connection",
        ),
        (
            {"actions": [{"kind": "notify", "channel": "slack", "connection": "chat", "text": "x"}]},
            "actions.0.connection: there is no connection 'chat'",
        ),
        (
            {"actions": [{"kind": "pause_queue", "queue": "default", "everybody": True}]},
            "actions.0.everybody: only the operator's rules",
        ),
        ({"rate_limit": 0}, "rate_limit: should be from 1"),
        ({"colour": "red"}, "colour: is not known here"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_by_place(acme: Cast, values: dict[str, Any], problem: str) -> None:
    make_workflow(acme.tenant, "target")
    with pytest.raises(RuleInvalid) as error:
        make_rule(acme.tenant, **values)
    assert [str(each) for each in error.value.problems if str(each).startswith(problem)] != [], error.value.problems
    assert AutomationRule.objects.count() == 0


def test_a_required_field_that_no_template_gives_is_missing(acme: Cast) -> None:
    make_workflow(acme.tenant, "target", **ECHO_TEXT)
    with pytest.raises(RuleInvalid, match=r"actions.0.jobs.0.payload.text: is required"):
        make_rule(acme.tenant, **making({"workflow": "target", "payload": {"other": 1}}))


# Trying.


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(acme: Cast) -> None:
    make_workflow(acme.tenant, "target", **ECHO_TEXT)
    rule = make_rule(acme.tenant, **ON_ORDER, **making({"workflow": "target", "payload": {"text": "{{ payload.id }}"}}))
    (trial,) = dry_run(rule, now=NOW, event={"payload": {"id": 5}})
    assert (trial.matched, trial.problems) == (True, [])
    assert (trial.would[0]["workflow"], trial.would[0]["payload"]) == ("target", {"text": "5"})
    (trial,) = dry_run(rule, now=NOW, event={"payload": {"id": ""}})
    assert [str(each) for each in trial.problems] == [
        "actions.0.jobs.0.payload.text: is required, and must not be empty"
    ]
    assert (Job.objects.count(), Firing.objects.count(), RuleMemory.objects.count()) == (0, 0, 0)


def test_a_rule_that_is_off_runs_by_hand(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, enabled=False, **making({"workflow": "target", "payload": {"by": "{{ event.by }}"}}))
    (firing,) = run_now(rule=rule, actor="ann", now=utcnow(), payload={"x": 1})
    fire()
    firing.refresh_from_db()
    assert (firing.state, firing.trigger_kind, Job.objects.get().payload) == ("done", "manual", {"by": "ann"})


def taken_hints() -> int:
    """Take all messages for the workers from the broker, and say how many tell them to fire."""
    found = 0
    with current_app.connection_for_read() as broker, closing(broker.SimpleQueue("pool.default")) as messages:
        while True:
            try:
                message = messages.get_nowait()
            except messages.Empty:
                return found
            message.ack()
            found += message.headers["task"] == "automations.fire"


def test_many_firings_are_one_message_to_the_workers(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    make_rule(acme.tenant, **ON_ORDER)
    taken_hints()
    for _ in range(5):
        hint()
    assert taken_hints() == 1
    fire()
    hint()
    assert taken_hints() == 1
