"""What a step may read, by name: for people who pick from a list, and for a check that finds misspelt names."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from workflows.domain.definition import Definition, Problem, StepDefinition, read_steps
from workflows.domain.fields import InputField, Role
from workflows.kinds.base import ConfigError, Reading, StepKind
from workflows.kinds.registry import make_gate, make_runner

#: What every step sees of its job and tenant, with labels and types.
GIVEN = (
    ("job.id", "Job id", "text"),
    ("job.attempt", "Number of the attempt", "integer"),
    ("job.priority", "Priority", "integer"),
    ("job.queue", "Queue", "text"),
    ("job.correlation_id", "Correlation id", "text"),
    ("job.created_at", "Job created at", "datetime"),
    ("tenant.id", "Tenant id", "text"),
    ("tenant.slug", "Tenant's short name", "text"),
    ("tenant.name", "Tenant's name", "text"),
    ("tenant.plan", "Plan", "text"),
    ("tenant.time_zone", "Time zone", "text"),
    ("now", "Now", "datetime"),
)
_TYPES = {"string": "text", "array": "list"}


@dataclass(frozen=True, slots=True)
class Variable:
    """A value a step sees: `path` as expressions and templates write it, what people call it, and its type.

    `type` is a field type of the workflow (text, number, date, ...), or empty where it is not known.
    """

    path: str
    label: str
    type: str = ""

    @property
    def root(self) -> str:
        return self.path.split(".")[0]


@dataclass(frozen=True, slots=True)
class _Output:
    """What a step gives: its properties by name. One that is not `closed` may give more."""

    key: str
    name: str
    properties: Mapping[str, Any]
    closed: bool


def list_variables(
    definition: Definition | Mapping[str, Any], step_key: str, *, own_output: bool = False
) -> list[Variable]:
    """Return what the step `step_key` may read; for a key that no step has, what a step at the end could.

    `definition` may be plain data that is not right yet: what cannot be read is left out. With `own_output` comes
    what the step itself gives, as `output`: the condition of its review sees that.
    """
    data = _data(definition)
    fields = _fields(data)
    steps = [step for _, step in read_steps(data)]
    found = [
        Variable(f"payload.{field.key}", field.shown_label, field.type.value)
        for field in fields
        if field.role is Role.INPUT
    ]
    labels = {field.key: field for field in sorted(fields, key=lambda each: each.role is Role.OUTPUT)}
    own = next((step for step in steps if step.key == step_key), None)
    if own is not None and own_output:
        found += _described("output", _output(own, _runner(own)), labels)
    outputs = [_output(step, _runner(step)) for step in _before(steps, step_key)]
    record: dict[str, Variable] = {}
    for output in outputs:
        record |= {each.path: each for each in _described("record", output, labels)}
    found += record.values()
    for output in outputs:
        for each in _described(f"steps.{output.key}", output, labels):
            found.append(Variable(each.path, f"{output.name}: {each.label}", each.type))
    return found + [Variable(*each) for each in GIVEN]


def unknown_variables(definition: Definition | Mapping[str, Any]) -> list[Problem]:
    """Return the names that steps read and nothing gives, with their places; only those of which that is certain.

    A payload is known by the workflow's fields if there are any, an output by the config of its step. Names that the
    config itself expects to be missing sometimes (`has`, `|default`) are none of these problems.
    """
    data = _data(definition)
    payload = {field.key for field in _fields(data) if field.role is Role.INPUT}
    before: list[_Output] = []
    problems = []
    for index, step in read_steps(data):
        runner = _runner(step)
        own = _output(step, runner)
        for place, one in ((f"steps.{index}.config", runner), (f"steps.{index}.review", _gate(step))):
            if one is not None:
                known = _Known(payload, [*before, own] if one.builds_on_itself else before, own)
                problems += [Problem(f"{place}.{each.field}", text) for each, text in known.wrong(one.readings)]
        before += [own] if step.enabled else []
    return problems


@dataclass(frozen=True, slots=True)
class _Known:
    """What can be read at a step: the payload's keys, the outputs before, and the step's own output."""

    payload: set[str]
    outputs: Sequence[_Output]
    own: _Output

    def wrong(self, readings: Sequence[Reading]) -> Iterator[tuple[Reading, str]]:
        """Yield each reading that finds nothing, with what is wrong with it."""
        for reading in readings:
            message = self._problem(reading.path)
            if message:
                yield reading, message

    def _problem(self, path: tuple[str, ...]) -> str:
        root, rest = path[0], path[1:]
        if not rest:
            return ""
        if root == "payload":
            return _unless(rest[0], self.payload, "payload", "field") if self.payload else ""
        if root == "record":
            known = {name for output in self.outputs for name in output.properties}
            return _unless(rest[0], known, root, "output of a step before") if _all_closed(self.outputs) else ""
        if root == "output":
            return _unless(rest[0], set(self.own.properties), root, "output") if self.own.closed else ""
        return self._step_problem(rest) if root == "steps" and len(rest) > 1 else ""

    def _step_problem(self, rest: tuple[str, ...]) -> str:
        output = next((each for each in self.outputs if each.key == rest[0]), None)
        if output is None or not output.closed:
            return ""
        return _unless(rest[1], set(output.properties), f"steps.{output.key}", "output")


def _unless(name: str, known: set[str], root: str, what: str) -> str:
    if name in known:
        return ""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f", did you mean '{root}.{close[0]}'?" if close else ""
    return f"there is no {what} '{root}.{name}'{hint}"


def _all_closed(outputs: Sequence[_Output]) -> bool:
    return all(output.closed for output in outputs)


def _data(definition: Definition | Mapping[str, Any]) -> Mapping[str, Any]:
    return definition.to_data() if isinstance(definition, Definition) else definition


def _fields(data: Mapping[str, Any]) -> list[InputField]:
    found = []
    listed = data.get("fields")
    for field in listed if isinstance(listed, list | tuple) else ():
        try:
            found.append(InputField.model_validate(field))
        except ValidationError:
            continue
    return found


def _before(steps: Sequence[StepDefinition], key: str) -> list[StepDefinition]:
    found = []
    for step in steps:
        if step.key == key:
            break
        if step.enabled:
            found.append(step)
    return found


def _runner(step: StepDefinition) -> StepKind[Any] | None:
    try:
        return make_runner(step.kind, step.config)
    except ConfigError:
        return None


def _gate(step: StepDefinition) -> StepKind[Any] | None:
    try:
        return make_gate(step.kind, step.review)
    except ConfigError:
        return None


def _output(step: StepDefinition, runner: StepKind[Any] | None) -> _Output:
    schema = runner.output_schema() if runner is not None else {}
    properties = dict(schema.get("properties", {}))
    # Who answers a review may add the fields it offers, and vouch for what did not pass a check.
    if step.review is not None:
        properties |= {field.key: {} for field in step.review.fields if field.key not in properties}
    return _Output(step.key, step.shown_name, properties, bool(schema.get("properties")))


def _described(root: str, output: _Output, labels: Mapping[str, InputField]) -> Iterator[Variable]:
    """Yield an output's properties, and those of objects within it."""
    for name, schema in output.properties.items():
        field = labels.get(name)
        label = field.shown_label if field else _in_words(name)
        kind = _type_of(schema) or (field.type.value if field else "")
        yield Variable(f"{root}.{name}", label, kind)
        for inner, nested in schema.get("properties", {}).items():
            yield Variable(f"{root}.{name}.{inner}", f"{label}: {_in_words(inner)}", _type_of(nested))


def _type_of(schema: Mapping[str, Any]) -> str:
    kinds = schema.get("type", "text" if all(isinstance(each, str) for each in schema.get("enum", [None])) else "")
    if isinstance(kinds, list):
        kinds = next((each for each in kinds if each != "null"), "")
    if kinds == "string" and schema.get("format") in ("date", "date-time"):
        return "date" if schema["format"] == "date" else "datetime"
    return _TYPES.get(kinds, str(kinds))


def _in_words(name: str) -> str:
    return name.replace("_", " ").capitalize()
