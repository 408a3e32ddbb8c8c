"""Jobs with the stories that their pages tell: in every state, with attempts, steps, logs and reviews."""

from datetime import datetime, timedelta
from typing import Any

from jobs.domain.states import State
from jobs.models import Attempt, Event, File, Job, Review, StepRun
from tests.factories import make_job, make_llm_call, make_review
from workflows.models import Workflow

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


def old_job(workflow: Workflow, number: int, now: datetime) -> Job:
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
    start = now - timedelta(seconds=6)
    job = make_job(workflow, State.RUNNING, now=start, position=1, lease_id=lease_id, started_at=start)
    log(job, start, [("created", "PENDING", "api:shop", None), ("started", "RUNNING", "worker-1:41", None)])
    step_run(job, 0, {"company": COMPANIES[2], "total": 18.9}, now - timedelta(seconds=4), cost=0.0019)
    return job


def waiting_job(workflow: Workflow, now: datetime) -> Job:
    start = now - timedelta(minutes=20)
    job = make_job(workflow, State.WAITING, now=start, position=1, payload={"question": QUESTIONS[3]})
    log(job, start, [("created", "PENDING", "", None), ("waiting", "WAITING", "", {"reason": "Is this a refund?"})])
    return job
