"""Pages of jobs by keyset: nothing twice, nothing left out, whatever lies between."""

from datetime import timedelta

import pytest

from jobs.domain.job_filter import JobFilter
from jobs.domain.states import State
from jobs.models import Job
from jobs.queries.job_pages import count_states, first_id_since, get_page, list_ids
from tests.factories import NOW, Cast, make_job, make_queue, make_workflow

#: Ids with gaps wider than any stretch that is looked through at once.
SPARSE = [1, 2, 4_000, 4_001, 40_000, 300_000, 300_001, 5_000_000]


@pytest.fixture
def sparse(acme: Cast) -> list[Job]:
    workflow = make_workflow(acme.tenant)
    states = [State.FAILED, State.SUCCEEDED, State.DEAD]
    return [make_job(workflow, states[number % 3], pk=pk) for number, pk in enumerate(SPARSE)]


@pytest.mark.parametrize("states", [(), ("FAILED",), ("FAILED", "DEAD"), ("RUNNING",)])
@pytest.mark.parametrize("by_workflow", [True, False])
def test_pages_lead_through_all_jobs_in_both_directions(
    acme: Cast, sparse: list[Job], states: tuple[str, ...], by_workflow: bool
) -> None:
    wanted = JobFilter(workflow_id=sparse[0].workflow_id if by_workflow else None, states=states)
    expected = [job.pk for job in reversed(sparse) if not states or job.state in states]
    page = get_page(acme.tenant.pk, wanted, size=2)
    seen = [job.pk for job in page.jobs]
    while page.older is not None:
        page = get_page(acme.tenant.pk, wanted, before=page.older, size=2)
        seen += [job.pk for job in page.jobs]
    assert seen == expected
    back = [job.pk for job in page.jobs]
    while page.newer is not None:
        page = get_page(acme.tenant.pk, wanted, after=page.newer, size=2)
        back = [job.pk for job in page.jobs] + back
    assert back == expected


def test_a_page_beyond_the_end_is_empty(acme: Cast, sparse: list[Job]) -> None:
    assert get_page(acme.tenant.pk, JobFilter(), before=1).jobs == []
    assert get_page(acme.tenant.pk, JobFilter(), after=5_000_000).jobs == []


def test_jobs_of_another_tenant_are_on_no_page(acme: Cast, globex: Cast, sparse: list[Job]) -> None:
    wanted = JobFilter(ids=tuple(job.pk for job in sparse))
    for filtered in (JobFilter(), wanted, JobFilter(workflow_id=sparse[0].workflow_id)):
        assert list_ids(globex.tenant.pk, filtered) == []


def test_a_range_of_time_becomes_a_range_of_ids(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant)
    jobs = [make_job(workflow, now=NOW + timedelta(hours=number)) for number in range(10)]
    assert first_id_since(NOW + timedelta(hours=4)) == jobs[4].pk
    assert first_id_since(NOW - timedelta(days=1)) == jobs[0].pk
    assert first_id_since(NOW + timedelta(days=1)) == jobs[9].pk + 1
    wanted = JobFilter(created_from=NOW + timedelta(hours=2), created_to=NOW + timedelta(hours=5))
    assert list_ids(acme.tenant.pk, wanted) == [jobs[4].pk, jobs[3].pk, jobs[2].pk]


def test_jobs_whose_ids_and_times_disagree_a_little_are_found(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant)
    late = make_job(workflow, now=NOW + timedelta(seconds=2))
    early = make_job(workflow, now=NOW)
    assert list_ids(acme.tenant.pk, JobFilter(created_from=NOW + timedelta(seconds=1))) == [late.pk]
    assert list_ids(acme.tenant.pk, JobFilter(created_to=NOW + timedelta(seconds=1))) == [early.pk]


def test_states_are_counted_up_to_a_limit(acme: Cast, sparse: list[Job]) -> None:
    make_job(make_workflow(acme.tenant), State.RUNNING, queue=make_queue("other"))
    counts = count_states(acme.tenant.pk, JobFilter(), limit=2)
    assert (counts["FAILED"], counts["RUNNING"], counts["WAITING"]) == (2, 1, 0)
    of_workflow = count_states(acme.tenant.pk, JobFilter(workflow_id=sparse[0].workflow_id), limit=100)
    assert (of_workflow["FAILED"], of_workflow["RUNNING"]) == (3, 0)


def test_a_filter_survives_being_stored() -> None:
    wanted = JobFilter(3, 4, ("DEAD",), NOW, NOW + timedelta(days=1), "request", (1, 2))
    assert JobFilter.from_json(wanted.to_json()) == wanted
    assert JobFilter.from_json(JobFilter().to_json()) == JobFilter()
