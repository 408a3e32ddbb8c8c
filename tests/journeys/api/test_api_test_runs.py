"""Test runs over REST."""

from typing import Any

import pytest
from django.test import Client

from jobs.models import Trial
from jobs.runtime.trials import run_trial
from tenants.services import create_api_key
from tests.factories import Cast, make_workflow
from workflows.models import Sample

pytestmark = pytest.mark.django_db
RUNS = "/api/v1/workflows/receipts/test-runs"


@pytest.fixture
def ask(acme: Cast, client: Client) -> Any:
    workflow = make_workflow(acme.tenant, "receipts")
    Sample.objects.create(workflow=workflow, input={"total": 1}, expected={"total": 2}, name="One")
    Sample.objects.create(workflow=workflow, input={"total": 3})
    _, key = create_api_key(tenant=acme.tenant, name="all")

    def asking(method: str, address: str, body: Any = None) -> Any:
        sent = {"data": body, "content_type": "application/json"} if method == "post" else {}
        return getattr(client, method)(address, HTTP_AUTHORIZATION=f"Bearer {key}", **sent)

    return asking


def test_a_test_is_started_and_its_rows_are_read(ask: Any) -> None:
    started = ask("post", RUNS, {})
    assert (started.status_code, started.json()["total"], started.json()["state"]) == (201, 2, "running")
    run_trial(Trial.objects.get().pk)
    address = f"{RUNS}/{started.json()['id']}"
    read = ask("get", address).json()
    counts = {"same": 2, "changed": 0, "fixed": 0, "broken": 0, "errors": 0, "new": 0}
    assert (read["state"], read["counts"], read["next_after"]) == ("done", counts, None)
    assert [(row["name"], row["draft"], row["expected"]) for row in read["rows"]] == [
        ("One", {"total": 1}, {"total": 2}),
        ("", {"total": 3}, None),
    ]
    assert ask("get", f"{address}?after=0").json()["rows"][0]["position"] == 1
    assert ask("get", f"{address}?status=broken").json()["rows"] == []
    assert ask("post", RUNS, {"samples": "golden"}).json()["total"] == 1


def test_what_cannot_be_tested_or_read_says_why(ask: Any) -> None:
    assert ask("post", RUNS, {"step": "x"}).status_code == 400
    assert ask("post", RUNS, {"samples": "some"}).status_code == 400
    assert ask("post", RUNS.replace("receipts", "nothing"), {}).status_code == 404
    address = f"{RUNS}/{ask('post', RUNS, {}).json()['id']}"
    assert ask("get", f"{address}?status=nice").status_code == 400
    assert ask("get", f"{address}?after=x").status_code == 400
    assert ask("get", address.replace("receipts", "nothing")).status_code == 404
