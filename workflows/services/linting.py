"""What looks like an oversight in a definition that could run: told beside the mistakes, and no reason to refuse it."""

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from workflows.domain.definition import Definition, Problem, StepDefinition
from workflows.domain.expressions.scan import Token, tokens_of
from workflows.kinds.base import ConfigError
from workflows.kinds.classify import ClassifyConfig
from workflows.kinds.registry import make_runner
from workflows.kinds.route import Destination, RouteConfig
from workflows.services.variables import unknown_variables

UNTOUCHED = Destination(to="default")


def lint(definition: Definition) -> list[Problem]:
    """Return what looks like an oversight, by place. The definition was checked."""
    off = [f"steps.{index}." for index, step in enumerate(definition.steps) if not step.enabled]
    unknown = [one for one in unknown_variables(definition) if not one.place.startswith(tuple(off))]
    return [*unreachable_steps(definition), *unrouted_labels(definition), *unknown]


def unreachable_steps(definition: Definition) -> list[Problem]:
    """Return the steps to which no path leads: all routes before them stop, or jump over them."""
    steps = [(index, step) for index, step in enumerate(definition.steps) if step.enabled]
    places = {step.key: place for place, (_, step) in enumerate(steps)}
    reached = {0}
    for place, (_, step) in enumerate(steps):
        if place in reached:
            reached |= {place + 1 if key is None else places.get(key, place) for key in _ways(step)}
    return [
        Problem(f"steps.{index}", "No job ever gets here: every way before it stops or jumps over it.")
        for place, (index, _) in enumerate(steps)
        if place not in reached
    ]


def _ways(step: StepDefinition) -> set[str | None]:
    """Return the keys of the steps a job may go on with; None is the next one."""
    try:
        runner = make_runner(step.kind, step.config)
    except ConfigError:
        return {None}
    if not isinstance(runner.config, RouteConfig):
        return {None, *runner.targets()}
    ways = [*runner.config.routes, runner.config.default]
    found: set[str | None] = {way.goto or None for way in ways if not way.stop}
    # A route that fails and is told to go on goes on with the next step.
    return found | {None} if step.on_error == "continue" else found


@dataclass(slots=True)
class Comparisons:
    """What the conditions of a route step say of one value. `clear` is false where they do more than compare it."""

    values: set[str] = field(default_factory=set)
    places: dict[str, int] = field(default_factory=dict)
    clear: bool = True


def unrouted_labels(definition: Definition) -> list[Problem]:
    """Return labels that a route step leaves to a default nobody has touched, and labels that do not exist.

    Only where the routes compare the label and do nothing else with it, so that what is told is certain.
    """
    labels: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for index, step in enumerate(definition.steps):
        if not step.enabled:
            continue
        try:
            runner = make_runner(step.kind, step.config)
        except ConfigError:
            continue
        if isinstance(runner.config, RouteConfig):
            problems += _route_problems(f"steps.{index}.config", runner.config, labels)
        for name in runner.output_schema().get("properties", {}):
            labels.pop(f"record.{name}", None)
        if isinstance(runner.config, ClassifyConfig) and not runner.config.many:
            names = [label.name for label in runner.config.labels]
            labels[f"steps.{step.key}.{runner.config.field}"] = labels[f"record.{runner.config.field}"] = names
    return problems


def _route_problems(place: str, config: RouteConfig, labels: Mapping[str, list[str]]) -> Iterator[Problem]:
    found = _compared(config, labels)
    for path, compared in found.items():
        names = labels[path]
        for value in sorted(compared.values - set(names)):
            close = difflib.get_close_matches(value, names, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            yield Problem(f"{place}.routes.{compared.places[value]}.when", f"No label is called '{value}'{hint}")
    handled = {value for compared in found.values() for value in compared.values}
    clear = all(compared.clear for compared in found.values())
    if not found or not clear or config.default != UNTOUCHED:
        return
    names = labels[next(iter(found))]
    left = [name for name in names if name not in handled] if handled else []
    if left:
        told = ", ".join(f"'{name}'" for name in left)
        yield Problem(f"{place}.default", f"No route is for {told}, and the default goes on as if nothing was said.")


def _compared(config: RouteConfig, labels: Mapping[str, list[str]]) -> dict[str, Comparisons]:
    found: dict[str, Comparisons] = {}
    for index, route in enumerate(config.routes):
        tokens = tokens_of(route.when)
        texts = [token.text for token in tokens]
        for path in labels:
            words = [word for part in path.split(".") for word in (part, ".")][:-1]
            for start in _occurrences(texts, words):
                compared = found.setdefault(path, Comparisons())
                values = _values_beside(tokens, start, start + len(words))
                compared.clear = compared.clear and bool(values) and "!" not in texts and "!=" not in texts
                for value in values:
                    compared.values.add(value)
                    compared.places.setdefault(value, index)
    return found


def _occurrences(texts: list[str], words: list[str]) -> Iterator[int]:
    for start in range(len(texts) - len(words) + 1):
        if texts[start : start + len(words)] == words and texts[max(start - 1, 0) : start] != ["."]:
            yield start


def _values_beside(tokens: list[Token], start: int, end: int) -> list[str]:
    """Return the texts that the value from `start` to `end` is compared with; none where it is used otherwise."""
    after, before = tokens[end : end + 2], tokens[max(start - 2, 0) : start]
    if len(after) == 2 and after[0].text == "==" and after[1].kind == "string":
        return [_text(after[1])]
    if len(before) == 2 and before[1].text == "==" and before[0].kind == "string":
        return [_text(before[0])]
    if [token.text for token in after] == ["in", "["]:
        return _listed(tokens[end + 2 :])
    return []


def _listed(tokens: list[Token]) -> list[str]:
    found: list[str] = []
    for token in tokens:
        if token.text == "]":
            return found
        if token.kind == "string":
            found.append(_text(token))
        elif token.text != ",":
            break
    return []


def _text(token: Token) -> str:
    try:
        return str(ast.literal_eval(token.text))
    except (ValueError, SyntaxError):
        return token.text[1:-1]
