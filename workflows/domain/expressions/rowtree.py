"""A parser for the part of the condition language that rows can say: tests of fields against values or other fields."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workflows.domain.expressions.scan import Token, tokens_of

NO_ROWS = "true"
MAX_LENGTH = 2000
_WORDS = {"true": True, "false": False, "null": None}
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_METHODS = ("contains", "startsWith", "endsWith")


class _NotRows(Exception):
    """This is more than rows can say."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: and, or, not, compare, in, has, call, method, path, value or list."""

    kind: str
    text: str = ""
    parts: tuple["Node", ...] = ()
    value: Any = None

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.parts))
        return f"{self.kind}({self.text}{self.value!r}{inner})"


def parse(source: str) -> Node | None:
    """Return the tree of an expression, or None for one that rows cannot say."""
    if len(source) > MAX_LENGTH:
        return None
    parser = _Parser(tokens_of(source))
    try:
        tree = parser.either()
        parser.end()
    except (_NotRows, RecursionError):
        return None
    return tree


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def take(self, kind: str = "") -> str:
        if self.at >= len(self.tokens) or (kind and self.tokens[self.at].kind != kind):
            raise _NotRows
        self.at += 1
        return self.tokens[self.at - 1].text

    def expect(self, text: str) -> None:
        if self.take() != text:
            raise _NotRows

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise _NotRows

    def either(self) -> Node:
        return self._joined("or", "||", self.both)

    def both(self) -> Node:
        return self._joined("and", "&&", self.test)

    def _joined(self, kind: str, sign: str, inner: Any) -> Node:
        parts = [inner()]
        while self.peek() == sign:
            self.take()
            parts.append(inner())
        if len(parts) == 1:
            return parts[0]  # type: ignore[no-any-return]
        flat = [each for part in parts for each in (part.parts if part.kind == kind else (part,))]
        return Node(kind, parts=tuple(flat))

    def test(self) -> Node:
        left = self.unary()
        sign = self.peek()
        if sign in _COMPARISONS:
            self.take()
            return Node("compare", sign, (left, self.unary()))
        if sign == "in" and self.tokens[self.at].kind == "word":
            self.take()
            return Node("in", parts=(left, self.unary()))
        return left

    def unary(self) -> Node:
        if self.peek() == "!":
            self.take()
            return Node("not", parts=(self.unary(),))
        return self.primary()

    def primary(self) -> Node:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is None:
            raise _NotRows
        if token.kind == "string":
            return Node("value", value=_text(self.take()))
        if token.kind == "number" or token.text == "-":
            return Node("value", value=self._number())
        if token.kind == "word":
            return self._word()
        if token.text == "[":
            return self._list()
        self.expect("(")
        inner = self.either()
        self.expect(")")
        return inner

    def _number(self) -> int | float:
        sign = self.take() if self.peek() == "-" else ""
        text = self.take("number")
        # The tokens of 1e-7 are three: the sign belongs to the number here.
        if text[-1] in "eE" and self.peek() in ("+", "-"):
            text += self.take() + self.take("number")
        try:
            return int(sign + text) if text.isdecimal() else float(sign + text)
        except ValueError:
            raise _NotRows from None

    def _list(self) -> Node:
        self.expect("[")
        items = []
        while self.peek() != "]":
            items.append(self.primary())
            if self.peek() != "]":
                self.expect(",")
        self.take()
        return Node("list", parts=tuple(items))

    def _word(self) -> Node:
        word = self.take("word")
        if word in _WORDS:
            return Node("value", value=_WORDS[word])
        if self.peek() == "(":
            return self._call(word)
        path = [word]
        while self.peek() == ".":
            self.take()
            path.append(self.take("word"))
        if self.peek() in ("(", "["):
            raise _NotRows
        return Node("path", ".".join(path))

    def _call(self, name: str) -> Node:
        if name not in ("has", "lower", "number"):
            raise _NotRows
        self.expect("(")
        argument = self._word()
        self.expect(")")
        if argument.kind != "path":
            raise _NotRows
        called = Node("has" if name == "has" else "call", name, (argument,))
        return self._method(called) if self.peek() == "." else called

    def _method(self, target: Node) -> Node:
        self.expect(".")
        name = self.take("word")
        if name not in _METHODS:
            raise _NotRows
        self.expect("(")
        argument = self.primary()
        self.expect(")")
        return Node("method", name, (target, argument))


def _text(literal: str) -> str:
    """Return the text a literal stands for. Raises _NotRows where it is written in a way that JSON does not know."""
    if literal[0] not in "\"'":
        raise _NotRows
    inner = literal[1:-1]
    if literal[0] == "'":
        if "\\" in inner or '"' in inner:
            raise _NotRows
        return inner
    try:
        found = json.loads(f'"{inner}"')
    except ValueError:
        raise _NotRows from None
    return str(found)
