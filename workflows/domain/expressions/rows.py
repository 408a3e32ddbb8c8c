"""Conditions as rows that anybody can read ("total / is more than / 100"), and the expressions behind them.

A row about a field of the payload that was not sent, or about a value that is null, does not hold; its negation does.
Fields of the record, of steps and of the other roots must be there, as in any expression.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from workflows.domain.expressions.rowtree import NO_ROWS, Node, parse
from workflows.domain.expressions.rowtypes import (
    BARE,
    LISTS,
    NEGATED,
    OF_FIELDS,
    ORDER,
    TEXTS,
    OtherField,
    Relation,
    Row,
    Rows,
    in_words,
)

__all__ = [
    "BARE",
    "LISTS",
    "OF_FIELDS",
    "ORDER",
    "TEXTS",
    "OtherField",
    "Relation",
    "Row",
    "Rows",
    "expression_of",
    "in_words",
    "rows_of",
]

#: A row may be a test and this many guards at most, less one.
MOST_PARTS = 24
_EMPTY = '[null, "", []]'


def expression_of(rows: Rows) -> str:
    """Return the expression that means what the rows say."""
    if not rows.rows:
        return NO_ROWS
    several, any_of = len(rows.rows) > 1, rows.join == "any"
    parts = [_expression(row) for row in rows.rows]
    if several and any_of:
        return " || ".join(f"({part})" if " && " in part and not part.startswith("!(") else part for part in parts)
    return " && ".join(parts)


def _expression(row: Row) -> str:
    if row.test in NEGATED:
        return f"!({_conjunction(row, NEGATED[row.test])})"
    if row.test is Relation.IS_NOT and any(map(_guards, _fields(row))):
        return f"!({_conjunction(row, Relation.IS)})"
    return _conjunction(row, row.test)


def _conjunction(row: Row, test: Relation) -> str:
    guards = [guard for field in _fields(row) for guard in _guards(field, always=test is Relation.NOT_EMPTY)]
    null = [guard for field in _fields(row) for guard in _not_null(field, test)]
    return " && ".join([*dict.fromkeys(guards), *dict.fromkeys(null), _core(row, test)])


def _fields(row: Row) -> list[str]:
    return [row.field, row.value.field] if isinstance(row.value, OtherField) else [row.field]


def _guards(field: str, *, always: bool = False) -> list[str]:
    """Return what asks whether the field is there at all: only what comes in with a job may be left out."""
    parts = field.split(".")
    if parts[0] != "payload" and not always:
        return []
    return [f"has({'.'.join(parts[:depth])})" for depth in range(2, len(parts) + 1)]


def _not_null(field: str, test: Relation) -> list[str]:
    return [f"{field} != null"] if test in ORDER or test in TEXTS or test is Relation.INCLUDES else []


def _core(row: Row, test: Relation) -> str:
    field = row.field
    if test in ORDER:
        other = _as_number(row, row.value.field) if isinstance(row.value, OtherField) else _literal(row.value)
        return f"{_as_number(row, field)} {ORDER[test]} {other}"
    if test in TEXTS:
        return f"lower({field}).{TEXTS[test]}({_literal(row.value)})"
    if test is Relation.ONE_OF and isinstance(row.value, tuple):
        return f"{field} in [{', '.join(map(_literal, row.value))}]"
    fixed = {
        Relation.NOT_EMPTY: f"!({field} in {_EMPTY})",
        Relation.NULL: f"{field} == null",
        Relation.NOT_NULL: f"{field} != null",
        Relation.TRUE: f"{field} == true",
        Relation.FALSE: f"{field} == false",
    }
    if test in fixed:
        return fixed[test]
    if test is Relation.INCLUDES:
        return f"{_literal(row.value)} in {field}"
    value = row.value.field if isinstance(row.value, OtherField) else _literal(row.value)
    return f"{field} {'!=' if test is Relation.IS_NOT else '=='} {value}"


def _as_number(row: Row, field: str) -> str:
    return f"number({field})" if row.reads else field


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # Three quotes in a row would begin another kind of text.
        return json.dumps(value, ensure_ascii=False).replace("'''", r"\u0027" * 3)
    return repr(value)


def rows_of(source: str) -> Rows | None:
    """Return the rows that say what an expression means, or None where rows cannot.

    Expressions that people wrote need not guard against null and missing values; the rows always do.
    """
    if source.strip() == NO_ROWS:
        return Rows()
    tree = parse(source)
    if tree is None:
        return None
    if tree.kind == "or":
        found = [_rows_in(part) for part in tree.parts]
        singles = [one[0] for one in found if one is not None and len(one) == 1]
        return Rows(tuple(singles), "any") if len(singles) == len(tree.parts) else None
    listed = _rows_in(tree)
    return None if listed is None else Rows(tuple(listed))


def _rows_in(tree: Node) -> list[Row] | None:
    """Return the rows of a conjunction, taking what guards a test together with it."""
    parts = tree.parts if tree.kind == "and" else (tree,)
    rows: list[Row] = []
    while parts:
        taken = next(
            ((row, size) for size in range(min(len(parts), MOST_PARTS), 0, -1) if (row := _row(parts[:size]))), None
        )
        if taken is None:
            return None
        rows.append(taken[0])
        parts = parts[taken[1] :]
    return rows


def _row(parts: Sequence[Node]) -> Row | None:
    """Return the row that these parts of a conjunction make up, guards and test."""
    if len(parts) == 1 and parts[0].kind == "not":
        return _negated(parts[0].parts[0]) or _test(parts[0])
    row = _test(parts[-1])
    if row is None or not _only_guards(parts[:-1], row):
        return None
    return row


def _only_guards(parts: Sequence[Node], row: Row) -> bool:
    return not parts or tuple(map(str, parts)) in _possible_guards(row)


def _possible_guards(row: Row) -> set[tuple[str, ...]]:
    has, asked, null = [
        tuple(dict.fromkeys(str(parse(text)) for field in _fields(row) for text in texts(field)))
        for texts in (partial(_guards, always=True), _guards, partial(_not_null, test=row.test))
    ]
    return {(*has, *null), (*asked, *null), has, null}


def _negated(inner: Node) -> Row | None:
    row = _row(inner.parts) if inner.kind == "and" else _test(inner)
    if row is None:
        return None
    opposites = {positive: negative for negative, positive in NEGATED.items()} | {Relation.IS: Relation.IS_NOT}
    opposite = opposites.get(row.test)
    return None if opposite is None else _made(row.field, opposite, row.value)


def _test(node: Node) -> Row | None:
    """Return the row of a single test without its guards."""
    if node.kind == "path":
        return _made(node.text, Relation.TRUE)
    if node.kind == "not" and node.parts[0].kind == "path":
        return _made(node.parts[0].text, Relation.FALSE)
    if node.kind == "not":
        inner = node.parts[0]
        return _made(inner.parts[0].text, Relation.NOT_EMPTY) if _asks_empty(inner) else None
    if node.kind == "method":
        return _method(node)
    if node.kind == "in":
        return _membership(*node.parts)
    return _comparison(node) if node.kind == "compare" else None


def _asks_empty(node: Node) -> bool:
    return node.kind == "in" and node.parts[0].kind == "path" and str(node.parts[1]) == str(parse(_EMPTY))


def _method(node: Node) -> Row | None:
    target, argument = node.parts
    test = {name: each for each, name in TEXTS.items()}.get(node.text)
    is_lowered = target.kind == "call" and target.text == "lower" and target.parts[0].kind == "path"
    if test is None or not is_lowered or argument.kind != "value":
        return None
    return _made(target.parts[0].text, test, argument.value)


def _membership(left: Node, right: Node) -> Row | None:
    if left.kind == "path" and right.kind == "list" and all(item.kind == "value" for item in right.parts):
        values = tuple(item.value for item in right.parts)
        return None if None in values else _made(left.text, Relation.ONE_OF, values)
    if left.kind == "value" and right.kind == "path" and left.value is not None:
        return _made(right.text, Relation.INCLUDES, left.value)
    return None


def _comparison(node: Node) -> Row | None:
    left, right = node.parts
    if right.kind != "value":
        return _of_fields(left, node.text, right)
    if node.text in ("==", "!="):
        return _equality(left, node.text == "==", right.value)
    test = {sign: each for each, sign in ORDER.items()}[node.text]
    if left.kind == "call" and left.text == "number" and left.parts[0].kind == "path":
        return _made(left.parts[0].text, test, right.value, reads=True)
    return _made(left.text, test, right.value) if left.kind == "path" else None


def _of_fields(left: Node, sign: str, right: Node) -> Row | None:
    """Return the row that compares two fields; both are read as numbers, or neither is."""
    reads = left.kind == right.kind == "call" and left.text == right.text == "number"
    first, second = (left.parts[0], right.parts[0]) if reads else (left, right)
    if first.kind != "path" or second.kind != "path":
        return None
    signs = {"==": Relation.IS, "!=": Relation.IS_NOT} | {text: test for test, text in ORDER.items()}
    return _made(first.text, signs[sign], OtherField(second.text), reads=reads)


def _equality(left: Node, equal: bool, value: Any) -> Row | None:
    if left.kind != "path":
        return None
    if value is None:
        return _made(left.text, Relation.NULL if equal else Relation.NOT_NULL)
    if isinstance(value, bool) and equal:
        return _made(left.text, Relation.TRUE if value else Relation.FALSE)
    return _made(left.text, Relation.IS if equal else Relation.IS_NOT, value)


def _made(field: str, test: Relation, value: Any = None, *, reads: bool = False) -> Row | None:
    try:
        return Row(field, test, value, reads)
    except ValueError:
        return None
