"""Every refusal under /api/ is a problem document, whoever refuses."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.urls import path
from rest_framework.views import APIView

from taskflow.lib.clock import utcnow
from taskflow.urls import urlpatterns as real_urlpatterns
from tenants.domain.roles import Scope
from tenants.models import ApiKey, Tenant
from tests.factories import Cast
from tests.journeys.api.client import PROBLEM, Api, faults, read
from workflows.models import Workflow


class Broken(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Any) -> Any:
        raise RuntimeError("secret words")


urlpatterns = [*real_urlpatterns, path("api/broken", Broken.as_view())]


def check(answer: Any, status: int, detail: str) -> dict[str, Any]:
    document: dict[str, Any] = read(answer, status)
    assert document["status"] == status
    assert document["detail"] == detail
    assert document["title"]
    assert document["type"] == "about:blank" or document["type"].startswith("urn:taskflow:problem:")
    assert document["request_id"] == answer["X-Request-ID"]
    return document


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["nothing", "jobs/", "jobs/not-a-uid", "jobs/1/cancel", "jobs/\x00"])
def test_an_address_that_is_none_is_a_problem(path: str, api: Api) -> None:
    document = check(api.get(path), 404, "There is nothing at this address.")
    assert document["instance"] == f"/api/v1/{path}"


@pytest.mark.django_db
@override_settings(DEBUG=True)
def test_a_missing_address_is_a_problem_while_debugging_too() -> None:
    check(Client().get("/api/v1/nothing"), 404, "There is nothing at this address.")


def test_a_missing_address_outside_the_api_is_a_page() -> None:
    assert Client().get("/nothing")["Content-Type"].startswith("text/html")


@pytest.mark.django_db
def test_a_method_that_is_not_served_names_those_that_are(api: Api, workflow: Workflow) -> None:
    answer = api.client.put("/api/v1/jobs", headers={"Authorization": f"Bearer {api.key}"})
    check(answer, 405, 'Method "PUT" not allowed.')
    assert answer["Allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.django_db
def test_a_form_is_not_json(api: Api) -> None:
    answer = api.post("jobs", raw=b"workflow=receipts", kind="application/x-www-form-urlencoded")
    said = 'Unsupported media type "application/x-www-form-urlencoded" in request. Send the body as application/json.'
    check(answer, 415, said)


@pytest.mark.django_db
def test_a_host_that_is_not_ours_is_refused() -> None:
    check(Client().get("/api/v1/jobs", headers={"Host": "evil.example"}), 400, "The request is malformed.")


@override_settings(ROOT_URLCONF=__name__)
def test_a_fault_of_ours_tells_nothing_but_its_id() -> None:
    answer = Client(raise_request_exception=False).get("/api/broken")
    check(answer, 500, "Something went wrong here. It has been recorded under this request's id.")
    assert b"secret words" not in answer.content


@pytest.mark.django_db
def test_without_a_key_there_is_nothing_to_see() -> None:
    answer = Client().get("/api/v1/jobs")
    check(answer, 401, "Authentication credentials were not provided.")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["Bearer", "Bearer nonsense", "Bearer tf_00000000_" + "0" * 64, "Basic abc"])
def test_a_wrong_key_is_refused(value: str) -> None:
    answer = Client().get("/api/v1/jobs", headers={"Authorization": value})
    assert read(answer, 401)["request_id"]


@pytest.mark.django_db
def test_a_key_that_has_expired_or_was_revoked_is_refused(acme: Cast) -> None:
    for change in ({"expires_at": utcnow() - timedelta(seconds=1)}, {"revoked_at": utcnow()}):
        api = Api(acme.tenant)
        ApiKey.objects.filter(pk=api.api_key.pk).update(**change)
        read(api.get("jobs"), 401)


@pytest.mark.django_db
def test_a_tenant_that_is_switched_off_is_locked_out(acme: Cast) -> None:
    Tenant.objects.filter(pk=acme.tenant.pk).update(active=False)
    read(Api(acme.tenant).get("jobs"), 401)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "jobs", Scope.JOBS_READ),
        ("post", "jobs", Scope.JOBS_WRITE),
        ("post", "jobs/bulk", Scope.JOBS_WRITE),
        ("get", "workflows", Scope.WORKFLOWS_READ),
        ("get", "admin/queues", Scope.QUEUES_READ),
        ("post", "admin/queues/default/pause", Scope.QUEUES_WRITE),
        ("post", "admin/queues/default/resume", Scope.QUEUES_WRITE),
    ],
)
def test_a_key_may_do_what_its_scopes_say_and_nothing_else(acme: Cast, method: str, path: str, scope: Scope) -> None:
    others = [each for each in Scope if each is not scope]
    answer = getattr(Api(acme.tenant, others), method)(path)
    check(answer, 403, f"This API key lacks the scope {scope.value}.")
    assert getattr(Api(acme.tenant, [scope]), method)(path).status_code != 403


@pytest.mark.django_db
def test_too_many_requests_of_a_key_are_told_when_to_come_back(acme: Cast, api: Api, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    minute = utcnow().replace(second=20, microsecond=0)
    with time_machine.travel(minute, tick=False):
        assert [api.get("jobs").status_code for _ in range(3)] == [200, 200, 429]
        answer = api.get("jobs")
        check(answer, 429, "Request was throttled. Expected available in 41 seconds.")
        assert answer["Retry-After"] == "41"
        assert Api(acme.tenant).get("jobs").status_code == 200
    with time_machine.travel(minute + timedelta(seconds=41), tick=False):
        assert api.get("jobs").status_code == 200


@pytest.mark.django_db
def test_zero_means_no_limit(api: Api, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 0
    assert [api.get("jobs").status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.django_db
def test_a_body_that_is_no_object_is_refused(api: Api, workflow: Workflow) -> None:
    for raw in (b"[]", b"1", b"null", b'"text"'):
        check(api.post("jobs", raw=raw), 400, "The body must be a JSON object.")


@pytest.mark.django_db
def test_no_body_is_a_body_without_its_fields(api: Api, workflow: Workflow) -> None:
    assert set(faults(api.post("jobs", raw=b""))) == {"workflow", "payload"}


@pytest.mark.django_db
def test_whatever_a_client_accepts_it_gets_json(api: Api) -> None:
    assert read(api.get("jobs", Accept="text/html")) == {"results": [], "next": None, "next_cursor": None}
    assert api.get("nothing", Accept="text/html")["Content-Type"] == PROBLEM


@pytest.mark.parametrize(
    "error", [(1205, "Lock wait timeout"), (2006, "Server has gone away"), ("database is locked",)]
)
def test_a_database_that_is_busy_or_away_is_no_fault_of_ours_and_may_be_tried_again(api: Api, error: Any) -> None:
    def fail(*_query: Any) -> None:
        raise OperationalError(*error)

    with connection.execute_wrapper(fail):
        answer = api.get("automation-rules")
    document = read(answer, 503)
    assert (document["type"], answer["Retry-After"]) == ("urn:taskflow:problem:try-again", "1")
    assert "Send the request again" in document["detail"]
    assert api.get("automation-rules").status_code == 200
