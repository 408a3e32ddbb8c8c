"""People in the loop: a job asks, waits without a worker, and goes on as somebody decided."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from jobs.domain.reviews import DecidedError, Decision, EditError, NotUndoableError, NotYoursError, Reviewer, TakenError
from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Event, Job, Review, StepRun
from jobs.queries.story import get_job_story
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services import control, reviews
from jobs.services.review_effects import apply_due_reviews
from jobs.services.submit import submit_job, submit_jobs
from taskflow.lib.clock import utcnow
from tenants.domain.roles import Role
from tests.factories import make_lane, make_queue, make_workflow
from tests.history import check, load
from workflows.domain.outcomes import Done, PermanentError, Usage
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function

pytestmark = pytest.mark.django_db(transaction=True)
ADA, BOB = Reviewer("ada@acme.test", Role.REVIEWER), Reviewer("bob@acme.test", Role.REVIEWER)
OPERATOR, OWNER = Reviewer("ops@acme.test", Role.OPERATOR), Reviewer("own@acme.test", Role.OWNER)
FIELDS = [
    {"key": "text", "label": "Text"},
    {"key": "total", "type": "number", "role": "output", "required": True},
    {"key": "day", "type": "date", "role": "output"},
]
ran: list[str] = []


@step_function("review.read", effect=Effect.COSTLY)
def read(context: StepContext) -> Any:
    """Find a total, at a price."""
    ran.append("read")
    if problems := context.payload.get("problems"):
        raise PermanentError("a check failed", details={"problems": problems})
    output = {"total": context.payload.get("total", 12.5), "day": "2026-03-01"}
    return Done(output, confidence=context.payload.get("sure"), usage=Usage(100, 20, 0.25))


@step_function("review.book", effect=Effect.PURE)
def book(context: StepContext) -> dict[str, Any]:
    """Say what came in."""
    ran.append("book")
    return {"booked": context.record.get("total")}


READ = {"key": "read", "name": "Read it", "kind": "python", "config": {"function": "review.read"}}
BOOK = {"key": "book", "kind": "python", "config": {"function": "review.book"}}


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    ran.clear()
    process = WorkerProcess(pool="default", slots=4)
    yield process
    process.close("the test is over")


def reviewed(**rule: Any) -> list[dict[str, Any]]:
    return [READ | {"review": {"confidence_below": 0.8} | rule}, BOOK]


def approving(**config: Any) -> list[dict[str, Any]]:
    return [READ, {"key": "ok", "kind": "approve", "config": config}, BOOK]


def send(process: WorkerProcess, steps: Any, **payload: Any) -> Job:
    workflow = make_workflow(steps=steps, version={"fields": FIELDS})
    make_queue()
    job = submit_job(tenant_id=workflow.tenant_id, request=NewJob(workflow.slug, payload), now=utcnow())
    return drained(process, job)


def drained(process: WorkerProcess, job: Job) -> Job:
    Drain(process, job.queue_id).run()
    job.refresh_from_db()
    return job


def decide(job: Job, decision: Decision, who: Reviewer = ADA, **rest: Any) -> Review:
    return reviews.decide_review(review=review_of(job), who=who, decision=decision, now=utcnow(), **rest)


def review_of(job: Job) -> Review:
    return Review.objects.filter(job=job).latest("id")


def settle(process: WorkerProcess, job: Job) -> Job:
    """Let the time to undo go by, and the workers go on."""
    apply_due_reviews(now=utcnow() + timedelta(seconds=settings.REVIEW_UNDO_SECONDS + 1))
    return drained(process, job)


def kinds(job: Job) -> list[str]:
    return list(Event.objects.filter(job=job).order_by("id").values_list("kind", flat=True))


def explained(job: Job) -> str:
    job.refresh_from_db()
    return get_job_story(job, now=utcnow()).explanation


def test_an_unsure_step_waits_with_its_output_stored_and_an_approval_makes_it_the_record(
    process: WorkerProcess,
) -> None:
    job = send(process, reviewed(), sure=0.5)
    review, run = review_of(job), StepRun.objects.get(job=job)
    assert (job.state, job.lease_id, review.state) == (State.WAITING, None, "open")
    assert (run.output, run.cost, run.confidence) == ({"total": 12.5, "day": "2026-03-01"}, 0.25, 0.5)
    assert review.reason == "50% sure, less than 80%"
    assert "Step 'read' waits for a reviewer: Read it: is this right?" in explained(job)
    decide(job, Decision.APPROVE)
    assert "ada@acme.test approved step 'read'. That takes effect" in explained(job)
    job = settle(process, job)
    assert (job.state, job.result) == (State.SUCCEEDED, {"total": 12.5, "day": "2026-03-01", "booked": 12.5})
    assert ran == ["read", "book"]
    assert kinds(job) == ["created", "started", "waiting", "decided", "answered", "started", "succeeded"]
    assert check(load(pk=job.pk)) == []


def test_a_step_that_is_sure_or_does_not_say_goes_on_without_a_person(process: WorkerProcess) -> None:
    for payload in ({"sure": 0.9}, {}):
        assert send(process, reviewed(), **payload).state == State.SUCCEEDED
    assert Review.objects.count() == 0


def test_a_condition_over_the_output_asks_and_one_that_cannot_be_judged_asks_too(process: WorkerProcess) -> None:
    rule = {"confidence_below": None, "when": "output.total > 100"}
    assert send(process, reviewed(**rule), total=99).state == State.SUCCEEDED
    assert send(process, reviewed(**rule), total=101).state == State.WAITING
    job = send(process, reviewed(**rule), total="many")
    assert job.state == State.WAITING
    assert review_of(job).reason.startswith("the condition could not be judged")


def test_an_edit_replaces_the_output_and_both_are_kept(process: WorkerProcess) -> None:
    job = send(process, reviewed(), sure=0.5)
    reviews.claim_review(review=review_of(job), who=ADA, now=utcnow() - timedelta(seconds=30))
    review = decide(job, Decision.EDIT, edits={"total": 13})
    assert (review.proposal["total"], review.output["total"], review.output["day"]) == (12.5, 13, "2026-03-01")
    assert 30 <= review.seconds < 60
    job = settle(process, job)
    assert job.result == {"total": 13, "day": "2026-03-01", "booked": 13}
    assert StepRun.objects.get(job=job, step_key="read").output["total"] == 13


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ({"total": "much"}, [("output.total", "must be a number, not text")]),
        ({"total": None}, [("output.total", "is required")]),
        ({"day": "1.3.2026"}, [("output.day", "must be a date like 2026-03-31")]),
        ({"nonsense": 1}, [("output.nonsense", "may not be edited")]),
        ({}, [("output", "Say what changes.")]),
    ],
)
def test_an_edit_that_does_not_fit_names_the_field(process: WorkerProcess, edits: Any, told: Any) -> None:
    job = send(process, reviewed(), sure=0.5)
    with pytest.raises(EditError) as refused:
        decide(job, Decision.EDIT, edits=edits)
    assert refused.value.problems == told
    assert review_of(job).state == "open"


def test_an_edit_that_changes_nothing_is_an_approval(process: WorkerProcess) -> None:
    job = send(process, reviewed(), sure=0.5)
    assert decide(job, Decision.EDIT, edits={"total": 12.5}).decision == "approve"


def test_a_rejection_needs_a_reason_and_finishes_the_job(process: WorkerProcess) -> None:
    job = send(process, reviewed(), sure=0.5)
    with pytest.raises(EditError, match="comment: Say why"):
        decide(job, Decision.REJECT, comment=" ")
    decide(job, Decision.REJECT, comment="not an invoice")
    job = settle(process, job)
    assert (job.state, job.result) == (State.SUCCEEDED, {"rejected": True, "reject_reason": "not an invoice"})
    assert ran == ["read"]


def test_a_rejection_may_fail_the_job_and_a_retry_asks_again(process: WorkerProcess) -> None:
    job = send(process, reviewed(on_reject="fail"), sure=0.5)
    decide(job, Decision.REJECT, comment="no")
    job = settle(process, job)
    assert (job.state, job.error_class, job.error_message) == (
        State.FAILED,
        "Rejected",
        "ada@acme.test rejected it: no",
    )
    control.retry_job(job=job, actor="ops", now=utcnow())
    assert drained(process, job).state == State.WAITING
    assert Review.objects.filter(job=job).count() == 2
    decide(job, Decision.APPROVE)
    assert settle(process, job).state == State.SUCCEEDED
    assert check(load(pk=job.pk)) == []


def test_a_rejected_job_may_be_handed_to_another_workflow(process: WorkerProcess) -> None:
    rule = {"on_reject": "workflow", "reject_workflow": "by-hand"}
    job = send(process, reviewed(**rule), sure=0.5)
    make_workflow(job.tenant, "by-hand")
    decide(job, Decision.REJECT, comment="odd")
    job = settle(process, job)
    child = Job.objects.get(parent=job)
    assert job.state == State.SUCCEEDED
    assert (child.workflow.slug, child.payload["sure"], child.payload["rejection"]["reason"]) == ("by-hand", 0.5, "odd")


def test_a_handover_that_is_refused_fails_the_job_and_says_why(process: WorkerProcess) -> None:
    job = send(process, reviewed(on_reject="workflow", reject_workflow="nowhere"), sure=0.5)
    decide(job, Decision.REJECT, comment="odd")
    job = settle(process, job)
    assert (job.state, job.error_class) == (State.FAILED, "HandoverRefused")
    assert "nowhere" in job.error_message


def test_a_check_that_failed_is_put_to_a_person_with_the_fields_it_was_about(process: WorkerProcess) -> None:
    rules = {"rules": [{"field": "total", "max": 10, "message": "is too much"}]}
    look = {"key": "look", "kind": "validate", "config": rules, "review": {"on_invalid": True, "fields": ["total"]}}
    job = send(process, [READ, look, BOOK])
    review = review_of(job)
    assert (job.state, review.reason) == (State.WAITING, "total: is too much")
    assert review.proposal["total"] == 12.5
    decide(job, Decision.EDIT, edits={"total": 9})
    job = settle(process, job)
    assert (job.state, job.result["total"], job.result["valid"], job.result["booked"]) == (State.SUCCEEDED, 9, True, 9)


def test_a_check_that_only_flags_asks_as_well_and_other_errors_do_not(process: WorkerProcess) -> None:
    rules = {"rules": [{"field": "total", "max": 10}], "on_invalid": "flag"}
    look = {"key": "look", "kind": "validate", "config": rules, "review": {"on_invalid": True, "fields": ["total"]}}
    assert send(process, [READ, look, BOOK]).state == State.WAITING
    broken = READ | {"config": {"function": "fail_permanently"}, "review": {"on_invalid": True}}
    assert send(process, [broken]).state == State.FAILED


def test_an_approve_step_shows_what_it_was_told_to_and_its_answer_joins_the_record(process: WorkerProcess) -> None:
    config = {"question": "Pay {{ record.total }}?", "show": ["total", "payload.text"], "fields": ["total"]}
    job = send(process, approving(**config), text="hello")
    review = review_of(job)
    assert (job.state, review.title, review.proposal) == (State.WAITING, "Pay 12.5?", {"total": 12.5})
    assert review.shown == {"total": 12.5, "payload.text": "hello"}
    assert [field["type"] for field in review.fields] == ["number"]
    decide(job, Decision.EDIT, edits={"total": 14})
    job = settle(process, job)
    assert job.result == {"total": 14, "day": "2026-03-01", "approved": True, "booked": 14}


def test_what_cannot_be_stored_of_a_question_fails_the_step(process: WorkerProcess) -> None:
    job = send(process, approving(show=["job.created_at"]))
    assert (job.state, job.error_class) == (State.FAILED, "PermanentError")


def test_an_approve_step_without_fields_has_nothing_to_edit(process: WorkerProcess) -> None:
    job = send(process, approving())
    assert review_of(job).options == ["approve", "reject"]
    with pytest.raises(EditError, match="Nothing of this review may be edited"):
        decide(job, Decision.EDIT, edits={"total": 1})
    with pytest.raises(EditError, match="Only with the decision edit"):
        decide(job, Decision.APPROVE, edits={"total": 1})


def test_a_decision_is_undone_until_it_takes_effect(process: WorkerProcess) -> None:
    job = send(process, reviewed(), sure=0.5)
    review = decide(job, Decision.REJECT, comment="oops")
    assert apply_due_reviews(now=utcnow()) == 0
    with pytest.raises(NotUndoableError, match="alone can undo"):
        reviews.undo_decision(review=review, who=BOB, now=utcnow())
    review = reviews.undo_decision(review=review, who=ADA, now=utcnow())
    assert (review.state, review.decision, review.output, review.comment) == ("open", "", None, "")
    decide(job, Decision.APPROVE)
    job = settle(process, job)
    assert job.state == State.SUCCEEDED
    assert kinds(job)[2:6] == ["waiting", "decided", "undone", "decided"]
    with pytest.raises(NotUndoableError, match="too late"):
        reviews.undo_decision(review=review, who=ADA, now=utcnow())


def test_whoever_comes_second_is_told_who_decided(process: WorkerProcess) -> None:
    job = send(process, reviewed(), sure=0.5)
    decide(job, Decision.APPROVE)
    with pytest.raises(DecidedError, match=r"ada@acme\.test decided this review already: approve"):
        decide(job, Decision.REJECT, BOB, comment="no")


def test_a_claim_keeps_others_out_until_it_is_over_or_given_back(process: WorkerProcess) -> None:
    job, now = send(process, reviewed(), sure=0.5), utcnow()
    reviews.claim_review(review=review_of(job), who=ADA, now=now)
    assert "ada@acme.test is on it" in explained(job)
    for attempt in (reviews.claim_review, lambda **kwargs: decide(job, Decision.APPROVE, BOB)):
        with pytest.raises(TakenError, match=r"ada@acme\.test is on this review"):
            attempt(review=review_of(job), who=BOB, now=now)
    reviews.release_review(review=review_of(job), who=BOB, now=now)
    assert review_of(job).claimed_by == ADA.name
    later = reviews.claim_review(review=review_of(job), who=BOB, now=now + timedelta(minutes=5))
    assert (later.claimed_by, later.opened_at) == (BOB.name, now + timedelta(minutes=5))
    assert reviews.release_review(review=later, who=BOB, now=now).claimed_by == ""


def test_a_review_is_for_its_person_or_role_and_an_owner_may_always(process: WorkerProcess) -> None:
    job = send(process, reviewed(assign_to="bob@acme.test"), sure=0.5)
    with pytest.raises(NotYoursError, match=r"for bob@acme\.test"):
        decide(job, Decision.APPROVE, OPERATOR)
    decide(job, Decision.APPROVE, BOB)
    job = send(process, reviewed(assign_to_role="editor"), sure=0.5)
    with pytest.raises(NotYoursError, match="for the role editor"):
        decide(job, Decision.APPROVE, OPERATOR)
    decide(job, Decision.APPROVE, OWNER)


def test_a_late_review_escalates_exactly_once(process: WorkerProcess) -> None:
    rule = {"due_in": 60, "escalate_to": "operator", "assign_to": "bob@acme.test"}
    job = send(process, reviewed(**rule), sure=0.5)
    assert "then it goes to the role operator" in explained(job)
    late = utcnow() + timedelta(minutes=2)
    assert [apply_due_reviews(now=late) for _ in range(3)] == [1, 0, 0]
    review = review_of(job)
    assert (review.role, review.assignee, review.state) == ("operator", "", "open")
    assert kinds(job).count("escalated") == 1
    assert "is overdue" in explained(job)
    with pytest.raises(NotYoursError):
        decide(job, Decision.APPROVE, BOB)
    review = decide(job, Decision.APPROVE, OPERATOR)
    assert reviews.undo_decision(review=review, who=OPERATOR, now=utcnow()).wake_at is None


def test_a_review_is_cancelled_with_its_job_decided_or_not(process: WorkerProcess) -> None:
    for decided in (False, True):
        job = send(process, reviewed(), sure=0.5)
        if decided:
            decide(job, Decision.APPROVE)
        control.cancel_job(job=job, actor="ops", now=utcnow())
        assert settle(process, job).state == State.CANCELLED
        assert (review_of(job).state, review_of(job).decided_by) == ("cancelled", ADA.name if decided else "")
        with pytest.raises(DecidedError, match="cancelled together with its job"):
            decide(job, Decision.APPROVE)


def test_a_job_that_was_to_be_cancelled_while_it_ran_leaves_no_open_review(process: WorkerProcess) -> None:
    workflow, queue = make_workflow(steps=reviewed(), version={"fields": FIELDS}), make_queue()
    job = submit_job(tenant_id=workflow.tenant_id, request=NewJob(workflow.slug, {"sure": 0.1}), now=utcnow())
    drain = Drain(process, queue.pk)
    drain._claim()
    control.cancel_job(job=job, actor="ops", now=utcnow())
    drain.run()
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert not Review.objects.filter(job=job, state="open").exists()


def test_an_answer_does_not_go_past_the_reviewer(process: WorkerProcess) -> None:
    job = send(process, reviewed(), sure=0.5)
    with pytest.raises(control.NotWaitingError, match="reviewer"):
        control.answer_job(job=job, output={}, actor="x", now=utcnow())


def test_waiting_jobs_hold_no_slot_under_a_cap(process: WorkerProcess) -> None:
    workflow = make_workflow(steps=reviewed(), version={"fields": FIELDS})
    queue = make_queue(cap=2)
    make_lane(queue, workflow.tenant, cap=1)
    requests = [NewJob(workflow.slug, {"sure": 0.1}) for _ in range(5)] + [NewJob(workflow.slug, {"sure": 0.9})]
    submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    Drain(process, queue.pk).run()
    states = list(Job.objects.order_by("id").values_list("state", flat=True))
    assert states == [State.WAITING] * 5 + [State.SUCCEEDED]
