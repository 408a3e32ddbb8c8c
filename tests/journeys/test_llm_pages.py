"""What people and programs see of language models: on a job's page, in the API, and in the sums of a tenant."""

from datetime import timedelta

import pytest
from django.test import Client

from jobs.domain.states import State
from jobs.models import StepRun
from taskflow.lib.clock import utcnow
from tenants.services import create_api_key
from tests.factories import make_job, make_llm_call, make_llm_usage, make_workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(acme):
    workflow = make_workflow(acme.tenant, "tickets")
    job = make_job(workflow, State.SUCCEEDED, position=1)
    StepRun.objects.create(
        job=job,
        position=0,
        attempt=2,
        step_key="step1",
        output={"label": "fees"},
        seconds=1.0,
        input_tokens=100,
        output_tokens=10,
        cost=0.5,
        confidence=0.75,
        confidence_by="logprobs",
        model="gpt-4o-mini",
        finished_at=utcnow(),
    )
    make_llm_call(job, attempt=1, error="ModelUnavailable: busy", answer="", input_tokens=7, output_tokens=0, cost=0.25)
    make_llm_call(job, attempt=2, prompt="Sort <b>this</b>", answer='{"label": "fees"}')
    return job


@pytest.fixture
def viewer(acme, client):
    client.force_login(acme.viewer)
    return client


def test_a_jobs_page_shows_what_was_asked_and_answered(job, viewer):
    page = viewer.get(f"/admin/jobs/job/{job.uid}/change/").content.decode()
    for text in ("Calls to language models", "Sort &lt;b&gt;this", "ModelUnavailable: busy", "0.75 sure (logprobs)"):
        assert text in page
    assert "117, $0.7500" in page  # with what the attempt that failed took


def test_the_api_tells_each_call_without_its_texts(job, acme):
    _, key = create_api_key(tenant=acme.tenant, name="reader")
    answer = Client().get(f"/api/v1/jobs/{job.uid}", HTTP_AUTHORIZATION=f"Bearer {key}")
    story = answer.json()
    assert story["usage"] == {"input_tokens": 107, "output_tokens": 10, "cost": 0.75}
    assert [(call["attempt"], call["model"], call["error"]) for call in story["model_calls"]] == [
        (1, "gpt-4o-mini", "ModelUnavailable: busy"),
        (2, "gpt-4o-mini", None),
    ]
    assert (story["step_runs"][0]["model"], story["step_runs"][0]["confidence_by"]) == ("gpt-4o-mini", "logprobs")
    assert "Sort <b>" not in answer.content.decode()


def test_usage_is_summed_by_workflow_day_and_model(acme, globex, viewer):
    today = utcnow().date()
    tickets = make_workflow(acme.tenant, "tickets")
    make_llm_usage(tickets, day=today, cached=4, failed=1)
    make_llm_usage(tickets, day=today, model="claude-haiku", cost=1.5)
    make_llm_usage(tickets, day=today - timedelta(days=20), calls=100)
    make_llm_usage(tickets, day=today, calls=5, input_tokens=0, output_tokens=0, cost=0, tests=True)
    make_llm_usage(make_workflow(globex.tenant, "secret"), day=today, model="theirs")
    page = viewer.get("/admin/jobs/llmusage/?days=7").content.decode()
    assert (
        "asked language models 25 times in 7 days: 2,640 tokens, $1.50. 4 were answered from memory, 1 failed." in page
    )
    assert page.count("claude-haiku") == 1
    assert page.count("1, in tests</td>") == 1
    assert "theirs" not in page
    longer = viewer.get("/admin/jobs/llmusage/?days=nonsense").content.decode()
    assert "asked language models 125 times in 30 days" in longer


def test_a_tenant_that_asked_nothing_is_told_what_would_be_here(viewer):
    assert "No language model was asked" in viewer.get("/admin/jobs/llmusage/").content.decode()


def test_the_sums_cannot_be_changed(acme, client):
    usage = make_llm_usage(make_workflow(acme.tenant))
    client.force_login(acme.owner)
    for page in ("add/", f"{usage.pk}/delete/"):
        assert client.get(f"/admin/jobs/llmusage/{page}").status_code == 403
    assert client.get(f"/admin/jobs/llmusage/{usage.pk}/change/").url == "/admin/jobs/llmusage/"
