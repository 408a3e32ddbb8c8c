"""The index of values: whatever is asked of it, it answers as the jobs themselves would."""

import random
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.domain.job_filter import JobFilter
from jobs.domain.reviews import Decision, Reviewer
from jobs.domain.states import RETRYABLE, State
from jobs.domain.submission import NewJob
from jobs.domain.values import encode
from jobs.domain.view_filter import compile_filter
from jobs.domain.view_spec import ViewSpec
from jobs.models import IndexedField, Job, JobValue, Review, StepRun
from jobs.queries import value_pages
from jobs.queries.job_pages import list_ids
from jobs.queries.records import load_records
from jobs.queries.value_pages import Finder, Place, Sort
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services import indexing
from jobs.services.control import cancel_job, retry_job
from jobs.services.indexing import SETTLE, sync_fields, sync_published, take_field, work_field
from jobs.services.review_effects import apply_due_reviews
from jobs.services.reviews import decide_review, undo_decision
from jobs.services.submit import submit_jobs
from jobs.services.values import refresh_by_id
from jobs.services.views import save_view
from taskflow.lib.cache import forget_all
from taskflow.lib.clock import utcnow
from tenants.domain.roles import Role
from tests.factories import NOW, Cast, make_job, make_review, make_version, make_workflow
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
    finder = Finder(cast.tenant.pk, wanted, Q(), sort=sort)
    seen: list[Place] = []
    place: Place | None = None
    while page := finder.find(place, onwards=True, size=size):
        if place is not None:
            back = finder.find(page[0], onwards=False, size=size)
            assert back == list(reversed(seen[-size:]))
        seen += page
        place = page[-1]
    return [each.job_id for each in seen]


@pytest.mark.slow
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


STEPS = [
    {"key": "sort", "kind": "python", "config": {"function": "echo"}},
    {"key": "ask", "kind": "python", "config": {"function": "echo"}},
]
SPEC = {
    "count": "steps.sort.label",
    "sort": "review.decision",
    "filters": [
        {"path": path, "op": "empty", "value": "false"}
        for path in ("review.by", "review.at", "job.cost", "job.duration", "job.finished", "job.error", "job.queue")
    ],
}


def make_watched(cast: Cast) -> Workflow:
    """Make a workflow whose index holds something of everything."""
    workflow = make_workflow(cast.tenant, version={"fields": FIELDS}, steps=STEPS)
    known = {"user": cast.owner, "name": "all", "shared": False, "now": NOW}
    save_view(workflow=workflow, spec=ViewSpec.model_validate(SPEC), **known)
    fill(workflow)
    return workflow


def test_what_changes_a_job_changes_its_values_with_it(acme: Cast) -> None:
    """Submits, retries with another payload, answers, decides, undoes and cancels at random, and compares all."""
    workflow = make_watched(acme)
    chance, now = random.Random(7), NOW
    requests = [NewJob(workflow.slug, {"text": f"text {number}", "amount": number}) for number in range(6)]
    submit_jobs(tenant_id=acme.tenant.pk, requests=requests, now=now)
    assert kept_of(workflow) == held_by(workflow)
    who = Reviewer("reviewer@acme.test", Role.REVIEWER)
    for _ in range(40):
        now += timedelta(minutes=1)
        job = Job.objects.get(pk=chance.choice(list(Job.objects.values_list("pk", flat=True))))
        review = Review.objects.filter(job=job).order_by("-pk").first()
        if job.state in RETRYABLE:
            payload = {"text": "edited", "amount": chance.randint(0, 9)} if chance.random() < 0.7 else None
            retry_job(job=job, actor="test", now=now, payload=payload)
        elif job.state == State.PENDING:
            Job.objects.filter(pk=job.pk).update(state=State.WAITING.value, started_at=now)
            StepRun.objects.update_or_create(
                job=job,
                position=job.position,
                run_number=job.run_number,
                defaults={"attempt": 1, "step_key": "sort", "output": {"label": chance.choice("ab")}, "cost": 0.25}
                | {"seconds": 1.0, "finished_at": now},
            )
            make_review(Job.objects.get(pk=job.pk), now=now, step_key=f"step{chance.random()}", on_reject="fail")
            refresh_by_id([job.pk])
        elif review is not None and review.state == "open" and chance.random() < 0.8:
            decision = chance.choice([Decision.APPROVE, Decision.REJECT])
            decide_review(review=review, who=who, decision=decision, comment="because", now=now)
            if chance.random() < 0.3:
                undo_decision(review=Review.objects.get(pk=review.pk), who=who, now=now)
            else:
                apply_due_reviews(now=now + timedelta(seconds=30))
        else:
            cancel_job(job=job, actor="test", now=now)
        assert kept_of(workflow) == held_by(workflow)
    seen = {value for values in kept_of(workflow).values() for value in values.values()}
    assert {"sapprove", "sreject", "scancelled"} & seen
    assert {"sa", "sb", "sedited"} & seen


def test_jobs_that_run_write_their_values_with_their_results(acme: Cast) -> None:
    workflow = make_watched(acme)
    requests = [NewJob(workflow.slug, {"text": "t", "amount": 2, "label": "refund"}) for _ in range(3)]
    submit_jobs(tenant_id=acme.tenant.pk, requests=requests, now=utcnow())
    process = WorkerProcess(pool="default", slots=2)
    Drain(process, Job.objects.values_list("queue_id", flat=True)[0]).run()
    assert set(Job.objects.values_list("state", flat=True)) == {"SUCCEEDED"}
    assert kept_of(workflow) == held_by(workflow)
    wanted = JobFilter(workflow_id=workflow.pk, values=(compile_filter("job.duration", "gte", "0", UTC),))
    assert len(list_ids(acme.tenant.pk, wanted)) == 3


def test_redacted_fields_have_no_index_and_lose_the_one_they_had(acme: Cast) -> None:
    workflow = make_indexed(acme)
    assert IndexedField.objects.filter(path="result.label", state="ready").exists()
    hidden = [field | ({"redact": True} if field["key"] == "label" else {}) for field in FIELDS]
    make_version(workflow, number=2, fields=hidden)
    assert sync_published(now=NOW) == 1
    assert IndexedField.objects.get(path="result.label").state == "dropping"
    assert sync_published(now=NOW) == 0


def test_what_fills_a_field_goes_on_where_another_process_stopped(acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "CHUNK", 2)
    workflow = make_workflow(acme.tenant, version={"fields": FIELDS})
    for number in range(5):
        make_job(workflow, State.SUCCEEDED, result={"label": str(number)})
    sync_fields(workflow=workflow, now=NOW)
    row = IndexedField.objects.get(path="result.label")
    assert take_field(field_id=row.pk, now=NOW) is None
    later = NOW + SETTLE
    first = take_field(field_id=row.pk, now=later)
    assert first is not None
    assert take_field(field_id=row.pk, now=later) is None
    assert work_field(field=first, now=later)
    assert 0 < IndexedField.objects.get(pk=row.pk).percent < 100
    second = take_field(field_id=row.pk, now=later + indexing.STALE * 2)
    assert second is not None
    assert not work_field(field=first, now=later)
    while work_field(field=second, now=later + indexing.STALE * 2):
        pass
    assert JobValue.objects.filter(field=row).count() == 5
    assert IndexedField.objects.get(pk=row.pk).percent == 100
