"""Conditions as addresses carry them, `result.total:gte=100`, and as they narrow a filter of jobs."""

from collections.abc import Iterable
from dataclasses import replace
from zoneinfo import ZoneInfo

from jobs.domain.job_filter import JobFilter
from jobs.domain.states import State
from jobs.domain.view_filter import BadCondition, Op, ValueFilter, compile_filter
from jobs.domain.view_paths import STATE
from jobs.domain.view_spec import ViewFilter

ROOTS = ("payload.", "result.", "steps.", "review.", "job.")
LONGEST = 600


def parameter(condition: ViewFilter) -> str:
    """Return the name under which an address carries a condition."""
    return condition.path if condition.op is Op.IS else f"{condition.path}:{condition.op}"


def read_parameter(name: str, value: str) -> ViewFilter:
    """Return the condition that a parameter of an address is. Raises BadCondition."""
    path, _, op = name.partition(":")
    if op and op not in list(Op):
        raise BadCondition(f"There is no comparison '{op}'. Known: {', '.join(Op)}.")
    if len(path) > LONGEST or len(value) > LONGEST:
        raise BadCondition("It is too long.")
    return ViewFilter.model_construct(path=path, op=Op(op or Op.IS), value=value)


def states_named(condition: ViewFilter) -> list[str]:
    """Return the states that a condition names."""
    return [word.strip().upper() for word in condition.value.split(",")]


def narrowed(wanted: JobFilter, conditions: Iterable[ViewFilter], zone: ZoneInfo) -> JobFilter:
    """Return a filter with conditions added; of states, only those that all of them let through are left."""
    values: list[ValueFilter] = list(wanted.values)
    for condition in conditions:
        if condition.path != STATE:
            values.append(compile_filter(condition.path, condition.op, condition.value, zone))
            continue
        named = set(states_named(condition))
        left = [state.value for state in State if (state.value in named) is not (condition.op is Op.NOT)]
        left = [state for state in left if not wanted.states or state in wanted.states]
        wanted = replace(wanted, states=tuple(left), ids=wanted.ids if left else ())
    return replace(wanted, values=tuple(values))
