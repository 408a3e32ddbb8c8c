"""The one condition language (CEL), the same in every place: compiled once, evaluated many times, by many threads.

An expression sees `payload` (the job's input), `steps` (outputs by step key), `record` (all outputs so far, merged),
`job`, `tenant` and `now`.
"""

import difflib
import logging
import math
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import cel

from workflows.domain.expressions.cost import excess
from workflows.domain.expressions.functions import FUNCTIONS, MAX_PARTS, NATIVE
from workflows.domain.expressions.messages import (
    WORD_INSTEAD,
    compiler_message,
    missing_message,
    place_of,
    runtime_message,
    shown,
)
from workflows.domain.expressions.scan import Scan, scan

ROOTS = frozenset({"payload", "steps", "record", "job", "tenant", "now"})
MAX_LENGTH = 2000
MAX_NESTING = 20
MAX_OPERATORS = 100
MAX_LOOPS = 4
MAX_LOOP_DEPTH = 2
#: Where lists are looped over, texts may be added up only a little: each loop could double them.
MAX_OPERATORS_WITH_LOOPS = 20

# The library logs what a called function raised, with the values; the caller gets that as the error.
logging.getLogger("cel").setLevel(logging.CRITICAL + 1)


class ExpressionError(ValueError):
    """An expression is wrong, or does not fit the values it met; the message names the place and the word."""


class Expression:
    """A compiled expression. Keeps no state of an evaluation, so threads may share it."""

    __slots__ = ("_functions", "_keys", "_program", "_scan", "paths", "source", "step_keys")

    def __init__(self, source: str, program: cel.Program, scanned: Scan) -> None:
        self.source = source
        self.step_keys = _step_keys(scanned)
        self.paths = _paths(scanned)
        self._program = program
        self._scan = scanned
        self._keys = _keys_read(scanned)
        self._functions = {name: FUNCTIONS[name] for name in program.functions() if name in FUNCTIONS}

    def __repr__(self) -> str:
        return f"<Expression {self.source!r}>"

    def test(self, values: Mapping[str, Any]) -> bool:
        """Return whether the condition holds. Raises ExpressionError, also where the answer is not true or false."""
        answer = self._execute(values)
        if answer is True or answer is False:
            return answer
        raise self._error(f"a condition must give true or false, and this gave {_kind(answer)}")

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value as plain JSON: instants as ISO 8601 text, durations in seconds. Raises ExpressionError."""
        try:
            return _plain(self._execute(values))
        except TypeError as error:
            raise self._error(str(error)) from None

    def _execute(self, values: Mapping[str, Any]) -> Any:
        # Converting values is most of the cost, so only what the expression reads is passed.
        scope = {root: _narrow(values[root], keys) for root, keys in self._keys.items()}
        too_much = excess(self._scan, scope, parts=MAX_PARTS if "split" in self._functions else 0)
        if too_much:
            raise self._error(too_much)
        try:
            return self._program.execute({**scope, **self._functions})
        except KeyError as error:
            key = error.args[0] if error.args else ""
            raise self._error(missing_message(key, self._scan.references, scope)) from None
        except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as error:
            raise self._error(runtime_message(error)) from None

    def _error(self, message: str) -> ExpressionError:
        return ExpressionError(f"{message} (in: {shown(self.source)})")


def compile_expression(source: str, *, names: Collection[str] = ROOTS) -> Expression:
    """Compile `source`, which may read `names`. Raises ExpressionError, which names the place and the word."""
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters")
    if not source.strip():
        raise ExpressionError("the expression is empty")
    if '"""' in source or "'''" in source:
        raise ExpressionError("texts in triple quotes are not supported")
    scanned = scan(source)
    if scanned.open_quote is not None:
        raise ExpressionError(f"{place_of(source, scanned.open_quote)}: this quote is not closed")
    _check_limits(scanned)
    _check_names(source, scanned, names)
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise ExpressionError(compiler_message(str(error))) from None
    _check_functions(program)
    for name in program.variables():
        if name not in names and name not in {token.text for token in scanned.loop_names}:
            raise ExpressionError(_unknown(name, names))
    return Expression(source, program, scanned)


def _check_limits(scanned: Scan) -> None:
    if scanned.nesting > MAX_NESTING:
        raise ExpressionError(f"brackets are nested deeper than {MAX_NESTING}")
    if scanned.loops > MAX_LOOPS or scanned.loop_depth > MAX_LOOP_DEPTH:
        raise ExpressionError(f"at most {MAX_LOOPS} list functions (map, filter, all, exists), {MAX_LOOP_DEPTH} deep")
    limit = MAX_OPERATORS_WITH_LOOPS if scanned.loops else MAX_OPERATORS
    if scanned.operators > limit:
        raise ExpressionError(f"the expression has more than {limit} operators")


def _check_functions(program: cel.Program) -> None:
    known = NATIVE | FUNCTIONS.keys()
    for name in program.functions():
        if name[0].isalpha() and name not in known:
            raise ExpressionError(f"there is no function '{name}'{_suggestion(name, known)}")


def _check_names(source: str, scanned: Scan, names: Collection[str]) -> None:
    for token in scanned.loop_names:
        if token.text in names:
            raise ExpressionError(
                f"{place_of(source, token.start)}: '{token.text}' cannot be the name of a list's element"
            )
    known = {*names, *(token.text for token in scanned.loop_names)}
    for reference in scanned.references:
        if reference.path[0] not in known:
            raise ExpressionError(f"{place_of(source, reference.start)}: {_unknown(reference.path[0], names)}")


def _unknown(name: str, names: Collection[str]) -> str:
    if name in WORD_INSTEAD:
        return f"'{name}' is not known; write {WORD_INSTEAD[name]} instead"
    return f"'{name}' is not known{_suggestion(name, names)}; known are {', '.join(sorted(names))}"


def _suggestion(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean '{close[0]}'?" if close else ""


def _step_keys(scanned: Scan) -> tuple[str, ...]:
    return tuple({reference.path[1]: None for reference in scanned.references if _names_step(reference.path)})


def _paths(scanned: Scan) -> tuple[tuple[str, ...], ...]:
    """Return what the expression reads, by its keys. What `has()` asks for is left out: it may well not be there."""
    loop_names = {token.text for token in scanned.loop_names}
    asked = {reference.path for reference in scanned.references if reference.asked}
    read = (reference.path for reference in scanned.references if reference.path[0] not in loop_names)
    return tuple(dict.fromkeys(path for path in read if not any(path[: len(each)] == each for each in asked)))


def _names_step(path: tuple[str, ...]) -> bool:
    return path[0] == "steps" and len(path) > 1


def _keys_read(scanned: Scan) -> dict[str, frozenset[str] | None]:
    """Return, by root name, the first keys the expression reads of it; None where it reads the whole."""
    loop_names = {token.text for token in scanned.loop_names}
    found: dict[str, frozenset[str] | None] = {}
    for root, *keys in (reference.path for reference in scanned.references):
        if root not in loop_names:
            before = found.get(root, frozenset())
            found[root] = before | {keys[0]} if keys and before is not None else None
    return found


def _narrow(value: Any, keys: frozenset[str] | None) -> Any:
    if not isinstance(value, Mapping):
        return value
    if keys is None:
        return dict(value)
    return {key: value[key] for key in keys if key in value}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError("the result is not a finite number")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(f"the result is {_kind(value)}, which cannot be kept")


def _kind(value: Any) -> str:
    names = {type(None): "null", str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")
