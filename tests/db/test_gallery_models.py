"""Starters of the gallery as whole jobs: by rules without a connection, by a language model once there is one."""

import pytest

from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Job
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services.submit import submit_job
from taskflow.lib.cache import forget_all
from taskflow.lib.clock import utcnow
from tenants.models import Tenant
from tenants.services.connections import create_connection
from tests.factories import make_queue, make_tenant
from tests.llm_server import Answer
from workflows.llm.calling import forget_unknown
from workflows.models import Workflow
from workflows.services.gallery import get_starter, install_starter

pytestmark = pytest.mark.django_db(transaction=True)
#: What a model finds in a text in which the rules find something else.
FOUND = {
    "invoices": (
        {"supplier": "Blue Ltd", "invoice_number": "X-1", "date": "2026-03-01", "due_date": None, "total": 2000,
         "currency_mark": "€"},
        {"supplier": "Blue Ltd", "total": 2000, "currency": "EUR", "route": "approval"},
    ),
    "moderation": ({"label": "offensive", "contact": None}, {"label": "offensive", "route": "hide"}),
    "resumes": (
        {"name": "Ana", "email": "ana@example.com", "phone": None, "stated_years": 9},
        {"name": "Ana", "years": 9, "route": "decline"},
    ),
    "support-tickets": (
        {"type": "request", "topic": "security", "urgency": "normal"},
        {"topic": "security", "priority": "urgent", "route": "security"},
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_known():
    forget_unknown()


@pytest.fixture
def process():
    process = WorkerProcess(pool="default", slots=2)
    yield process
    process.close("the test is over")


def run(process: WorkerProcess, workflow: Workflow) -> Job:
    forget_all()
    queue = make_queue()
    text = "Blue Ltd wants 2000 from you. Regards, Ana. ana@example.com X-1"
    job = submit_job(tenant_id=workflow.tenant_id, request=NewJob(workflow.slug, {"text": text}), now=utcnow())
    Drain(process, queue.pk).run()
    job.refresh_from_db()
    return job


def install(tenant: Tenant, slug: str) -> Workflow:
    return install_starter(tenant=tenant, starter=get_starter(slug), now=utcnow()).workflow


@pytest.mark.parametrize("slug", FOUND)
def test_a_starter_asks_a_model_once_there_is_a_connection(process, llm, slug) -> None:
    tenant, (found, expected) = make_tenant(), FOUND[slug]
    workflow = install(tenant, slug)
    job = run(process, workflow)
    assert job.state in (State.SUCCEEDED, State.WAITING)
    assert llm.requests == []
    create_connection(
        tenant=tenant,
        slug="default",
        kind="openai",
        config={"base_url": llm.url, "model": "gpt-4o-mini"},
        secrets={"api_key": "sk-1"},
        now=utcnow(),
    )
    llm.script(Answer(found | {"confidence": 0.9}))
    job = run(process, workflow)
    assert len(llm.requests) == 1
    if slug == "resumes":
        # Every resume is for a person to decide.
        assert job.state == State.WAITING
        return
    assert (job.state, job.error_message) == (State.SUCCEEDED, None)
    assert {key: job.result[key] for key in expected} == expected
