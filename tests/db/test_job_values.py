"""The index of values: whatever is asked of it, it answers as the jobs themselves would."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.domain.job_filter import JobFilter
from jobs.domain.states import State
from jobs.domain.values import encode
from jobs.domain.view_filter import compile_filter
from jobs.models import IndexedField, Job, JobValue
from jobs.queries import value_pages
from jobs.queries.job_pages import list_ids
from jobs.queries.records import load_records
from jobs.queries.value_pages import Finder, Place, Sort
from jobs.services.indexing import SETTLE, sync_fields, take_field, work_field
from jobs.services.values import refresh_by_id
from taskflow.lib.cache import forget_all
from tests.factories import NOW, Cast, make_job, make_workflow
from workflows.models import Workflow

UTC = ZoneInfo("UTC")
FIELDS = [
    {"key": "text", "in_list": True},
    {"key": "amount", "type": "number", "in_list": True},
    {"key": "label", "role": "output", "in_list": True},
    {"key": "total", "type": "number", "role": "output", "in_list": True},
]
PATHS = ("payload.text", "payload.amount", "result.label", "result.total")
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        ["refund", "other", "Other", "5", "é", "e", "", " a  b ", "a\nb", "2026-03-01", "a" * 200, "a" * 199]
    ),
    st.integers(-3, 12),
    st.sampled_from([0.5, -0.0, 1e300, -7.25, 2**70, 10**400]),
    st.sampled_from(["2026-03-01T10:00:00Z", "2026-03-01T12:00:00+02:00", "2026-03-02T00:30:00+01:00"]),
    st.lists(st.sampled_from(["x", "y"]), max_size=2),
)
ASKED = st.sampled_from(
    ["refund", "other", "5", "0", "-7.25", "2026-03-01", "2026-03-01T10:00:00Z", "e", "a b", "true", "a" * 200]
)
CONDITIONS = st.one_of(
    st.tuples(st.sampled_from(["is", "not", "gte", "lte", "gt", "lt", "contains"]), ASKED),
    st.tuples(st.just("in"), st.lists(ASKED, min_size=1, max_size=3).map(",".join)),
    st.tuples(st.just("empty"), st.sampled_from(["true", "false"])),
)
FILTERS = st.lists(st.tuples(st.sampled_from(PATHS), CONDITIONS), min_size=1, max_size=3)


def make_indexed(cast: Cast, **fields: Any) -> Workflow:
    workflow = make_workflow(cast.tenant, version={"fields": FIELDS}, **fields)
    sync_fields(workflow=workflow, now=NOW)
    fill(workflow)
    return workflow


def fill(workflow: Workflow) -> None:
    """Do the background work that is due on the workflow's fields."""
    later = NOW + SETTLE * 2
    for row in IndexedField.objects.filter(workflow=workflow).exclude(state="ready"):
        held = take_field(field_id=row.pk, now=later)
        assert held is not None
        while work_field(field=held, now=later):
            pass
    forget_all()


def held_by(workflow: Workflow) -> dict[int, dict[str, str]]:
    """Return what each job's values are, worked out from the job itself."""
    ids = list(Job.objects.filter(workflow=workflow).values_list("pk", flat=True))
    paths = list(IndexedField.objects.filter(workflow=workflow).values_list("path", flat=True))
    return {pk: {path: encode(record.at(path)) for path in paths} for pk, record in load_records(ids, paths).items()}


def kept_of(workflow: Workflow) -> dict[int, dict[str, str]]:
    kept: dict[int, dict[str, str]] = {}
    rows = JobValue.objects.filter(field__workflow=workflow).values_list("job_id", "field__path", "value")
    for job_id, path, value in rows:
        kept.setdefault(job_id, {})[path] = value
    return kept


def expected(workflow: Workflow, wanted: JobFilter) -> list[int]:
    states = dict(Job.objects.filter(workflow=workflow).values_list("pk", "state"))
    matching = [
        pk
        for pk, values in held_by(workflow).items()
        if all(each.holds(values[each.path]) for each in wanted.values)
        and (not wanted.states or states[pk] in wanted.states)
    ]
    return sorted(matching, reverse=True)


def pages(cast: Cast, wanted: JobFilter, sort: Sort | None, size: int = 3) -> list[int]:
    """Return all that a list shows, page by page; each page leads back to the one before."""
    finder = Finder(cast.tenant.pk, wanted, value_pages.Q(), sort=sort)
    seen: list[Place] = []
    place: Place | None = None
    while page := finder.find(place, onwards=True, size=size):
        if place is not None:
            back = finder.find(page[0], onwards=False, size=size)
            assert back == list(reversed(seen[-size:]))
        seen += page
        place = page[-1]
    return [each.job_id for each in seen]


@pytest.mark.parametrize("few", [20_000, 2])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    held=st.lists(st.tuples(VALUES, VALUES, VALUES, st.sampled_from(list(State))), min_size=1, max_size=14),
    asked=st.lists(FILTERS, min_size=1, max_size=4),
    states=st.sampled_from([(), ("FAILED",), ("SUCCEEDED", "DEAD")]),
)
def test_the_index_finds_the_jobs_that_the_filter_holds_for(
    acme: Cast, monkeypatch: pytest.MonkeyPatch, few: int, held: Any, asked: Any, states: tuple[str, ...]
) -> None:
    monkeypatch.setattr(value_pages, "FEW", few)
    monkeypatch.setattr(value_pages, "STRETCHES", (3, 5))
    monkeypatch.setattr(value_pages, "BATCHES", (2, 4))
    workflow = make_indexed(acme)
    jobs = [
        make_job(workflow, state, payload={"text": text, "amount": number}, result={"label": label, "total": number})
        for text, number, label, state in held
    ]
    refresh_by_id([])
    fields = {row.path: row for row in IndexedField.objects.filter(workflow=workflow)}
    IndexedField.objects.filter(workflow=workflow).update(state="filling", last_id=None)
    fill(workflow)
    assert len(fields) == len(PATHS)
    assert kept_of(workflow) == held_by(workflow)
    values = held_by(workflow)
    for conditions in asked:
        compiled = tuple(compile_filter(path, op, text, UTC) for path, (op, text) in conditions)
        wanted = JobFilter(workflow_id=workflow.pk, values=compiled, states=states)
        matching = expected(workflow, wanted)
        assert pages(acme, wanted, None) == matching
        assert list_ids(acme.tenant.pk, wanted, after=0, size=100) == sorted(matching)
        for path, largest in (("payload.amount", True), ("result.label", False)):
            order = sorted(matching, key=lambda pk, path=path: (values[pk][path], pk), reverse=largest)  # type: ignore[misc]
            assert pages(acme, wanted, Sort(path, largest)) == order
    Job.objects.filter(pk__in=[job.pk for job in jobs]).delete()
    assert not JobValue.objects.exists()
