"""Sending a workflow's samples through it, as jobs like any other."""

from datetime import datetime

from jobs.domain.submission import NewJob
from jobs.models import Job
from jobs.services.submit import check_requests, submit_jobs
from workflows.models import Workflow

MOST = 50


def submit_samples(*, workflow: Workflow, actor: str, now: datetime) -> list[Job]:
    """Make a job of each of the workflow's samples, MOST at most.

    Raises SubmissionError where one of them is refused, and makes none then.
    """
    samples = list(workflow.samples.order_by("pk")[:MOST])
    requests = [
        NewJob(workflow=workflow.slug, payload=sample.input, source=f"sample:{actor}"[:100]) for sample in samples
    ]
    refused = check_requests(tenant_id=workflow.tenant_id, requests=requests, now=now)
    if refused:
        raise refused[0]
    answers = submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=now)
    return [answer for answer in answers if isinstance(answer, Job)]
