"""The demo's workflows and their input: real receipts and real questions of bank customers (see NOTICE.md)."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from jobs.domain.submission import NewJob, SubmissionError
from jobs.services.queues import ensure_queue
from jobs.services.submit import submit_jobs
from taskflow.lib.db import in_transaction
from tenants.models import Tenant
from workflows.models import Workflow
from workflows.services import check_file, import_workflow, publish

FOLDER = Path(__file__).parent
#: Each workflow and its icon.
ICONS = {"receipts": "receipt_long", "tickets": "support_agent"}
SLUGS = tuple(ICONS)


def seed(tenant: Tenant, *, now: datetime) -> Iterator[str]:
    """Make the workflows that are missing, each with its jobs or not at all; yields a line for each."""
    ensure_queue(slug="default")
    there = set(Workflow.objects.for_tenant(tenant).filter(slug__in=SLUGS).values_list("slug", flat=True))
    for slug in SLUGS:
        if slug not in there:
            count = in_transaction(lambda slug=slug: _make(tenant, slug, now))  # type: ignore[misc]
            yield f"Made the workflow '{slug}' and {count} jobs."


def _make(tenant: Tenant, slug: str, now: datetime) -> int:
    definition = check_file((FOLDER / f"{slug}.yaml").read_text())
    workflow = import_workflow(tenant=tenant, definition=definition, icon=ICONS[slug]).workflow
    ensure_queue(slug=workflow.queue)
    publish(workflow=workflow, notes="The demo as it comes.", now=now)
    lines = (FOLDER / f"{slug}.jsonl").read_text().splitlines()
    requests = [NewJob(workflow=slug, payload=json.loads(line), source="demo") for line in lines]
    for answer in submit_jobs(tenant_id=tenant.pk, requests=requests, now=now):
        if isinstance(answer, SubmissionError):
            raise answer
    return len(requests)
