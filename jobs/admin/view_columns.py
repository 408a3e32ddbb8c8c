"""What a view's columns show of each job, and the colour of its row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from jobs.admin.columns import Cell, as_text, clipped
from jobs.admin.view_state import ViewState
from jobs.domain.states import State
from jobs.domain.values import JobRecord, encode
from jobs.domain.view_address import states_named
from jobs.domain.view_filter import Op, ValueFilter, compile_filter
from jobs.domain.view_paths import STATE
from jobs.domain.view_spec import ViewColour
from jobs.models import Job
from jobs.queries.catalogue import numeric_paths
from jobs.queries.records import records_of
from jobs.templatetags.jobs_admin import ago, span, state_badge
from workflows.models import Workflow


@dataclass(frozen=True, slots=True)
class ViewColumnShown:
    """A column as a page shows it."""

    label: str
    path: str
    numeric: bool


def columns_shown(state: ViewState, workflow: Workflow) -> list[ViewColumnShown]:
    """Return a view's own columns; none where it shows what every list of the workflow shows."""
    numeric = numeric_paths(workflow)
    return [
        ViewColumnShown(column.label or state.label(column.path), column.path, column.path in numeric)
        for column in state.spec.columns
    ]


class Painter:
    """Says which colour a job's row has."""

    def __init__(self, colours: Sequence[ViewColour], zone: ZoneInfo) -> None:
        self.paths = [colour.path for colour in colours]
        self._rules = [(colour, self._test(colour, zone)) for colour in colours]

    @staticmethod
    def _test(colour: ViewColour, zone: ZoneInfo) -> ValueFilter | None:
        return None if colour.path == STATE else compile_filter(colour.path, colour.op, colour.value, zone)

    def colour(self, record: JobRecord) -> str:
        """Return the colour of the first rule that holds; empty for none."""
        for rule, test in self._rules:
            if test is None:
                holds = (record.job["state"] in states_named(rule)) is not (rule.op is Op.NOT)
            else:
                holds = test.holds(encode(record.at(rule.path)))
            if holds:
                return str(rule.colour)
        return ""


def load_rows(
    jobs: Sequence[Job], columns: Sequence[ViewColumnShown], painter: Painter
) -> dict[int, tuple[list[Cell], str]]:
    """Return each job's cells and colour, by id."""
    paths = [*(column.path for column in columns), *painter.paths]
    records = records_of(jobs, paths) if paths else {}
    return {
        pk: ([_cell(column, record.at(column.path)) for column in columns], painter.colour(record))
        for pk, record in records.items()
    }


def _cell(column: ViewColumnShown, value: Any) -> Cell:
    shown = _marked_up(column.path, value)
    if shown is not None:
        return Cell(shown, "", column.label, column.numeric)
    return clipped(as_text(_plain(column.path, value)), column.label, numeric=column.numeric)


def _marked_up(path: str, value: Any) -> SafeString | str | None:
    if isinstance(value, datetime):
        return ago(value)
    if path == STATE and value in State.__members__:
        return state_badge(value)
    return span(value) if path == "job.duration" and value is not None else None


def _plain(path: str, value: Any) -> Any:
    if path == "job.cost" and isinstance(value, float):
        return f"{value:.4f}" if value else "0"
    return value
