"""Finding jobs: filters, and pages by cursor."""

from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.domain.states import FINAL, State
from jobs.models import Job
from tests.factories import NOW, Cast, make_job, make_queue, make_workflow
from tests.journeys.api.client import Api, faults, read
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


def ids(api: Api, **query: Any) -> list[str]:
    return [job["id"] for job in read(api.get("jobs", query))["results"]]


def uids(*jobs: Job) -> list[str]:
    return [str(job.uid) for job in jobs]


def pages(api: Api, **query: Any) -> list[list[str]]:
    """Follow `next` to the end."""
    found: list[list[str]] = []
    address = "/api/v1/jobs"
    while address:
        headers = {"Authorization": f"Bearer {api.key}"}
        page = read(api.client.get(address, query if not found else None, headers=headers))
        found.append([job["id"] for job in page["results"]])
        address = page["next"]
    return found


def test_jobs_are_listed_newest_first(api: Api, workflow: Workflow) -> None:
    first, second, third = (make_job(workflow) for _ in range(3))
    assert ids(api) == uids(third, second, first)


def test_one_or_several_states_are_asked_for_by_repeating_or_by_commas(api: Api, workflow: Workflow) -> None:
    jobs = {state: make_job(workflow, state) for state in State}
    assert ids(api, state="DEAD") == uids(jobs[State.DEAD])
    both = uids(jobs[State.DEAD], jobs[State.PENDING])
    assert ids(api, state=["PENDING", "DEAD"]) == both
    assert ids(api, state="pending, dead") == both
    assert len(ids(api)) == len(State)


def test_jobs_are_found_by_workflow_queue_and_priority(api: Api, acme: Cast, workflow: Workflow) -> None:
    other = make_workflow(acme.tenant, "tickets")
    plain = make_job(workflow)
    urgent = make_job(workflow, priority=1)
    ticket = make_job(other, queue=make_queue("slow"))
    assert ids(api, workflow="tickets") == uids(ticket)
    assert ids(api, queue="slow") == uids(ticket)
    assert ids(api, priority=1) == uids(urgent)
    assert ids(api, workflow="receipts") == uids(urgent, plain)
    assert ids(api, workflow="receipts", queue="slow") == []
    assert ids(api, workflow="receipts", state="PENDING,DEAD", priority=100) == uids(plain)


@pytest.mark.parametrize("few", [0, 1, 5000])
def test_a_priority_is_found_whether_few_or_many_have_it(
    api: Api, workflow: Workflow, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("jobs.queries.rare.FEW", few)
    jobs = [make_job(workflow, state, priority=1 + number % 2) for number, state in enumerate(State)]
    assert ids(api, priority=2) == uids(*jobs[1::2][::-1])
    assert pages(api, priority=2, page_size=3) == [uids(*jobs[7:1:-2]), uids(jobs[1])]
    assert ids(api, priority=2, state="SCHEDULED", queue="default", workflow="receipts") == uids(jobs[1])
    assert ids(api, priority=3) == []


def test_a_range_takes_its_start_in_and_leaves_its_end_out(api: Api, workflow: Workflow) -> None:
    jobs = [make_job(workflow, State.SUCCEEDED, now=NOW + timedelta(hours=hour)) for hour in range(4)]
    at = [(NOW + timedelta(hours=hour)).isoformat() for hour in range(4)]
    assert ids(api, created_after=at[1]) == uids(jobs[3], jobs[2], jobs[1])
    assert ids(api, created_before=at[1]) == uids(jobs[0])
    assert ids(api, created_after=at[1], created_before=at[3]) == uids(jobs[2], jobs[1])
    ended = [job.finished_at.isoformat() for job in jobs if job.finished_at]
    assert ids(api, finished_after=ended[1], finished_before=ended[2]) == uids(jobs[1])


def test_a_job_that_is_not_finished_is_in_no_range_of_finishing(api: Api, workflow: Workflow) -> None:
    jobs = [make_job(workflow, state) for state in State]
    finished = [job for job in jobs if State(job.state) in FINAL]
    assert ids(api, finished_after="2000-01-01T00:00:00Z") == uids(*finished[::-1])


def test_jobs_are_found_by_correlation_id_and_parent(api: Api, workflow: Workflow) -> None:
    parent = make_job(workflow, correlation_id="order-12")
    children = [make_job(workflow, parent=parent) for _ in range(2)]
    assert ids(api, correlation_id="order-12") == uids(parent)
    assert ids(api, parent=parent.uid) == uids(children[1], children[0])
    answer = read(api.get("jobs", {"parent": str(parent.uid), "page_size": 1}))
    assert answer["results"][0]["parent"] == str(parent.uid)
    assert ids(api, parent="01890000-0000-7000-8000-000000000000") == []


@pytest.mark.parametrize(
    "query", [{}, {"state": "PENDING,DEAD"}, {"workflow": "receipts"}, {"workflow": "receipts", "state": "PENDING"}]
)
def test_pages_hold_every_job_once_also_while_new_ones_arrive(
    api: Api, workflow: Workflow, query: dict[str, str]
) -> None:
    jobs = [make_job(workflow, State.PENDING if n % 3 else State.DEAD) for n in range(7)]
    wanted = [job for job in jobs if query.get("state") != "PENDING" or job.state == "PENDING"]
    first = read(api.get("jobs", query | {"page_size": "2"}))
    make_job(workflow)
    rest = pages(api, **query, page_size=2, cursor=first["next_cursor"])
    assert [job["id"] for job in first["results"]] + list(chain.from_iterable(rest)) == uids(*wanted[::-1])


def test_the_last_page_has_no_next_even_when_it_is_full(api: Api, workflow: Workflow) -> None:
    for _ in range(4):
        make_job(workflow)
    assert [len(page) for page in pages(api, page_size=2)] == [2, 2]


def test_a_page_costs_the_same_few_queries_whatever_its_size(api: Api, workflow: Workflow) -> None:
    parent = make_job(workflow)
    for state in State:
        make_job(workflow, state, parent=parent, error_class="E", error_message="m")
    ids(api)
    counts = []
    for size in (1, 8):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(ids(api, page_size=size)) == size
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 2


@pytest.mark.parametrize(
    ("query", "field", "reason"),
    [
        ({"colour": "red"}, "colour", "There is no such filter."),
        ({"State": "DEAD"}, "State", "There is no such filter."),
        ({"state": "BROKEN"}, "state", "Select a valid choice. BROKEN is not one of the available choices."),
        ({"workflow": "nope"}, "workflow", "There is no workflow 'nope'."),
        ({"queue": "nope"}, "queue", "There is no queue 'nope'."),
        ({"priority": "high"}, "priority", "Enter a number."),
        ({"priority": ["1", "2"]}, "priority", "Given more than once."),
        ({"created_after": "yesterday"}, "created_after", "Enter a valid date/time."),
        ({"created_after": "0001-01-01"}, "created_after", "Must be in the years 1971 to 9998."),
        ({"created_before": "9999-12-31T23:59:59Z"}, "created_before", "Must be in the years 1971 to 9998."),
        ({"finished_after": "0001-01-01T00:00+14:00"}, "finished_after", "Must be in the years 1971 to 9998."),
        ({"finished_before": "9999-12-31T23:59:59Z"}, "finished_before", "Must be in the years 1971 to 9998."),
        ({"parent": "12"}, "parent", "Enter a valid UUID."),
        ({"page_size": "0"}, "page_size", "Must be a whole number from 1 to 200."),
        ({"page_size": "201"}, "page_size", "Must be a whole number from 1 to 200."),
        ({"page_size": "1e2"}, "page_size", "Must be a whole number from 1 to 200."),
        ({"cursor": "nonsense"}, "cursor", "Not a cursor of this list. Use `next_cursor` of the page before."),
        ({"cursor": "é"}, "cursor", "Not a cursor of this list. Use `next_cursor` of the page before."),
    ],
)
def test_a_filter_that_is_unknown_or_wrong_is_named(api: Api, query: dict[str, Any], field: str, reason: str) -> None:
    assert faults(api.get("jobs", query)) == {field: reason}
