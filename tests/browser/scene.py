"""A small world to look at: a tenant with two workflows, jobs in every state with their stories, queues and workers."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobs.domain.job_filter import JobFilter
from jobs.models import BulkAction, Job, Queue, Review, Trial
from jobs.services.figures import count_figures
from taskflow.lib.clock import utcnow
from tests.browser.scene_automations import add_automations
from tests.browser.scene_belongings import add_connections, add_draft, add_mail, try_draft
from tests.browser.scene_figures import build_posts, subscribe_people
from tests.browser.scene_jobs import ask, failed_job, old_job, running_job, succeeded_job, waiting_job
from tests.browser.scene_versions import add_versions
from tests.browser.scene_views import add_views
from tests.factories import Cast, make_lane, make_lease, make_llm_usage, make_queue, make_workflow
from workflows.models import Sample, Workflow

RECEIPT_FIELDS = [
    {"key": "text", "label": "Receipt text", "required": True},
    {"key": "scan", "label": "Scan", "type": "file", "description": "A photo or PDF of the receipt."},
    {"key": "bought", "label": "Bought on", "type": "date"},
    {"key": "company", "label": "Company", "role": "output", "in_list": True},
    {"key": "date", "label": "Date", "type": "date", "role": "output", "in_list": True},
    {"key": "total", "label": "Total", "type": "number", "role": "output", "in_list": True},
]
TICKET_FIELDS = [
    {"key": "question", "label": "Question", "required": True, "in_list": True},
    {"key": "team", "label": "Team", "role": "output", "in_list": True},
]
RECEIPT_STEPS = [
    {"key": "extract", "name": "Read the fields", "kind": "python", "config": {"function": "echo"}},
    {"key": "check", "name": "Check them against the text", "kind": "python", "config": {"function": "echo"}},
    {"key": "post", "name": "Send to accounting", "kind": "python", "config": {"function": "echo"}},
]


@dataclass(frozen=True, slots=True)
class Scene:
    """What tests and screenshots look for by name."""

    cast: Cast
    receipts: Workflow
    tickets: Workflow
    queue: Queue
    succeeded: Job
    failed: Job
    running: Job
    waiting: Job
    reviews: list[Review]
    trial: Trial


def build_scene(cast: Cast, *, jobs: int = 60) -> Scene:
    """Fill a tenant with work of the last hours."""
    now = utcnow()
    queue = make_queue("default", cap=20)
    make_queue("express", name="Express", pool="fast", paused_at=now - timedelta(minutes=12))
    make_lane(queue, cast.tenant, cap=10, weight=2.0)
    receipts = receipts_workflow(cast)
    Workflow.objects.filter(pk=receipts.pk).update(icon="receipt_long")
    tickets = tickets_workflow(cast)
    Sample.objects.create(workflow=receipts, name="A bakery", input={"text": "…"}, expected={"company": "Gardenia"})
    for number in range(jobs):
        old_job(receipts if number % 3 else tickets, number, now)
    lease = make_lease(age=2, host="worker-1", slots=10, running=1)
    make_lease(age=3, host="worker-2", slots=10, running=4)
    make_lease(age=90, host="worker-3", slots=10)
    make_lease(age=600, host="worker-0", ended_at=now - timedelta(minutes=9), end_reason="stopped")
    for days in range(3):
        day = (now - timedelta(days=days)).date()
        make_llm_usage(receipts, day=day, calls=120 - 30 * days, cached=12, failed=days, cost=0.41 / (days + 1))
        make_llm_usage(tickets, day=day, model="claude-haiku-4-5", connection="claude", calls=40, cost=0.18)
    BulkAction.objects.create(
        tenant=cast.tenant,
        kind="retry",
        filters={"wanted": JobFilter(states=("FAILED", "DEAD")).to_json(), "expected": 40},
        seen=40,
        changed=38,
        skipped=2,
        created_by=cast.operator,
        created_at=now - timedelta(minutes=30),
        finished_at=now - timedelta(minutes=29),
    )
    failed = failed_job(receipts, now)
    add_mail(tickets, now)
    add_connections(cast, now)
    add_draft(cast, now)
    add_versions(cast, now)
    add_views(cast, tickets, now)
    subscribe_people(cast, build_posts(cast, now, jobs=jobs * 5), now)
    scene = Scene(
        cast=cast,
        receipts=receipts,
        tickets=tickets,
        queue=queue,
        succeeded=succeeded_job(receipts, now, parent=None),
        failed=failed,
        running=running_job(receipts, now, lease.pk),
        waiting=waiting_job(tickets, now),
        reviews=ask(receipts, tickets, now),
        trial=try_draft(receipts, cast),
    )
    add_automations(cast, tickets, scene.waiting, now)
    count_figures(now=now + timedelta(minutes=1))
    return scene


def receipts_workflow(cast: Cast) -> Workflow:
    """Make the workflow that most jobs of a scene are of."""
    return _workflow(cast, "receipts", "Receipt", RECEIPT_FIELDS, RECEIPT_STEPS)


def tickets_workflow(cast: Cast) -> Workflow:
    """Make a workflow of two steps beside it."""
    return _workflow(cast, "tickets", "Ticket", TICKET_FIELDS, RECEIPT_STEPS[:2])


def _workflow(cast: Cast, slug: str, label: str, fields: list[dict[str, Any]], steps: list[dict[str, Any]]) -> Workflow:
    labels = {"label_singular": label, "label_plural": f"{label}s"}
    return make_workflow(cast.tenant, slug, steps=steps, version={"fields": fields}, **labels)
