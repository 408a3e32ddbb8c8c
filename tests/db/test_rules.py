"""Rules: when this happens, and that is true, these jobs are made; and every decision can be read afterwards."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import current_app

from automations.domain.states import FiringState
from automations.models import AutomationRule, Firing, JobLink, RuleMemory, WebhookEndpoint
from automations.runtime.fire import fire, work_on
from automations.services.events import tell_event
from automations.services.firings import claim_firings
from automations.services.hints import hint
from automations.services.reading import read_job_events
from automations.services.rules import Conflict, RuleInvalid, create_rule, delete_rule, edit_rule, set_enabled
from automations.services.schedule import fire_due_rules
from automations.services.telling import sentence_of
from automations.services.trying import dry_run, run_now
from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Event, Job, Lane
from jobs.services.control import cancel_job
from jobs.services.submit import submit_job
from taskflow.lib.cache import forget_all
from taskflow.lib.clock import utcnow
from tests.factories import (
    NOW,
    Cast,
    make_connection,
    make_job,
    make_lane,
    make_queue,
    make_rule,
    make_tenant,
    make_workflow,
)

pytestmark = pytest.mark.django_db
SEVEN = datetime(2026, 3, 3, 7, 0, tzinfo=UTC)
ECHO_TEXT = {"version": {"fields": [{"key": "text", "type": "text", "required": True}]}}


def the_firings(rule: AutomationRule) -> list[Firing]:
    return list(Firing.objects.filter(rule=rule).order_by("pk"))


def told(rule: AutomationRule, **payload: Any) -> Firing:
    """Tell the event `order` in the rule's tenant, have it worked on, and return the rule's last firing."""
    tell_event(tenant_id=rule.tenant_id, name="order", payload=payload, now=utcnow())
    fire()
    return the_firings(rule)[-1]


ON_ORDER = {"trigger": {"kind": "event", "name": "order"}}


def making(*jobs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"actions": [{"kind": "create_jobs", "jobs": list(jobs), **more}]}


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


# Jobs.


def reading(*, now: datetime | None = None) -> None:
    while read_job_events(now=now or utcnow()):
        pass
    fire()


def end(job: Job, kind: str, state: State, **fields: Any) -> Job:
    """Let a job end so, as the engine tells it."""
    Job.objects.filter(pk=job.pk).update(state=state.value, finished_at=utcnow(), **fields)
    Event.objects.create(job=job, at=utcnow(), kind=kind, state=state.value, actor="engine")
    return job


def on_jobs(*events: str, **more: Any) -> dict[str, Any]:
    return {"trigger": {"kind": "job", "events": list(events), **more}}


def test_a_job_that_failed_makes_another_with_the_same_correlation(acme: Cast) -> None:
    source, _ = make_workflow(acme.tenant, "source"), make_workflow(acme.tenant, "target")
    payload = {"text": "{{ job.id }} said {{ job.error_message }} about {{ payload.text }}"}
    rule = make_rule(
        acme.tenant,
        **on_jobs("job_failed", "job_dead", workflows=["source"]),
        **making({"workflow": "target", "payload": payload}),
        now=utcnow(),
    )
    job = end(make_job(source, payload={"text": "x"}), "failed", State.FAILED, error_message="no way")
    end(make_job(source), "succeeded", State.SUCCEEDED)
    end(make_job(make_workflow(acme.tenant, "other")), "failed", State.FAILED)
    reading()
    reading()
    (firing,) = the_firings(rule)
    made = firing.links.get().job
    assert made.payload == {"text": f"{job.uid} said no way about x"}
    assert (made.correlation_id, firing.job, firing.event["name"]) == (job.correlation_id, job, "job_failed")


def test_labels_in_the_result_choose_the_jobs(acme: Cast) -> None:
    source, _ = make_workflow(acme.tenant, "source"), make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **on_jobs("job_succeeded", labels={"is.label": "spam", "sure": True}), now=utcnow())
    for label, sure in (("spam", True), ("spam", False), ("ham", True)):
        end(make_job(source), "succeeded", State.SUCCEEDED, result={"is": {"label": label}, "sure": sure})
    reading()
    assert [firing.job.result["is"]["label"] for firing in the_firings(rule)] == ["spam"]


def test_what_happened_before_a_rule_was_switched_on_is_not_heard(acme: Cast) -> None:
    source, _ = make_workflow(acme.tenant, "source"), make_workflow(acme.tenant, "target")
    end(make_job(source), "failed", State.FAILED)
    rule = make_rule(acme.tenant, **on_jobs("job_failed"), now=utcnow())
    reading()
    assert the_firings(rule) == []


def test_lines_that_come_late_are_read_and_those_that_never_come_are_forgotten(acme: Cast) -> None:
    """As where a transaction that took its ids first commits last."""
    source, _ = make_workflow(acme.tenant, "source"), make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **on_jobs("job_failed"), now=utcnow())
    job = make_job(source)
    first = Event.objects.create(job=job, at=utcnow(), kind="created").pk
    Event.objects.create(pk=first + 5, job=job, at=utcnow(), kind="created")
    reading()
    late = {"job": job, "at": utcnow(), "kind": "failed", "state": "FAILED"}
    Event.objects.create(pk=first + 2, **late)
    Event.objects.create(pk=first + 3, job=job, at=utcnow(), kind="created")
    reading()
    assert [firing.occurrence for firing in the_firings(rule)] == [f"job:{first + 2}"]
    reading(now=utcnow() + timedelta(minutes=3))
    Event.objects.create(pk=first + 4, **late)
    reading(now=utcnow() + timedelta(minutes=3))
    assert len(the_firings(rule)) == 1


def test_a_failed_job_is_retried_so_often_and_no_more(acme: Cast) -> None:
    job = make_job(make_workflow(acme.tenant, "source"))
    rule = make_rule(acme.tenant, **on_jobs("job_failed"), actions=[{"kind": "retry_job", "most": 2}], now=utcnow())
    states = []
    for _ in range(3):
        end(job, "failed", State.FAILED)
        reading()
        job.refresh_from_db()
        states.append(job.state)
    assert states == [State.PENDING, State.PENDING, State.FAILED]
    assert the_firings(rule)[-1].told[0]["skipped"] == "the rule retried it 2 times already"
    assert Event.objects.filter(job=job, kind="retried", actor=f"rule:{rule.uid}").count() == 2


def test_a_job_that_waits_is_cancelled_and_its_lane_held(acme: Cast) -> None:
    source = make_workflow(acme.tenant, "source")
    actions = [{"kind": "cancel_job"}, {"kind": "pause_queue", "queue": "default"}]
    rule = make_rule(acme.tenant, **on_jobs("job_waiting"), actions=actions, now=utcnow())
    job = make_job(source, State.WAITING)
    Event.objects.create(job=job, at=utcnow(), kind="waiting", state="WAITING")
    reading()
    job.refresh_from_db()
    (firing,) = the_firings(rule)
    assert job.state == State.CANCELLED
    assert Lane.objects.get(tenant=acme.tenant).paused_at is not None
    assert [line["action"] for line in firing.told] == ["pause_queue", "cancel_job"]


# Loops.


def test_rules_that_lead_to_one_another_are_stopped_and_say_so(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **on_jobs("job_created"), **making({"workflow": "target"}), now=utcnow())
    submit_job(tenant_id=acme.tenant.pk, request=NewJob("target", {}), now=utcnow())
    for _ in range(10):
        reading()
    firings = the_firings(rule)
    assert Job.objects.count() == 6
    assert [firing.depth for firing in firings] == [0, 1, 2, 3, 4, 5]
    assert (firings[-1].matched, firings[-1].state) == (None, "done")
    assert firings[-1].reason == "Stopped: 5 rules led to this job one after the other, and that looks like a loop."


def test_a_rule_acts_so_often_an_hour_and_then_says_that_it_was_stopped(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER, rate_limit=2)
    firings = [told(rule) for _ in range(3)]
    assert [firing.matched for firing in firings] == [True, True, None]
    assert firings[2].reason == "Stopped: the rule acted 2 times in the last hour already."


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


def test_an_operators_rule_holds_a_whole_queue() -> None:
    queue = make_queue()
    make_tenant()
    rule = make_rule(None, actions=[{"kind": "pause_queue", "queue": "default", "everybody": True}])
    run_now(rule=rule, actor="op", now=utcnow())
    fire()
    queue.refresh_from_db()
    assert queue.paused_at is not None


# Isolation.


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


def test_a_cancelled_job_tells_its_rules(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant, "source")
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **on_jobs("job_cancelled"), now=utcnow())
    cancel_job(job=make_job(workflow), actor="ann", now=utcnow())
    reading()
    assert [firing.event["actor"] for firing in the_firings(rule)] == ["ann"]
    forget_all()


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
