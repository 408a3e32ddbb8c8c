"""Checking a definition whole: its form, every step's config, and what steps say of one another."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from workflows.domain.definition import (
    Definition,
    DefinitionError,
    Problem,
    StepDefinition,
    load_definition,
    read_definition,
    read_steps,
)
from workflows.kinds.base import ConfigError, StepKind, StepReference
from workflows.kinds.registry import make_gate, make_runner


def check_file(text: str) -> Definition:
    """Return the definition a workflow file holds. Raises DefinitionError with everything that is wrong with it."""
    return check_definition(load_definition(text))


def check_definition(data: Any) -> Definition:
    """Return the definition that plain data holds. Raises DefinitionError with everything that is wrong with it.

    A step that is switched off may be wrong in itself; another that needs it is.
    """
    definition, problems = read_definition(data)
    steps = read_steps(data)
    keys = Keys(steps)
    for index, step in steps:
        if step.enabled:
            problems += _step_problems(index, step, keys)
    if not problems and definition is not None and not keys.enabled:
        problems.append(Problem("steps", "all steps are switched off"))
    if definition is None or problems:
        raise DefinitionError(problems)
    return definition


class Keys:
    """The keys of a definition's steps in their order, and which of them are switched off."""

    def __init__(self, steps: Sequence[tuple[int, StepDefinition]]) -> None:
        self.all = [step.key for _, step in steps]
        self.enabled = {step.key for _, step in steps if step.enabled}

    def before(self, key: str) -> list[str]:
        """Return the steps that have run when the one of this key does."""
        return [each for each in self.all[: self.all.index(key)] if each in self.enabled]

    def after(self, key: str) -> list[str]:
        """Return the steps that a job may be sent to from the one of this key."""
        return [each for each in self.all[self.all.index(key) + 1 :] if each in self.enabled]


def _step_problems(index: int, step: StepDefinition, keys: Keys) -> Iterator[Problem]:
    place = f"steps.{index}"
    yield from _review_problems(f"{place}.review", step, keys)
    try:
        runner = make_runner(step.kind, step.config)
    except ConfigError as error:
        for field, message in error.problems:
            yield Problem(f"{place}.kind" if field == "kind" else f"{place}.config.{field}".rstrip("."), message)
        return
    yield from _reference_problems(f"{place}.config", step.key, runner, keys)


def _review_problems(place: str, step: StepDefinition, keys: Keys) -> Iterator[Problem]:
    try:
        gate = make_gate(step.kind, step.review)
    except ConfigError as error:
        for field, message in error.problems:
            yield Problem(f"{place}.{field}".rstrip("."), message)
        return
    if gate is not None:
        yield from _reference_problems(place, step.key, gate, keys)


def _reference_problems(place: str, own: str, runner: StepKind[Any], keys: Keys) -> Iterator[Problem]:
    before, after = keys.before(own), keys.after(own)
    for reference in runner.references:
        if reference.key not in before:
            yield Problem(
                f"{place}.{reference.field}", _why(reference, own, keys, "comes later, so it has no output yet")
            )
    for aim in runner.aims:
        if aim.key not in after:
            yield Problem(f"{place}.{aim.field}", _why(aim, own, keys, "comes earlier; a job only goes forward"))


def _why(reference: StepReference, own: str, keys: Keys, otherwise: str) -> str:
    if reference.key == own:
        return f"'{own}' is this step itself"
    if reference.key in keys.all and reference.key not in keys.enabled:
        return f"the step '{reference.key}' is switched off"
    if reference.key in keys.all:
        return f"the step '{reference.key}' {otherwise}"
    close = difflib.get_close_matches(reference.key, keys.all, n=1)
    return f"there is no step '{reference.key}'" + (f", did you mean '{close[0]}'?" if close else "")
