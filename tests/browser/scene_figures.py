"""A workflow with a week of work behind it, for the dashboards."""

import random
from datetime import datetime, timedelta
from typing import Any

from jobs.domain.states import State
from jobs.models import Event, Job, LlmCall, ReportDelivery, Review, StepRun
from jobs.services.reports import subscribe
from taskflow.lib.ids import new_uid
from tests.factories import Cast, make_queue, make_workflow
from workflows.models import Workflow

LABELS = ("fine", "spam", "insult", "threat")
STEPS = [
    {
        "key": "judge",
        "name": "Judge the post",
        "kind": "classify",
        "config": {"labels": [{"name": name} for name in LABELS], "input": "{{ payload.text }}"},
    },
    {
        "key": "way",
        "name": "Choose the way",
        "kind": "route",
        "config": {"routes": [{"to": "publish", "when": "true"}, {"to": "hold", "when": "true"}]},
    },
    {"key": "post", "name": "Tell the forum", "kind": "python", "config": {"function": "echo"}},
]
ERRORS = (
    ("HttpError", "The forum answered 503 after 10.2 s", "post"),
    ("HttpError", "The forum answered 503 after 9.8 s", "post"),
    ("TimeoutError", "The model did not answer in time", "judge"),
    ("ValidationError", "text: is required, and must not be empty", "judge"),
)
DAYS = 8


def build_posts(cast: Cast, now: datetime, *, jobs: int) -> Workflow:
    """Make a workflow with `jobs` finished jobs over a week, some that failed and some that are under review."""
    lots = random.Random(7)
    names = {"name": "Moderate posts", "label_singular": "Post", "label_plural": "Posts", "icon": "forum"}
    workflow = make_workflow(cast.tenant, "posts", steps=STEPS, **names)
    version, queue = workflow.live_version, make_queue()
    rows = []
    for _ in range(jobs):
        ago = timedelta(days=min(lots.expovariate(0.4), DAYS), seconds=lots.random() * 3600)
        came = now - timedelta(minutes=6) - ago
        state = lots.choices(("SUCCEEDED", "FAILED", "DEAD", "CANCELLED"), (88, 5, 5, 2))[0]
        error = lots.choice(ERRORS) if state in ("FAILED", "DEAD") else ("", "", "")
        times = {"created_at": came, "due_at": came, "started_at": came + timedelta(seconds=lots.expovariate(0.7))}
        end = times["started_at"] + timedelta(seconds=lots.lognormvariate(0.8, 0.6))
        rows.append(
            Job(
                uid=new_uid(),
                tenant=cast.tenant,
                workflow=workflow,
                version=version,
                queue=queue,
                state=state,
                attempts=1,
                payload={"text": "…"},
                error_class=error[0],
                error_message=error[1] or None,
                correlation_id="posts",
                finished_at=end,
                **times,
            )
        )
    Job.objects.bulk_create(rows)
    made = list(Job.objects.filter(workflow=workflow).order_by("pk"))
    Event.objects.bulk_create(_failed(job) for job in made if job.state in ("FAILED", "DEAD"))
    StepRun.objects.bulk_create(run for job in made if job.state == State.SUCCEEDED for run in _runs(job, lots))
    LlmCall.objects.bulk_create(_call(job, lots) for job in made)
    Review.objects.bulk_create(_review(job, lots) for job in made if lots.random() < 0.12)
    return workflow


def subscribe_people(cast: Cast, workflow: Workflow, now: datetime) -> None:
    """Have two reports sent, one of which went out and one not."""
    wanted = {"weekday": 0, "hour": 7, "connection": "", "address": "http://localhost/", "now": now, "by": cast.owner}
    daily = subscribe(tenant=cast.tenant, workflow=workflow, user=cast.owner, cadence="daily", **wanted)
    weekly = subscribe(tenant=cast.tenant, workflow=None, user=cast.editor, cadence="weekly", **wanted)
    told = {"due_at": now - timedelta(hours=3), "ended_at": now}
    ReportDelivery.objects.create(subscription=daily, state="sent", **told)
    refused = "The mail server refused the login: 535 wrong password"
    ReportDelivery.objects.create(subscription=weekly, state="failed", detail=refused, **told)


def _failed(job: Job) -> Event:
    step = next(step for _, message, step in ERRORS if message == job.error_message)
    told = {"error": job.error_class, "message": job.error_message, "step": step}
    return Event(job=job, at=job.finished_at, kind=job.state.lower(), state=job.state, attempt=1, data=told)


def _runs(job: Job, lots: random.Random) -> list[StepRun]:
    label = lots.choices(LABELS, (70, 18, 9, 3))[0]
    outputs: tuple[dict[str, Any], ...] = ({"label": label}, {"route": "publish" if label == "fine" else "hold"}, {})
    spans = (lots.lognormvariate(0.4, 0.5), 0.0004, lots.lognormvariate(-1.2, 0.8))
    at = job.finished_at
    return [
        StepRun(job=job, position=place, attempt=1, step_key=step["key"], output=output, seconds=span, finished_at=at)
        for place, (step, output, span) in enumerate(zip(STEPS, outputs, spans, strict=True))
    ]


def _call(job: Job, lots: random.Random) -> LlmCall:
    model, price = lots.choice((("gpt-4o-mini", 0.0004), ("claude-haiku-4-5", 0.0011)))
    told = {"purpose": "ask", "prompt": "…", "answer": "…", "finish_reason": "stop", "connection": "default"}
    tokens = {"input_tokens": 420, "output_tokens": 24, "cost": price * (0.5 + lots.random()), "seconds": 1.1}
    return LlmCall(
        tenant=job.tenant,
        job=job,
        position=0,
        attempt=1,
        step_key="judge",
        model=model,
        at=job.finished_at,
        **told,
        **tokens,
    )


def _review(job: Job, lots: random.Random) -> Review:
    decided = job.finished_at + timedelta(minutes=lots.expovariate(0.15))
    return Review(
        tenant=job.tenant,
        workflow=job.workflow,
        job=job,
        step_key="judge",
        position=0,
        run_number=1,
        resume_at=1,
        title="Judge the post: is this right?",
        proposal={"label": "insult"},
        role="reviewer",
        due_at=job.finished_at + timedelta(minutes=20),
        on_reject="stop",
        state="decided",
        decision=lots.choices(("approve", "edit", "reject"), (6, 3, 1))[0],
        decided_by=lots.choice(("reviewer@acme.test", "operator@acme.test")),
        decided_at=decided,
        created_at=job.finished_at,
    )
