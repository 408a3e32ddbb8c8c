"""Test runs: what becomes of a draft's samples, what is reused, what it says of publishing."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from jobs.domain.states import State
from jobs.models import LlmUsage, Trial, TrialItem
from jobs.runtime.trials import run_trial
from jobs.runtime.try_step import try_step
from jobs.services.gate import gate_of, start_gate_run
from jobs.services.judging import CannotJudge, judge, unjudge
from jobs.services.trial_estimates import estimate_of
from jobs.services.trials import NothingToTest, beat_trial, cancel_trial, continue_due, start_trial, take_trial
from taskflow.lib.clock import utcnow
from tests.factories import ECHO, NOW, make_connection, make_job, make_trial, make_version, make_workflow
from tests.factories import make_tenant as new_tenant
from tests.llm_server import Answer, Failure, LlmServer
from workflows.domain.definition import DefinitionError
from workflows.domain.outcomes import Snooze, TransientError
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function
from workflows.models import Sample, Step, Workflow
from workflows.services.publishing import publish

pytestmark = pytest.mark.django_db
SORT = {"key": "sort", "kind": "classify", "config": {"labels": [{"name": "cards"}, {"name": "fees"}]}}
tried: list[str] = []


@step_function("trials.shaky", effect=Effect.PURE)
def shaky(context: StepContext) -> Any:
    """Fail in a way that may pass, the first time an input is seen; or say that it is not time yet."""
    text = context.payload["text"]
    tried.append(text)
    if text == "later":
        return Snooze(context.now + timedelta(hours=1), "the shop is closed")
    if text == "broken" or (text == "shaky" and tried.count(text) == 1):
        raise TransientError("not now", retry_after=0)
    return {"text": text}


def with_samples(workflow: Workflow, inputs: Iterable[dict[str, Any]], expected: Any = None) -> list[Sample]:
    return [Sample.objects.create(workflow=workflow, input=each, expected=expected) for each in inputs]


def change_draft(workflow: Workflow, **fields: Any) -> None:
    step = Step.objects.filter(version__draft_of=workflow).first()
    assert step is not None
    for name, value in fields.items():
        setattr(step, name, value)
    step.save()


def echo_with(**params: Any) -> dict[str, Any]:
    return {"function": "echo", "params": params}


def plus(number: int) -> dict[str, Any]:
    return {"fields": [{"name": "b", "expression": f"record.a + {number}"}]}


def counts(trial: Trial) -> dict[str, int]:
    trial.refresh_from_db()
    names = ("same", "changed", "fixed", "broken", "errors", "fresh")
    assert sum(getattr(trial, name) for name in names) == trial.done
    for name, status in zip(names, ("same", "changed", "fixed", "broken", "error", "new"), strict=True):
        assert trial.items.filter(status=status).count() == getattr(trial, name)
    return {name: getattr(trial, name) for name in names if getattr(trial, name)}


def test_a_run_says_what_a_draft_changes_fixes_and_breaks() -> None:
    workflow = make_workflow()
    with_samples(workflow, [{"total": 1}, {"total": 9}])
    with_samples(workflow, [{"total": 1}], {"total": 9})
    with_samples(workflow, [{"total": 1}], {"total": 1})
    change_draft(workflow, config=echo_with(total=9))
    trial = make_trial(workflow, workflow.samples.order_by("pk"))
    assert counts(trial) == {"changed": 1, "same": 1, "fixed": 1, "broken": 1}
    assert (trial.state, trial.done, trial.total, trial.cost) == ("done", 4, 4, 0.0)
    item = trial.items.get(status="broken")
    assert (item.live["record"], item.draft["record"]) == ({"total": 1}, {"total": 9})


def test_an_input_that_does_not_fit_the_drafts_fields_is_an_error_of_the_draft_alone() -> None:
    workflow = make_workflow()
    (sample,) = with_samples(workflow, [{"text": "x"}])
    draft = workflow.draft
    draft.fields = [{"key": "total", "type": "number", "required": True}]
    draft.save()
    trial = make_trial(workflow, [sample])
    assert counts(trial) == {"errors": 1}
    assert "total is required" in trial.items.get().draft["error"]


def test_the_snapshot_is_what_runs_and_not_what_the_draft_became_since() -> None:
    workflow = make_workflow()
    samples = with_samples(workflow, [{"total": 1}])
    trial = start_trial(workflow=workflow, samples=samples, user=None, now=NOW)
    change_draft(workflow, config=echo_with(total=9))
    samples[0].input = {"total": 5}
    samples[0].save()
    run_trial(trial.pk)
    assert counts(trial) == {"same": 1}
    assert trial.items.get().input == {"total": 1}


def test_a_workflow_without_a_live_version_is_held_to_what_is_expected() -> None:
    workflow = Workflow.objects.create(tenant=new_tenant(), slug="new", name="New")
    make_version(workflow, number=None)
    with_samples(workflow, [{"total": 1}], {"total": 1})
    with_samples(workflow, [{"total": 1}], {"total": 2})
    with_samples(workflow, [{"total": 1}])
    assert counts(make_trial(workflow, workflow.samples.order_by("pk"))) == {"same": 1, "broken": 1, "fresh": 1}
    assert gate_of(workflow, now=NOW).status == "broken"


def test_one_step_is_tried_with_what_the_live_version_gave_before_it() -> None:
    steps: list[dict[str, Any]] = [
        ECHO | {"key": "first", "config": echo_with(a=1)},
        {"key": "second", "kind": "transform"},
    ]
    workflow = make_workflow(steps=[steps[0], steps[1] | {"config": plus(1)}])
    (sample,) = with_samples(workflow, [{"n": 1}], {"b": 3, "a": 1})
    first = Step.objects.get(version__draft_of=workflow, key="first")
    first.config = echo_with(a=100)
    first.save()
    second = Step.objects.get(version__draft_of=workflow, key="second")
    second.config = plus(2)
    second.save()
    trial = start_trial(workflow=workflow, samples=[sample], user=None, now=NOW, step_key="second")
    run_trial(trial.pk)
    assert counts(trial) == {"fixed": 1}
    item = trial.items.get()
    assert (item.live["record"], item.draft["record"]) == ({"b": 2}, {"b": 3})
    assert trial.golden == ""  # one step proves nothing of the whole
    with pytest.raises(NothingToTest, match="no step 'third'"):
        start_trial(workflow=workflow, samples=[sample], user=None, now=NOW, step_key="third")


def test_a_run_needs_samples_and_a_draft_that_can_run() -> None:
    workflow = make_workflow()
    with pytest.raises(NothingToTest, match="no samples"):
        start_trial(workflow=workflow, samples=[], user=None, now=NOW)
    change_draft(workflow, config={"function": "nothing-like-that"})
    samples = with_samples(workflow, [{"text": "x"}])
    with pytest.raises(DefinitionError, match="nothing-like-that"):
        start_trial(workflow=workflow, samples=samples, user=None, now=NOW)
    assert not Trial.objects.exists()


def test_errors_that_may_pass_are_tried_again_and_a_step_that_would_wait_says_so() -> None:
    tried.clear()
    workflow = make_workflow(steps=[{"kind": "python", "config": {"function": "trials.shaky"}}])
    texts = ("fine", "shaky", "broken", "later")
    trial = make_trial(workflow, with_samples(workflow, [{"text": text} for text in texts]), run=False)
    for _ in range(4):
        run_trial(trial.pk)
    assert counts(trial) == {"same": 3, "errors": 1}
    waits = trial.items.get(position=3)
    assert waits.draft["record"] == {"would_wait": "the shop is closed"}
    assert trial.items.get(position=2).draft["error"] == "not now"


def test_a_run_is_cancelled_and_keeps_what_it_did() -> None:
    workflow = make_workflow()
    trial = make_trial(workflow, with_samples(workflow, [{"n": 1}]), run=False)
    assert cancel_trial(trial=trial, actor="ann", now=NOW)
    assert not cancel_trial(trial=trial, actor="ann", now=NOW)
    run_trial(trial.pk)
    trial.refresh_from_db()
    assert (trial.state, trial.done, trial.note) == ("cancelled", 0, "Cancelled by ann.")


def test_a_worker_that_dies_is_followed_by_another_and_no_item_counts_twice() -> None:
    workflow = make_workflow()
    trial = make_trial(workflow, with_samples(workflow, [{"n": n} for n in range(5)]), run=False)
    dead = take_trial(trial_id=trial.pk, now=NOW)
    assert dead is not None
    assert take_trial(trial_id=trial.pk, now=NOW + timedelta(seconds=5)) is None
    assert beat_trial(trial=dead, now=NOW + timedelta(seconds=5))
    assert continue_due(NOW + timedelta(seconds=10)) == 0
    late = NOW + timedelta(seconds=30)
    assert continue_due(late) == 1
    run_trial(trial.pk, clock=lambda: late)
    assert not beat_trial(trial=dead, now=late)
    assert counts(trial) == {"same": 5}


def test_an_item_that_ends_its_worker_three_times_is_an_error_and_the_others_go_on() -> None:
    workflow = make_workflow()
    trial = make_trial(workflow, with_samples(workflow, [{"n": n} for n in range(3)]), run=False)
    TrialItem.objects.filter(trial=trial, position=1).update(tries=3)
    run_trial(trial.pk)
    assert counts(trial) == {"same": 2, "errors": 1}
    assert "ended the worker" in trial.items.get(position=1).draft["error"]


# ----------------------------------------------------------------------------------------------------------- the gate


def test_the_gate_follows_draft_live_version_and_golden_samples() -> None:
    workflow = make_workflow()
    assert gate_of(workflow, now=NOW).status == "no_golden"
    (sample,) = with_samples(workflow, [{"total": 1}], {"total": 1})
    with_samples(workflow, [{"total": 7}])
    assert gate_of(workflow, now=NOW).status == "missing"
    run = start_gate_run(workflow, None, NOW)
    assert (gate_of(workflow, now=NOW).status, run.total) == ("running", 1)
    run_trial(run.pk)
    assert gate_of(workflow, now=NOW).status == "passed"
    change_draft(workflow, config=echo_with(total=2))
    assert gate_of(workflow, now=NOW).status == "stale"
    run_trial(start_gate_run(workflow, None, NOW).pk)
    gate = gate_of(workflow, now=NOW)
    assert (gate.status, [item.sample_id for item in gate.broken]) == ("broken", [sample.pk])
    change_draft(workflow, config=echo_with())
    change_draft(workflow, name="Only another name")
    assert gate_of(workflow, now=NOW).status == "stale"  # what runs is not what ran: params are written out now
    Sample.objects.filter(pk=sample.pk).update(expected={"total": 3})
    assert gate_of(workflow, now=NOW).status == "stale"


def test_a_gate_that_passed_is_stale_when_another_version_is_live() -> None:
    workflow = make_workflow()
    with_samples(workflow, [{"total": 1}], {"total": 1})
    run_trial(start_gate_run(workflow, None, NOW).pk)
    change_draft(workflow, name="Renamed")
    assert gate_of(workflow, now=NOW).status == "passed"
    publish(workflow=workflow, now=NOW)
    workflow.refresh_from_db()
    assert gate_of(workflow, now=NOW).status == "stale"


# ------------------------------------------------------------------------------------------------------------ judging


def test_saying_that_the_draft_is_right_makes_the_sample_golden_and_is_taken_back() -> None:
    workflow = make_workflow()
    (sample,) = with_samples(workflow, [{"total": 1, "note": "x"}])
    change_draft(workflow, config=echo_with(total=2, total_reason="because"))
    trial = make_trial(workflow, [sample])
    item = judge(item=trial.items.get(), verdict="draft", user=None)
    sample.refresh_from_db()
    assert sample.expected == item.expected == {"total": 2, "note": "x"}
    assert counts(trial) == {"fixed": 1}
    judge(item=item, verdict="live", user=None)
    assert counts(trial) == {"broken": 1}
    judge(item=item, verdict="edit", user=None, expected={"total": 3})
    assert counts(trial) == {"changed": 1}
    unjudge(item=item)
    sample.refresh_from_db()
    assert (sample.expected, counts(trial)) == (None, {"changed": 1})
    with pytest.raises(CannotJudge, match="Nothing was said"):
        unjudge(item=item)


def test_only_output_fields_are_expected_where_the_workflow_names_them() -> None:
    fields = [{"key": "note"}, {"key": "total", "type": "number", "role": "output"}]
    workflow = make_workflow(version={"fields": fields})
    (sample,) = with_samples(workflow, [{"note": "x", "total": 1}])
    judge(item=make_trial(workflow, [sample]).items.get(), verdict="live", user=None)
    sample.refresh_from_db()
    assert sample.expected == {"total": 1}


def test_a_deleted_sample_is_made_again_when_its_row_is_judged() -> None:
    workflow = make_workflow()
    (sample,) = with_samples(workflow, [{"total": 1}])
    trial = make_trial(workflow, [sample])
    sample.delete()
    judge(item=trial.items.get(), verdict="draft", user=None)
    assert workflow.samples.get().expected == {"total": 1}


# --------------------------------------------------------------------------------------------- asking language models


@pytest.fixture
def asking(transactional_db: None, llm: LlmServer) -> Workflow:
    """A workflow whose only step asks a model, with a connection that has prices."""
    workflow = make_workflow(steps=[SORT])
    config = {"base_url": llm.url, "model": "gpt-4o-mini", "input_price": 10.0, "output_price": 10.0}
    make_connection(workflow.tenant, slug="default", config=config, concurrent=4)
    return workflow


def answers(llm: LlmServer, *labels: str) -> None:
    llm.script(*[Answer({"label": label, "confidence": 0.9}, tokens=(90, 10)) for label in labels])


def test_a_step_that_did_not_change_is_asked_once_for_both_versions_and_never_again(
    asking: Workflow, llm: LlmServer
) -> None:
    samples = with_samples(asking, [{"text": "a"}, {"text": "b"}])
    assert estimate_of(workflow=asking, samples=samples).words().startswith("Cost unknown")
    answers(llm, "fees", "fees")
    first = make_trial(asking, samples)
    assert (counts(first), len(llm.requests), first.reused) == ({"same": 2}, 2, 2)
    assert round(first.cost, 6) == 0.002
    again = make_trial(asking, samples)
    assert (counts(again), len(llm.requests), again.cost, again.reused) == ({"same": 2}, 2, 0.0, 2)
    assert estimate_of(workflow=asking, samples=samples).is_free
    anew = estimate_of(workflow=asking, samples=samples, anew=True)
    assert (round(anew.cost or 0, 6), anew.asks, anew.words()) == (0.002, 2, "About $0.002, a few seconds")


def test_a_step_that_changed_is_asked_anew_and_only_its_cost_is_new(asking: Workflow, llm: LlmServer) -> None:
    samples = with_samples(asking, [{"text": "a"}], {"label": "cards"})
    answers(llm, "fees")
    make_trial(asking, samples)
    change_draft(asking, config=SORT["config"] | {"instruction": "Cards first."})
    answers(llm, "cards")
    trial = make_trial(asking, samples)
    assert (counts(trial), round(trial.cost, 6), len(llm.requests)) == ({"fixed": 1}, 0.001, 2)
    live, draft = trial.items.get().live["steps"][0], trial.items.get().draft["steps"][0]
    assert (live["reused"], draft["reused"], draft["cost"] > 0) == (True, False, True)
    usage = LlmUsage.objects.order_by("version__number").values_list("version__number", "tests", "calls", "cost")
    assert {(number, tests, calls, round(cost, 6)) for number, tests, calls, cost in usage} == {
        (1, True, 1, 0.001),
        (None, True, 1, 0.001),
    }


def test_what_the_trial_of_a_step_asked_is_among_what_was_spent(asking: Workflow, llm: LlmServer) -> None:
    answers(llm, "fees", "cards")
    change_draft(asking, config=SORT["config"] | {"instruction": "Cards first."})
    try_step(workflow=asking, step_key="sort", sample=None, payload={"text": "a"}, now=utcnow())
    assert sum(LlmUsage.objects.filter(tests=True).values_list("calls", flat=True)) == len(llm.requests) > 0


def test_what_the_job_of_a_sample_was_answered_is_not_asked_again(asking: Workflow, llm: LlmServer) -> None:
    job = make_job(asking, State.SUCCEEDED, payload={"text": "a"}, result={"label": "fees"})
    job.step_runs.create(
        position=0, attempt=1, step_key="sort", output={"label": "fees"}, seconds=1, finished_at=NOW, cost=0.01
    )
    sample = Sample.objects.create(workflow=asking, input={"text": "a"}, origin=f"job:{job.uid}")
    assert estimate_of(workflow=asking, samples=[sample]).words() == "Nothing to pay, a few seconds"
    trial = make_trial(asking, [sample])
    assert (counts(trial), llm.requests, trial.cost) == ({"same": 1}, [], 0.0)


def test_a_limit_puts_the_run_off_and_fails_nothing(asking: Workflow, llm: LlmServer) -> None:
    asking.tenant.connections.update(requests_per_minute=1)
    answers(llm, "fees", "fees")
    trial = make_trial(asking, with_samples(asking, [{"text": "a"}, {"text": "b"}]), run=False)
    run_trial(trial.pk, slots=1)
    trial.refresh_from_db()
    assert (trial.state, trial.done, trial.errors) == ("running", 1, 0)
    assert "is busy" in trial.note
    assert trial.due_at > trial.served_at
    assert trial.items.get(position=1).tries == 0


def test_an_answer_that_does_not_come_is_an_error_in_the_end(asking: Workflow, llm: LlmServer) -> None:
    llm.script(*[Failure(503, headers={"Retry-After": "0"})] * 6)
    trial = make_trial(asking, with_samples(asking, [{"text": "a"}]), run=False)
    for _ in range(3):
        run_trial(trial.pk)
    assert counts(trial) == {"errors": 1}
