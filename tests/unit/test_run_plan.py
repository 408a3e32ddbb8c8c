"""Running a whole version in memory."""

from datetime import UTC, datetime, timedelta

import pytest

from workflows.domain.outcomes import Done, PermanentError, Snooze, Spawn, Stop, TransientError, Wait
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function
from workflows.kinds.registry import make_runner
from workflows.runtime import Plan, PlannedStep, UnexpectedError, run_plan, run_step

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANSWERS = {
    "done": lambda: {"a": 1},
    "goto": lambda: Done({"went": True}, goto="last"),
    "back": lambda: Done({}, goto="first"),
    "nowhere": lambda: Done({}, goto="nowhere"),
    "stop": lambda: Stop({"stopped": True}),
    "wait": lambda: Wait("ask"),
    "snooze": lambda: Snooze(NOW + timedelta(hours=1)),
    "spawn": lambda: Spawn((), {"spawned": 0}),
    "number": lambda: 5,
}


@step_function("answer", effect=Effect.PURE)
def answer(context, what):
    return ANSWERS[what]()


@step_function("explode", effect=Effect.PURE)
def explode(context):
    return {}["nothing here"]


@step_function("give_up", effect=Effect.PURE)
def give_up(context):
    raise TransientError("later", status=503)


@step_function("reach_out")
def reach_out(context):
    raise AssertionError("a dry run has no effects outside")


def planned(key, function, on_error="fail", **params):
    return PlannedStep(key, key, "python", make_runner("python", {"function": function, "params": params}), on_error)


def run(*steps):
    plan = Plan(1, 1, steps, None, 60)
    return run_plan(plan, {"p": 1}, tenant={"slug": "acme"}, now=NOW)


def test_outputs_are_kept_by_step_and_merged_into_the_record():
    result = run(planned("first", "answer", what="done"), planned("second", "answer", what="spawn"))
    assert result.outputs == {"first": {"a": 1}, "second": {"spawned": 0}}
    assert result.record == {"a": 1, "spawned": 0}
    assert (result.error, result.failed_step, result.paused) == (None, None, None)


def test_a_step_may_send_the_job_forward_or_end_it():
    result = run(
        planned("first", "answer", what="goto"), planned("second", "explode"), planned("last", "answer", what="done")
    )
    assert list(result.outputs) == ["first", "last"]
    result = run(planned("first", "answer", what="stop"), planned("second", "explode"))
    assert (result.record, result.error) == ({"stopped": True}, None)


@pytest.mark.parametrize("what", ["back", "nowhere"])
def test_a_step_that_sends_the_job_elsewhere_fails(what):
    result = run(planned("first", "answer", what="done"), planned("second", "answer", what=what))
    assert result.failed_step == "second"
    assert isinstance(result.error, PermanentError)
    assert "not a step further on" in str(result.error)


@pytest.mark.parametrize("what", ["wait", "snooze"])
def test_a_job_that_would_wait_ends_the_run(what):
    result = run(planned("first", "answer", what=what), planned("second", "explode"))
    assert (result.outputs, result.error) == ({}, None)
    assert isinstance(result.paused, (Wait, Snooze))


def test_an_error_ends_the_run_and_is_returned():
    result = run(planned("first", "answer", what="done"), planned("second", "give_up"), planned("third", "explode"))
    assert result.failed_step == "second"
    assert isinstance(result.error, TransientError)
    assert result.outputs == {"first": {"a": 1}}


def test_what_a_steps_code_did_not_expect_is_an_error_of_the_step():
    result = run(planned("first", "explode"))
    assert isinstance(result.error, UnexpectedError)
    assert "KeyError: 'nothing here'" in str(result.error)
    assert isinstance(result.error.__cause__, KeyError)


def test_a_step_that_goes_on_after_an_error_leaves_an_empty_output():
    result = run(planned("first", "explode", on_error="continue"), planned("second", "answer", what="done"))
    assert result.outputs == {"first": {}, "second": {"a": 1}}
    assert isinstance(result.skipped_errors["first"], UnexpectedError)


def test_a_function_with_effects_is_not_called():
    assert run(planned("first", "reach_out")).record == {"would_call": "reach_out", "params": {}}


def test_a_function_must_give_a_mapping():
    assert "returned int, not a mapping" in str(run(planned("first", "answer", what="number")).error)


def test_one_step_can_be_run_alone():
    context = StepContext(payload={}, steps={}, job={}, tenant={}, now=NOW)
    assert run_step(planned("first", "answer", what="done"), context) == Done({"a": 1})
    with pytest.raises(UnexpectedError):
        run_step(planned("first", "explode"), context)
