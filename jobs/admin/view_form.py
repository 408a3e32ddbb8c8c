"""The form of a view, as a browser sends it: rows of columns, conditions and colours; empty ones are left out."""

from typing import Any

from django.http import QueryDict
from pydantic import ValidationError

from jobs.domain.view_filter import OP_LABELS, Op
from jobs.domain.view_paths import STATE
from jobs.domain.view_spec import Colour, ViewColour, ViewColumn, ViewFilter, ViewSpec
from jobs.queries.catalogue import GROUPS, Known, known_fields
from jobs.services.views import ViewProblems
from workflows.models import Workflow

#: Empty rows at the end of each part, for browsers without our script.
SPARE = 1
PARTS = {"columns": ("path", "label"), "filters": ("path", "op", "value"), "colours": ("path", "op", "value", "colour")}


def read_spec(form: QueryDict) -> ViewSpec:
    """Return the view that a form describes. Raises ViewProblems."""
    given = _given(form)
    try:
        return ViewSpec.model_validate(given)
    except ValidationError as error:
        raise ViewProblems([_problem(each, given) for each in error.errors()]) from error


def typed_spec(form: QueryDict) -> ViewSpec:
    """Return what a form holds, right or wrong, to show it again."""
    given = _given(form)
    kinds: dict[str, type[Any]] = {"columns": ViewColumn, "filters": ViewFilter, "colours": ViewColour}
    rows = {part: tuple(kind.model_construct(**row) for row in given[part]) for part, kind in kinds.items()}
    return ViewSpec.model_construct(**{**given, **rows})


def _given(form: QueryDict) -> dict[str, Any]:
    given: dict[str, Any] = {part: list(_rows(form, part, names)) for part, names in PARTS.items()}
    sort = form.get("sort", "")
    return given | {"sort": f"-{sort}" if sort and form.get("largest") else sort, "count": form.get("count", "")}


def _rows(form: QueryDict, part: str, names: tuple[str, ...]) -> Any:
    """Yield the rows of one part that name a field."""
    lists = [form.getlist(f"{part}-{name}") for name in names]
    for number in range(max(map(len, lists))):
        row = {name: values[number].strip() for name, values in zip(names, lists, strict=True) if number < len(values)}
        if row.get("op") == Op.EMPTY and not row.get("value"):
            row["value"] = "true"
        if row.get("path"):
            yield row


def _problem(error: Any, given: dict[str, Any]) -> tuple[str, str]:
    part, *rest = error["loc"] or ("",)
    row = given.get(part)
    where = row[rest[0]].get("path", "") if rest and isinstance(row, list) and isinstance(rest[0], int) else part
    return str(where), error["msg"].removeprefix("Value error, ")


def form_context(workflow: Workflow, spec: ViewSpec) -> dict[str, Any]:
    """Return what the form shows: its rows, and all that may be chosen."""
    fields = known_fields(workflow)
    missing = [path for path in spec.all_paths if path not in {known.path for known in fields}]
    fields += [Known(path, path) for path in missing]
    return {
        "spec": spec,
        "groups": [(GROUPS[root], [f for f in fields if f.path.split(".")[0] == root]) for root in GROUPS],
        "askable": [
            (GROUPS[root], [f for f in fields if f.path.split(".")[0] == root and not f.refusal]) for root in GROUPS
        ],
        "state_path": STATE,
        "refused": [known for known in fields if known.refusal],
        "ops": [(op.value, label) for op, label in OP_LABELS.items()],
        "colours": [colour.value for colour in Colour],
        "columns": [*spec.columns, *[None] * SPARE],
        "filters": [*spec.filters, *[None] * SPARE],
        "rules": [*spec.colours, *[None] * SPARE],
        "largest": spec.sort.startswith("-"),
    }
