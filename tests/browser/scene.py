"""A small world to look at: a tenant with two workflows, jobs in every state with their stories, queues and workers."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from jobs.domain.job_filter import JobFilter
from jobs.domain.states import State
from jobs.models import Attempt, BulkAction, Event, File, InboundMessage, Job, Mailbox, Queue, Review, StepRun, Trial
from jobs.services.figures import count_figures
from taskflow.lib.clock import utcnow
from tenants.models import Connection, ConnectionSpend
from tenants.services.gate import note_spend
from tests.browser.scene_automations import add_automations
from tests.browser.scene_figures import build_posts, subscribe_people
from tests.browser.scene_versions import add_versions
from tests.browser.scene_views import add_views
from tests.factories import (
    Cast,
    make_connection,
    make_job,
    make_lane,
    make_lease,
    make_llm_call,
    make_llm_usage,
    make_queue,
    make_review,
    make_trial,
    make_workflow,
)
from workflows.domain.drafts import DraftStep
from workflows.models import Sample, Step, Workflow
from workflows.queries import content_of, get_draft
from workflows.services.drafting import add_step, save_step
from workflows.services.gallery import get_starter, install_starter

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
COMPANIES = ("Ojc Marketing Sdn Bhd", "Gardenia Bakeries", "Popular Book Co.", "Restoran Wan Sheng", "99 Speed Mart")
QUESTIONS = (
    "My card has not arrived yet",
    "Why was I charged a fee?",
    "How do I change my PIN?",
    "I was charged twice",
)
TRACEBACK = """Traceback (most recent call last):
  File "workflows/kinds/http.py", line 88, in run
    response = self.client.send(request)
ConnectTimeout: accounting.example did not answer within 10 s
"""
LLM_PROMPT = """[system]
You read one text and note down what it says. Guess nothing: what it does not say is null.

[user]
<data-x>[redacted]
BLUE ANCHOR STORES LTD
TOTAL 193.00</data-x>"""


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
        _old_job(receipts if number % 3 else tickets, number, now)
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
    _mail(tickets, now)
    _connections(cast, now)
    _draft(cast, now)
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


def try_draft(workflow: Workflow, cast: Cast) -> Trial:
    """Change the draft so that some samples come out better and one worse, and test it."""
    step = Step.objects.get(version__draft_of=workflow, key="post")
    step.config = {"function": "echo", "params": {"date": "2019-01-15"}}
    step.save()
    read = (
        ("Blue Anchor Stores Ltd", "15/01/2019", 193.0, "2019-01-15"),
        ("Ojc Marketing Sdn Bhd", "2019-01-15", 48.6, "2019-01-15"),
        ("Gardenia Bakeries", "2018-03-02", 22.3, "2018-03-02"),
        ("Popular Book Co.", "02.03.2018", 17.5, None),
        ("Restoran Wan Sheng", "15 Jan 2019", 9.9, "2019-01-15"),
    )
    for number, (company, date, total, right) in enumerate(read, start=1):
        text = RECEIPT.replace("BLUE ANCHOR STORES LTD", company.upper()).replace("193.00", f"{total:.2f}")
        Sample.objects.create(
            workflow=workflow,
            name=f"{company}, {number}",
            input={"text": text, "company": company, "date": date, "total": total},
            expected=None if right is None else {"company": company, "date": right},
            origin="pasted",
            created_by=cast.editor,
        )
    return make_trial(workflow, workflow.samples.order_by("pk"), created_at=utcnow(), created_by=cast.editor)


def _draft(cast: Cast, now: datetime) -> None:
    """Make a workflow whose draft two people changed, with mistakes in it."""
    starter = get_starter("support-tickets")
    sort = install_starter(
        tenant=cast.tenant, starter=starter, slug="sort-tickets", name="Sort tickets", now=now, user=cast.editor
    ).workflow
    told = DraftStep("tell", "Tell the customer", "notify")
    add_step(workflow=sort, step=told, revision=0, by=cast.owner, now=now - timedelta(minutes=9))
    draft = get_draft(sort)
    assert draft is not None
    route = content_of(draft).step("route")
    routes = [dict(route.config["routes"][0], goto="tel"), *route.config["routes"][1:]]
    wrong = replace(route, config={**route.config, "routes": routes})
    save_step(
        workflow=sort, key="route", step=wrong, revision=draft.revision, by=cast.editor, now=now - timedelta(minutes=2)
    )


def _connections(cast: Cast, now: datetime) -> None:
    """Make connections that work, do not, and have spent their budget."""
    model = make_connection(
        cast.tenant, slug="default", name="Language model", concurrent=8, tokens_per_minute=200_000, monthly_budget=50
    )
    note_spend(cast.tenant.pk, model.pk, now, tokens=4_210_000, cost=50.12)
    ConnectionSpend.objects.update(paused_at=now)
    shop = {"base_url": "https://accounting.example/api/v2", "auth": "bearer"}
    accounting = make_connection(
        cast.tenant, slug="accounting", name="Accounting", kind="http", config=shop, secrets={"token": "secret"}
    )
    chat = {"webhook_url": "https://hooks.slack.com/services/T/B/x"}
    team = make_connection(cast.tenant, slug="team", name="Team channel", kind="slack", config={}, secrets=chat)
    for row, ok, message in (
        (accounting, False, "accounting.example does not accept the key or password (401): token expired"),
        (team, True, "hooks.slack.com took a test message."),
    ):
        Connection.objects.filter(pk=row.pk).update(last_test={"ok": ok, "message": message, "at": now.isoformat()})


def _mail(workflow: Workflow, now: datetime) -> None:
    """Make a mailbox with some mail."""
    mailbox = Mailbox.objects.create(
        tenant=workflow.tenant, workflow=workflow, name="Support", address="help@acme.test", key_prefix="hK3x9_"
    )
    came = (
        ("accepted", "My card has not arrived yet", "ann@example.com", ""),
        ("duplicate", "My card has not arrived yet", "ann@example.com", "The same message came before."),
        ("ignored", "Out of office", "bob@example.com", "It is the answer of a robot, such as an out-of-office note."),
        ("refused", "", "eve@example.com", "payload.question: is required, and must not be empty"),
    )
    for minutes, (outcome, subject, sender, reason) in enumerate(came):
        job = workflow.jobs.first() if outcome in ("accepted", "duplicate") else None
        at = now - timedelta(minutes=10 - minutes)
        told = {"outcome": outcome, "subject": subject, "sender": sender, "reason": reason, "job": job}
        InboundMessage.objects.create(
            tenant=workflow.tenant, mailbox=mailbox, via="webhook", size=4200, received_at=at, **told
        )


RECEIPT = """BLUE ANCHOR STORES LTD
14 & 16 HARBOUR ROW,
OLD DOCKS,
NORTHPORT NP4 2XX

TAX INVOICE
Invoice No : BA-20451
Date       : 15/01/2019 11:05:16 AM
Cashier    : ROBIN
Sales Person : KIM

SAFETY SHOES 42                 1   193.00   193.00 SR

Total Amount :  193.00
Total Rounding :  0.00
Total (incl. GST) : 193.00
VISA CARD xxxxxxxxxxxx4318
"""


def ask(receipts: Workflow, tickets: Workflow, now: datetime) -> list[Review]:
    """Make three open reviews, the last of them overdue, and one that was decided."""
    start = now - timedelta(minutes=12)
    fields = [
        {"key": "company", "label": "Company", "required": True},
        {"key": "date", "label": "Date", "type": "date"},
        {"key": "total", "label": "Total", "type": "number", "required": True},
    ]
    proposal = {"company": "Blue Anchor Stores Ltd", "date": "2019-01-15", "total": 193.0}
    reason = "62% sure, less than 80%; date: is long ago"
    reviews = []
    for number in range(2):
        job = make_job(receipts, State.WAITING, now=start, payload={"text": RECEIPT, "shop": f"No. {number + 1}"})
        step_run(job, 0, proposal, start, cost=0.0021)
        title = "Read the fields: is this right?"
        review = make_review(
            job, now=start, title=title, reason=reason, proposal=proposal, fields=fields, step_key="extract"
        )
        reviews.append(review)
    question = {
        "title": "Refund this customer?",
        "fields": [],
        "proposal": {},
        "shown": {"team": "Cards", "amount": 40},
    }
    job = make_job(tickets, State.WAITING, now=start, position=1, payload={"question": QUESTIONS[3]})
    late = {"due_at": now - timedelta(minutes=2), "wake_at": None, "role": "reviewer", "escalated_at": now}
    reviews.append(make_review(job, now=start, step_key="check", **question, **late))
    decided = {"state": "decided", "decision": "edit", "output": proposal | {"total": 190.0}, "seconds": 14.2}
    job = make_job(receipts, State.SUCCEEDED, now=start, payload={"text": RECEIPT}, result=proposal)
    who = {"decided_by": "reviewer@acme.test", "decided_at": now - timedelta(minutes=5)}
    make_review(
        job, now=start, title="Read the fields: is this right?", proposal=proposal, fields=fields, **decided, **who
    )
    return reviews


def succeeded_job(workflow: Workflow, now: datetime, **fields: Any) -> Job:
    """Make a job that went through all its steps, with a sub-job."""
    start = now - timedelta(minutes=3)
    result = {"company": COMPANIES[0], "date": "2019-01-15", "total": 193.0}
    job = make_job(
        workflow,
        State.SUCCEEDED,
        now=start,
        position=3,
        payload={"text": "ROBIN REED\nBLUE ANCHOR STORES LTD\nTOTAL 193.00"},
        result=result,
        started_at=start + timedelta(seconds=1),
        finished_at=start + timedelta(seconds=4),
        source="api:shop",
        **fields,
    )
    File.objects.create(
        tenant=workflow.tenant,
        job=job,
        name="receipt-2019-01-15.pdf",
        content_type="application/pdf",
        size=18_200,
        sha256="",
        key="none",
        created_at=start,
    )
    log(job, start, [("created", "PENDING", "api:shop", None), ("started", "RUNNING", "worker-1:41", None)])
    outputs = ({"company": COMPANIES[0], "date": "2019-01-15", "total": 193.0}, {"valid": True}, {"status": 201})
    for position, output in enumerate(outputs):
        step_run(job, position, output, start + timedelta(seconds=position + 2), cost=0.0021 if position == 0 else 0.0)
    log(job, start + timedelta(seconds=4), [("succeeded", "SUCCEEDED", "worker-1:41", None)])
    attempt(job, 1, "succeeded", start)
    asked = {"at": start + timedelta(seconds=1), "step_key": "extract", "cost": 0.0021}
    make_llm_call(job, **asked, error="ModelUnavailable: The model provider of 'default' answered 503.", answer="")
    make_llm_call(
        job, **asked, prompt=LLM_PROMPT, answer='{"company": "Blue Anchor", "total": 193.0, "confidence": 0.9}'
    )
    make_job(workflow, State.SUCCEEDED, now=start, parent=job, correlation_id=job.correlation_id)
    return job


def failed_job(workflow: Workflow, now: datetime) -> Job:
    """Make a job that was given up after three attempts."""
    start = now - timedelta(minutes=8)
    error = {"error_class": "ConnectTimeout", "error_message": "accounting.example did not answer within 10 s"}
    job = make_job(
        workflow,
        State.DEAD,
        now=start,
        position=2,
        attempts=3,
        failures=3,
        started_at=start,
        finished_at=start + timedelta(minutes=2),
        payload={"text": "GARDENIA BAKERIES (KL) SDN BHD TOTAL 42.10", "note": "<script>alert(1)</script>"},
        **error,
    )
    log(job, start, [("created", "PENDING", "api:shop", None)])
    step_run(job, 0, {"company": "Gardenia Bakeries", "total": 42.1}, start + timedelta(seconds=1), cost=0.0018)
    step_run(job, 1, {"valid": True}, start + timedelta(seconds=2))
    for number in (1, 2, 3):
        at = start + timedelta(seconds=30 * number)
        log(job, at, [("started", "RUNNING", "worker-2:17", None)], attempt=number)
        attempt(job, number, "failed", at, traceback=TRACEBACK, step_key="post", **error)
        data = {"step": "post", "error": error["error_class"], "message": error["error_message"], "failures": number}
        ending = ("retry_scheduled", "SCHEDULED") if number < 3 else ("dead", "DEAD")
        data |= {"delay": 20.0} if number < 3 else {"reason": "all 3 attempts failed"}
        log(job, at + timedelta(seconds=10), [(*ending, "worker-2:17", data)], attempt=number)
    return job


def step_run(job: Job, position: int, output: Any, at: datetime, *, cost: float = 0.0) -> StepRun:
    """Record a finished step."""
    key = job.version.steps.get(position=position).key
    by_model = {"confidence": 0.93, "confidence_by": "logprobs", "model": "gpt-4o-mini"}
    tokens: dict[str, Any] = {"input_tokens": 812, "output_tokens": 64, **by_model} if cost else {}
    return StepRun.objects.create(
        job=job,
        position=position,
        attempt=1,
        step_key=key,
        output=output,
        seconds=0.84,
        finished_at=at,
        cost=cost,
        **tokens,
    )


def log(job: Job, at: datetime, lines: list[tuple[str, str, str, Any]], *, attempt: int = 0) -> None:
    """Append lines (kind, state, actor, data) to a job's log."""
    for kind, state, actor, data in lines:
        Event.objects.create(job=job, at=at, kind=kind, state=state, actor=actor, data=data, attempt=attempt)


def attempt(job: Job, number: int, outcome: str, at: datetime, **fields: Any) -> Attempt:
    """Record an attempt of ten seconds."""
    end = at + timedelta(seconds=10)
    return Attempt.objects.create(
        job=job, number=number, outcome=outcome, worker="worker-2:17", started_at=at, finished_at=end, **fields
    )


def receipts_workflow(cast: Cast) -> Workflow:
    """Make the workflow that most jobs of a scene are of."""
    return _workflow(cast, "receipts", "Receipt", RECEIPT_FIELDS, RECEIPT_STEPS)


def tickets_workflow(cast: Cast) -> Workflow:
    """Make a workflow of two steps beside it."""
    return _workflow(cast, "tickets", "Ticket", TICKET_FIELDS, RECEIPT_STEPS[:2])


def _workflow(cast: Cast, slug: str, label: str, fields: list[dict[str, Any]], steps: list[dict[str, Any]]) -> Workflow:
    labels = {"label_singular": label, "label_plural": f"{label}s"}
    return make_workflow(cast.tenant, slug, steps=steps, version={"fields": fields}, **labels)


def _old_job(workflow: Workflow, number: int, now: datetime) -> Job:
    at = now - timedelta(minutes=400 - 5 * number)
    state = State.FAILED if number % 11 == 5 else State.CANCELLED if number % 17 == 7 else State.SUCCEEDED
    if number >= 56:
        state = State.PENDING if number % 2 else State.SCHEDULED
    fields: dict[str, Any] = (
        {"error_class": "InvalidTotal", "error_message": "No total found."} if state is State.FAILED else {}
    )
    if state is State.SUCCEEDED:
        company = COMPANIES[number % len(COMPANIES)]
        fields["result"] = {"company": company, "date": "2019-01-15", "total": 10.5 + number, "team": "Cards"}
    if state is State.SCHEDULED:
        fields |= {"due_at": now + timedelta(minutes=number), "failures": 1}
    payload = {"text": "…", "question": QUESTIONS[number % len(QUESTIONS)]}
    return make_job(workflow, state, now=at, payload=payload, **fields)


def running_job(workflow: Workflow, now: datetime, lease_id: int) -> Job:
    """Make a job that a worker is at."""
    start = now - timedelta(seconds=6)
    job = make_job(workflow, State.RUNNING, now=start, position=1, lease_id=lease_id, started_at=start)
    log(job, start, [("created", "PENDING", "api:shop", None), ("started", "RUNNING", "worker-1:41", None)])
    step_run(job, 0, {"company": COMPANIES[2], "total": 18.9}, now - timedelta(seconds=4), cost=0.0019)
    return job


def waiting_job(workflow: Workflow, now: datetime) -> Job:
    """Make a job that waits for a person."""
    start = now - timedelta(minutes=20)
    job = make_job(workflow, State.WAITING, now=start, position=1, payload={"question": QUESTIONS[3]})
    log(job, start, [("created", "PENDING", "", None), ("waiting", "WAITING", "", {"reason": "Is this a refund?"})])
    return job
