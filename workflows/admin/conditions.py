"""The condition editor's door: from rows to an expression and back. The one place that knows how they go together."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from workflows.domain.expressions import ROOTS, ExpressionError, compile_expression
from workflows.domain.expressions.rows import OtherField, Relation, Row, Rows, expression_of, rows_of

MOST_ROWS = 50


def posted_condition(expression: str, rows: str) -> str:
    """Return the condition a person made: by rows if there are any, else the expression itself.

    Rows that are not finished make an expression that is not either, so that its check names what is missing.
    """
    if not rows.strip():
        return expression
    try:
        data = json.loads(rows)
    except (ValueError, RecursionError):
        return expression
    try:
        return expression_of(rows_from(data))
    except ValueError:
        return _unfinished(data) or expression


def _unfinished(data: Any) -> str:
    listed = data.get("rows") if isinstance(data, Mapping) else None
    parts = []
    for each in listed[:MOST_ROWS] if isinstance(listed, list) else ():
        try:
            parts.append(expression_of(Rows((_row(each),))))
        except ValueError:
            parts.append(f"{str(each.get('field', ''))[:200]} == " if isinstance(each, Mapping) else "")
    return " && ".join(filter(None, parts))


def rows_from(data: Any) -> Rows:
    """Return rows as the editor sends them. Raises ValueError for what are none."""
    if not isinstance(data, Mapping) or not isinstance(data.get("rows"), list) or len(data["rows"]) > MOST_ROWS:
        raise ValueError(f"rows must be a list of at most {MOST_ROWS}")
    rows = tuple(_row(each) for each in data["rows"])
    return Rows(rows, "any" if data.get("join") == "any" else "all")


def _row(data: Any) -> Row:
    if not isinstance(data, Mapping) or not isinstance(data.get("field"), str):
        raise ValueError("a row needs a field")
    value = data.get("value")
    if isinstance(value, Mapping) and isinstance(value.get("field"), str):
        value = OtherField(value["field"])
    elif isinstance(value, list):
        value = tuple(_scalar(each) for each in value)
    elif value is not None:
        value = _scalar(value)
    test = Relation(str(data.get("test")))
    if test in (Relation.CONTAINS, Relation.CONTAINS_NOT, Relation.STARTS, Relation.ENDS) and isinstance(value, str):
        value = value.lower()
    return Row(data["field"], test, value, data.get("reads") is True)


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float | bool):
        raise ValueError("a value must be a text, a number, or true or false")
    return value


def rows_data(rows: Rows | None) -> dict[str, Any] | None:
    """Return rows as the editor takes them."""
    if rows is None:
        return None
    return {"join": rows.join, "rows": [_row_data(row) for row in rows.rows]}


def _row_data(row: Row) -> dict[str, Any]:
    value = {"field": row.value.field} if isinstance(row.value, OtherField) else row.value
    return {"field": row.field, "test": row.test.value, "value": value, "reads": row.reads}


@require_POST
def conditions_view(request: HttpRequest) -> JsonResponse:
    """Translate: `rows` (JSON) to an expression, or an `expression` to rows (null where rows cannot say it).

    `problem` is what is wrong with the expression; it may read the names in `extra` besides the usual ones.
    """
    source = request.POST.get("expression", "")
    if "rows" in request.POST:
        try:
            source = expression_of(rows_from(json.loads(request.POST["rows"])))
        except (ValueError, RecursionError) as error:
            return JsonResponse({"problem": f"These rows cannot be read: {error}"}, status=400)
    extra = [name for name in request.POST.getlist("extra") if name.isidentifier()][:10]
    return JsonResponse({"expression": source, "rows": rows_data(rows_of(source)), "problem": _problem(source, extra)})


def _problem(source: str, extra: list[str]) -> str:
    try:
        compile_expression(source, names=ROOTS.union(extra))
    except ExpressionError as error:
        return str(error)
    return ""


# Two parts: one alone would be the page of a workflow of that name.
urlpatterns = [path("conditions/translate/", admin.site.admin_view(conditions_view), name="conditions")]
