"""Rules that listen to jobs: which lines of their log they hear, what they do to them, and where a chain ends."""

from datetime import timedelta

import pytest

from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Event, Job, Lane
from jobs.services.control import cancel_job
from jobs.services.submit import submit_job
from taskflow.lib.clock import utcnow
from tests.factories import (
    Cast,
    make_job,
    make_rule,
    make_workflow,
)
from tests.rule_scenes import ON_ORDER, end, making, on_jobs, reading, the_firings, told

pytestmark = pytest.mark.django_db


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


def test_a_cancelled_job_tells_its_rules(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant, "source")
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **on_jobs("job_cancelled"), now=utcnow())
    cancel_job(job=make_job(workflow), actor="ann", now=utcnow())
    reading()
    assert [firing.event["actor"] for firing in the_firings(rule)] == ["ann"]


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
