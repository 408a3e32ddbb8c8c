"""Random histories of jobs, and their figures computed directly from the rows, to compare with what is counted."""

import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from jobs.domain import transitions
from jobs.domain.chunks import Room
from jobs.domain.figures import name_of, parts_of, slot_of
from jobs.domain.reviews import Decision, NewReview, Reviewer, ReviewError
from jobs.domain.states import FINAL
from jobs.domain.submission import NewJob
from jobs.domain.work import ClaimedJob, Report, StepRecord
from jobs.models import Event, FigureSlot, Job, JobCount, Queue, Review, StepRun
from jobs.services import control, reviews
from jobs.services.claim import Claimant, claim_jobs
from jobs.services.finish import flush
from jobs.services.rescue import promote_due
from jobs.services.review_effects import apply_due_reviews
from jobs.services.submit import submit_jobs
from taskflow.lib.fields import dump_json
from taskflow.lib.ids import new_uid
from tenants.domain.roles import Role
from tenants.models import Tenant
from tests.factories import make_lease, make_workflow
from workflows.domain.retry import Failure, RetryPolicy
from workflows.models import Workflow

STEPS = [
    {
        "key": "way",
        "kind": "route",
        "config": {"routes": [{"to": "fast", "when": "true"}, {"to": "slow", "when": "true"}]},
    },
    {"key": "do", "kind": "python", "config": {"function": "echo"}},
]
ADA = Reviewer("ada", Role.REVIEWER)
MESSAGES = ("no invoice 12 from 'Acme'", "no invoice 77 from 'Globex'", "the server said 503")
FINAL_STATES = [state.value for state in FINAL]


def make_counted_workflow(tenant: Tenant | None = None, slug: str = "") -> Workflow:
    """Make a workflow whose steps give a value from a list and something else."""
    return make_workflow(tenant, slug, steps=STEPS)


class History:
    """Does things to jobs by lot. Each works on what there is, and does nothing where somebody else was first."""

    def __init__(self, workflow: Workflow, lots: random.Random) -> None:
        self.workflow, self.lots = workflow, lots
        self.queue = Queue.objects.get(slug=workflow.queue)
        lease = make_lease()
        self.claimant = Claimant(lease.pk, str(lease), lambda version, position: 0.0)

    def act(self, now: datetime) -> None:
        """Do one thing."""
        acts = (
            self.submit,
            self.work,
            self.work,
            self.work,
            self.cancel,
            self.retry,
            self.answer,
            self.decide,
            self.tick,
        )
        self.lots.choice(acts)(now)

    def submit(self, now: datetime) -> None:
        later = now + timedelta(hours=2) if self.lots.random() < 0.2 else None
        wanted = [NewJob(self.workflow.slug, {"text": "x"}, run_at=later)] * self.lots.randint(1, 6)
        submit_jobs(tenant_id=self.workflow.tenant_id, requests=wanted, now=now)

    def work(self, now: datetime) -> None:
        claimed = claim_jobs(queue_id=self.queue.pk, claimant=self.claimant, room=Room(4), now=now).jobs
        flush([self._report(job, now) for job in claimed], worker="w", now=now)

    def _report(self, job: ClaimedJob, now: datetime) -> Report:
        failure = Failure("Broken", self.lots.choice(MESSAGES), permanent=self.lots.random() < 0.5)
        policy = RetryPolicy(max_attempts=2)
        report = Report(job, job.position, now, step_key="way")
        end = self.lots.choice(
            ("good", "good", "good", "bad", "retry", "snooze", "wait", "review", "release", "cancel")
        )
        if end == "review" and job.position > 0:
            end = "good"
        if end in ("good", "review") and job.position == 0:
            output = {"route": self.lots.choice(("fast", "slow", "nowhere", None))}
            report.steps.append(StepRecord(0, "way", "route", dump_json(output), self.lots.random(), now))
            report.position = 1
        endings: dict[str, Any] = {
            "good": lambda: transitions.succeeded("{}"),
            "bad": lambda: transitions.failed_for_good(failure, step="way"),
            "retry": lambda: transitions.failed(
                failure=failure, step="way", failures=job.failures, policy=policy, now=now, chance=0.5
            ),
            "snooze": lambda: transitions.snoozed(until=now + timedelta(minutes=20), reason="nothing there"),
            "wait": lambda: transitions.waiting(reason="which one?", until=now + timedelta(hours=3)),
            "review": lambda: transitions.waiting(reason="right?", until=None),
            "release": lambda: transitions.released(reason="stopping"),
            "cancel": lambda: transitions.cancelled(reason="asked for"),
        }
        report.ending = endings[end]()
        if end == "review":
            report.position = 0
            report.review = _question(now)
        return report

    def cancel(self, now: datetime) -> None:
        for job in self._some(state__in=["PENDING", "SCHEDULED", "WAITING"]):
            try:
                control.cancel_job(job=job, actor="test", now=now)
            except control.NotCancellableError:
                continue

    def retry(self, now: datetime) -> None:
        for job in self._some(3, state__in=["FAILED", "DEAD", "CANCELLED"]):
            try:
                control.retry_job(job=job, actor="test", now=now, from_step="way")
            except control.NotRetryableError:
                continue

    def answer(self, now: datetime) -> None:
        for job in self._some(2, state="WAITING"):
            try:
                control.answer_job(job=job, output={"a": 1}, actor="test", now=now)
            except control.NotWaitingError:
                continue

    def decide(self, now: datetime) -> None:
        found = list(Review.objects.filter(workflow=self.workflow, state="open").order_by("?")[:2])
        for review in found:
            try:
                decision = self.lots.choice((Decision.APPROVE, Decision.REJECT))
                comment = "no" if decision is Decision.REJECT else ""
                reviews.decide_review(review=review, who=ADA, decision=decision, comment=comment, now=now)
            except ReviewError:
                continue

    def tick(self, now: datetime) -> None:
        promote_due(now=now)
        apply_due_reviews(now=now)

    def end(self, now: datetime) -> None:
        """Bring every job to an end; `now` is later than anything before."""
        self.tick(now)
        for job in Job.objects.filter(workflow=self.workflow).exclude(state__in=FINAL_STATES):
            control.cancel_job(job=job, actor="test", now=now)

    def _some(self, most: int = 1, **which: Any) -> Iterable[Job]:
        return list(Job.objects.filter(workflow=self.workflow, **which).order_by("?")[:most])


def _question(now: datetime) -> NewReview:
    return NewReview(
        uid=new_uid(),
        position=0,
        step_key="way",
        resume_at=1,
        title="Right?",
        reason="",
        proposal_json='{"route": "fast"}',
        fields=[],
        shown_json="{}",
        stamp={},
        role="reviewer",
        assignee="",
        due_at=now + timedelta(minutes=30),
        escalate_role="",
        on_reject="fail",
        reject_workflow="",
    )


def direct_states(workflow: Workflow, since: datetime | None = None, until: datetime | None = None) -> dict[str, int]:
    """Return how many jobs that came in during a span are in which state, from their rows."""
    rows = Job.objects.filter(workflow=workflow)
    rows = rows if since is None else rows.filter(created_at__gte=since)
    rows = rows if until is None else rows.filter(created_at__lt=until)
    return dict(Counter(rows.values_list("state", flat=True)))


def direct_ends(workflow: Workflow) -> dict[tuple[datetime, str], int]:
    """Return how many runs ended how in which quarter of an hour, from the log."""
    lines = Event.objects.filter(job__workflow=workflow, state__in=FINAL_STATES)
    return dict(Counter((slot_of(at, 900), state) for at, state in lines.values_list("at", "state")))


def counted_ends(workflow: Workflow) -> dict[tuple[datetime, str], int]:
    """Return the same as it was counted."""
    rows = JobCount.objects.filter(workflow=workflow, moment="end", width=900)
    return {(slot, state): jobs for slot, state, jobs in rows.values_list("slot", "state", "jobs")}


def direct_figures(workflow: Workflow) -> dict[str, int]:
    """Return numbers of runs, labels, reasons and reviews, from the rows."""
    found: Counter[str] = Counter()
    for key, output in StepRun.objects.filter(job__workflow=workflow).values_list("step_key", "output"):
        found[name_of("ran", key)] += 1
        if key == "way" and "route" in output:
            route = output["route"]
            shown = "(none)" if route is None else route if route in ("fast", "slow", "default") else "(other)"
            found[name_of("label", key, "route", shown)] += 1
    for data in Event.objects.filter(job__workflow=workflow, state__in=["FAILED", "DEAD"]).values_list(
        "data", flat=True
    ):
        found[name_of("why", data["error"], data.get("step", ""))] += 1
    for review in Review.objects.filter(workflow=workflow):
        found["asked"] += 1
        if review.decided_at is not None:
            found[name_of("decided", review.decided_by, review.decision)] += 1
    found["took"] = found["wait"] = Job.objects.filter(workflow=workflow, state="SUCCEEDED").count()
    return {name: number for name, number in found.items() if number}


def counted_figures(workflow: Workflow, width: int) -> dict[str, int]:
    """Return the same as it was counted, in slots of this width."""
    found: Counter[str] = Counter()
    for figures in FigureSlot.objects.filter(workflow=workflow, width=width).values_list("figures", flat=True):
        for name, number in figures.items():
            parts = parts_of(name)
            if parts[0] in ("took", "wait"):
                found[parts[0]] += number
            elif parts[0] == "why":
                found[name_of(*parts[:3])] += number
            elif parts[0] in ("ran", "label", "asked", "decided"):
                found[name] += number
    return {name: number for name, number in found.items() if number}
