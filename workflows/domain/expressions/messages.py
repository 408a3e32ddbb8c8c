"""Telling in plain words what is wrong with an expression."""

import re
from collections.abc import Mapping
from typing import Any

from workflows.domain.expressions.scan import Reference

_COMPILER_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")
_QUOTED = re.compile(r"(?:at:|input) '(.*?)'(?= expecting|$)")
_FUNCTION_ERROR = re.compile(
    r"Function '(\w+)' error: (?:Python function call failed: \w+: )?(.*?)\.? Check function", re.DOTALL
)
_UNSUPPORTED = re.compile(r"Unsupported operation: ([\w?-]+) (\S+) ([\w?-]+)\.")
INSTEAD = {"=": "==", "&": "&&", "|": "||"}
#: Words of other languages that people write, and what this one has for them.
WORD_INSTEAD = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "is": "==",
    "True": "true",
    "False": "false",
    "None": "null",
    "nil": "null",
}


def compiler_message(text: str) -> str:
    """Return the first error of the compiler's `text`, with its place and the word."""
    match = _COMPILER_ERROR.search(text)
    if match is None:
        return text.splitlines()[0][:200]
    line, column, reason = int(match[1]), int(match[2]), match[3]
    return f"{place(line, column)}: {_reason(reason)}"


def place(line: int, column: int) -> str:
    """Name a place for a reader; the line only where there are several."""
    return f"column {column}" if line == 1 else f"line {line}, column {column}"


def place_of(source: str, start: int) -> str:
    """Name the place of the character at `start` of `source`."""
    line = source.count("\n", 0, start) + 1
    return place(line, start - (source.rfind("\n", 0, start) + 1) + 1)


def _reason(reason: str) -> str:
    quoted = _QUOTED.search(reason)
    if quoted is None:
        return reason
    word = quoted[1].strip()
    if word == "<EOF>":
        return "the expression ends too early"
    better = INSTEAD.get(word)
    return f"'{word}' is not understood here" + (f"; write {better} instead" if better else "")


def missing_message(key: Any, references: tuple[Reference, ...], values: Mapping[str, Any]) -> str:
    """Say which name was missing, as the expression wrote it, and how to allow for that."""
    for reference in references:
        path = _missing_path(reference, values)
        if path:
            return f"{path} is missing; where it may be, ask has({path}) first"
    return f"'{key}' is missing; where it may be, ask has() first"


def _missing_path(reference: Reference, values: Mapping[str, Any]) -> str:
    current: Any = values
    for depth, key in enumerate(reference.path):
        if not isinstance(current, Mapping):
            return ""
        if key not in current:
            return ".".join(reference.path[: depth + 1]) if depth else ""
        current = current[key]
    return ""


def runtime_message(error: Exception) -> str:
    """Say what went wrong while an expression was evaluated."""
    text = str(error)
    if isinstance(error, ZeroDivisionError):
        return "a number is divided by zero"
    if unsupported := _UNSUPPORTED.search(text):
        left, operator, right = unsupported.groups()
        return f"{left} {operator} {right} does not work; convert one side with int(), double() or string()"
    if isinstance(error, TypeError):
        return "the values are of kinds that do not go together; convert with int(), double() or string()"
    if function := _FUNCTION_ERROR.search(text):
        name, reason = function[1], " ".join(function[2].split())
        return reason if f"{name}()" in reason else f"{name}(): {reason}"
    return text.split(". ")[0].rstrip(".")


def shown(source: str) -> str:
    """Return an expression for a message, on one line and shortened."""
    line = " ".join(source.split())
    return line if len(line) <= 80 else line[:77] + "..."
