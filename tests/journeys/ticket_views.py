"""A workflow of tickets whose fields lists can ask by, and people who look at it."""

from collections.abc import Callable
from typing import Any

from django.test import Client

from jobs.domain.states import State
from jobs.models import IndexedField, SavedView
from jobs.services.indexing import sync_published
from taskflow.lib.clock import utcnow
from tests.db.test_job_values import fill
from tests.factories import Cast, make_job, make_workflow
from workflows.models import Workflow

LogIn = Callable[[str], Client]
FIELDS = [
    {"key": "question", "label": "Question", "in_list": True},
    {"key": "iban", "redact": True},
    {"key": "label", "role": "output", "in_list": True},
    {"key": "total", "type": "number", "role": "output", "in_list": True},
]
LIST = "/admin/jobs/job/of/tickets/"
VIEWS = "/admin/build/tickets/views/"


def make_tickets(acme: Cast) -> Workflow:
    """Make five tickets with an index of their fields."""
    fields: dict[str, Any] = {"label_singular": "Ticket", "label_plural": "Tickets"}
    workflow = make_workflow(acme.tenant, "tickets", version={"fields": FIELDS}, **fields)
    for number, label in enumerate(["refund", "refund", "other", "=1+1", None]):
        result = {"label": label, "total": number * 10, "extra": "x"}
        payload = {"question": f"Question {number}", "iban": f"secret-{number}"}
        make_job(workflow, State.FAILED if number == 1 else State.SUCCEEDED, payload=payload, result=result)
    sync_published(now=utcnow())
    index(workflow)
    return workflow


def index(workflow: Workflow) -> None:
    """Let the waiting time of new fields pass, and fill them."""
    IndexedField.objects.filter(workflow=workflow).update(begins_at=utcnow().replace(year=2020))
    fill(workflow)


def logging_in_to(acme: Cast) -> LogIn:
    """Return what logs in the person with a role."""

    def logging_in(role: str) -> Client:
        client = Client()
        client.force_login(getattr(acme, role), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return logging_in


def questions(answer: Any) -> list[str]:
    """Return the numbers of the questions that a list shows, in its order."""
    return [row.job.payload["question"][-1] for row in answer.context["rows"]]


def save(client: Client, name: str = "Refunds", url: str = f"{VIEWS}new/", **form: Any) -> SavedView:
    given = {"name": name, "filters-path": "result.label", "filters-op": "is", "filters-value": "refund"} | form
    answer = client.post(url, given)
    assert answer.status_code == 302, answer.context["problems"]
    return SavedView.objects.get(name=name)
