"""No key sees or touches anything of another tenant, by any route."""

import re
from typing import Any

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from jobs.domain.states import State
from jobs.models import Event, Job, Lane
from tenants.domain.roles import Scope
from tests.factories import Cast, make_job, make_queue, make_review, make_workflow
from tests.journeys.api.client import Api, faults, read

pytestmark = pytest.mark.django_db


def api_routes(patterns: Any = None, prefix: str = "") -> list[str]:
    """Return every address below /api/v1/, its parameters in angle brackets."""
    found = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        here = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += api_routes(pattern.url_patterns, here)
        elif isinstance(pattern, URLPattern) and here.startswith("api/v1/"):
            found.append(here.removeprefix("api/v1/"))
    return found


@pytest.fixture
def theirs(globex: Cast) -> Job:
    """A job of another tenant, as secret as it gets."""
    workflow = make_workflow(globex.tenant, "globex-only", name="SECRET")
    parent = make_job(
        workflow, State.FAILED, payload={"text": "SECRET"}, correlation_id="SECRET", result={"x": "SECRET"}
    )
    job = make_job(workflow, State.FAILED, parent=parent, payload={"text": "SECRET"}, correlation_id="SECRET")
    make_review(job, title="SECRET", proposal={"text": "SECRET"})
    return job


def filled(route: str, theirs: Job) -> str:
    uid = theirs.reviews.get().uid if route.startswith("reviews/") else theirs.uid
    values = {"uid": str(uid), "slug": theirs.workflow.slug, "file": str(theirs.uid), "key": "nonsense", "number": "1"}
    values |= dict.fromkeys(("delivery", "firing"), str(theirs.uid))
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match[1]], route)


def test_every_route_answers_404_for_what_belongs_to_another_tenant(api: Api, theirs: Job) -> None:
    before = Job.objects.values().get(pk=theirs.pk)
    routes = [route for route in api_routes() if "<" in route]
    assert len(routes) >= 6
    for route in routes:
        for method in (api.get, api.post):
            answer = method(filled(route, theirs))
            assert answer.status_code in (404, 405), route
            assert b"SECRET" not in answer.content, route
    assert Job.objects.values().get(pk=theirs.pk) == before
    assert not Event.objects.exists()
    assert theirs.reviews.get().claimed_by == ""


def test_no_list_shows_what_belongs_to_another_tenant(acme: Cast, theirs: Job) -> None:
    api = Api(acme.tenant, [scope for scope in Scope if scope is not Scope.FLEET])
    own = make_job(make_workflow(acme.tenant))
    for route in api_routes():
        if "<" not in route and route != "schema":
            answer = api.get(route)
            assert b"SECRET" not in answer.content, route
            assert b"globex" not in answer.content, route
    assert [job["id"] for job in read(api.get("jobs"))["results"]] == [str(own.uid)]


def test_no_filter_reaches_another_tenant(api: Api, theirs: Job) -> None:
    assert read(api.get("jobs", {"parent": str(theirs.parent.uid)}))["results"] == []
    assert read(api.get("jobs", {"correlation_id": "SECRET"}))["results"] == []
    assert faults(api.get("jobs", {"workflow": "globex-only"})) == {"workflow": "There is no workflow 'globex-only'."}


def test_no_job_is_sent_to_another_tenants_workflow(api: Api, theirs: Job) -> None:
    answer = api.post("jobs", {"workflow": "globex-only", "payload": {}})
    assert faults(answer) == {"workflow": "There is no workflow 'globex-only'."}
    assert Job.objects.count() == 2


def test_children_are_told_to_their_own_tenant_only(acme: Cast, api: Api, theirs: Job) -> None:
    own = make_job(make_workflow(acme.tenant))
    Job.objects.filter(pk=theirs.pk).update(parent=own)
    assert read(api.get(f"jobs/{own.uid}"))["children"] == []


def test_a_pause_of_one_tenant_is_none_of_another(acme: Cast, globex: Cast, theirs: Job) -> None:
    make_queue()
    read(Api(acme.tenant).post("admin/queues/default/pause"))
    assert Lane.objects.get(tenant=globex.tenant).paused_at is None
