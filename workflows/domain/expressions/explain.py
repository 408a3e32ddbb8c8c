"""Telling which part of a condition was true: the parts that `&&` and `||` join, each with its value."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from workflows.domain.expressions import ROOTS, Expression, ExpressionError, compile_expression
from workflows.domain.expressions.scan import Token, tokens_of

JOINTS = ("||", "&&")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition as it is written, and what it gave; `problem` says why it gave nothing."""

    text: str
    value: Any
    problem: str = ""


def explain(source: str, values: Mapping[str, Any], *, names: Collection[str] = ROOTS) -> list[Part]:
    """Return the parts of a condition with their values, in the order they are written.

    Every part is evaluated, also one that the whole did not come to. Raises ExpressionError where the whole does not
    compile.
    """
    return [_value(text, values, frozenset(names)) for text in _checked_parts(source, frozenset(names))]


@lru_cache(maxsize=1000)
def _checked_parts(source: str, names: frozenset[str]) -> tuple[str, ...]:
    compile_expression(source, names=names)
    return tuple(parts_of(source))


def parts_of(source: str) -> list[str]:
    """Cut a condition where `&&` and `||` join it, also inside of brackets that only group."""
    source = source.strip()
    return list(_parts(source, tokens_of(source))) if source else []


def _parts(source: str, tokens: list[Token]) -> Iterator[str]:
    tokens = _without_brackets(tokens)
    depths = _depths(tokens)
    outer = [token for token, depth in zip(tokens, depths, strict=True) if depth == 0]
    joint = next((each for each in JOINTS if any(token.text == each for token in outer)), None)
    if joint is None or any(token.text == "?" for token in outer):
        if tokens:
            yield source[tokens[0].start : tokens[-1].start + len(tokens[-1].text)]
        return
    begin = 0
    for index, token in enumerate(tokens):
        if token.text == joint and depths[index] == 0:
            yield from _parts(source, tokens[begin:index])
            begin = index + 1
    yield from _parts(source, tokens[begin:])


def _without_brackets(tokens: list[Token]) -> list[Token]:
    """Take away brackets around the whole."""
    while tokens and tokens[0].text == "(" and tokens[-1].text == ")" and 0 not in _depths(tokens)[1:-1]:
        tokens = tokens[1:-1]
    return tokens


def _depths(tokens: list[Token]) -> list[int]:
    """Return how many brackets are open around each token; a bracket itself stands outside of itself."""
    depth, depths = 0, []
    for token in tokens:
        depth -= token.kind == "operator" and token.text in ")]}"
        depths.append(depth)
        depth += token.kind == "operator" and token.text in "([{"
    return depths


@lru_cache(maxsize=5000)
def _compiled(text: str, names: frozenset[str]) -> Expression:
    return compile_expression(text, names=names)


def _value(text: str, values: Mapping[str, Any], names: frozenset[str]) -> Part:
    try:
        return Part(text, _compiled(text, names).evaluate(values))
    except ExpressionError as error:
        return Part(text, None, str(error))
