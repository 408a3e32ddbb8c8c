"""Carrying out what a rule does: jobs made, jobs and queues changed, messages written down, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from automations.domain.effects import CancelIt, Effect, HoldQueue, MakeJob, Refused, RetryIt, Tell
from automations.models import AutomationRule, Firing, JobLink, Notice
from automations.services.hints import hint_on_commit
from jobs.domain.submission import NewJob, SubmissionError
from jobs.models import Job, Queue
from jobs.services.control import (
    NotCancellableError,
    NotRetryableError,
    UnknownStepError,
    cancel_job,
    retry_job,
)
from jobs.services.queues import pause_lane, pause_queue, resume_lane, resume_queue
from jobs.services.submit import prepare_jobs, store_jobs, submit_once
from taskflow.lib.db import insert_rows

#: Jobs that a firing names; it counts all.
MOST_NAMED = 20
LINK_COLUMNS = ("firing_id", "job_id", "position", "depth")


@dataclass(slots=True)
class Acts:
    """What a firing did: a line for each action, and the jobs it made."""

    firing: Firing
    rule: AutomationRule
    depth: int
    now: datetime
    told: list[dict[str, Any]] = field(default_factory=list)
    made: list[Job] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def actor(self) -> str:
        """Who stands in the logs of jobs."""
        return f"rule:{self.rule.uid}"

    def carry_out(self, effects: Sequence[Effect]) -> None:
        """Do these things. Belongs in the firing's transaction. Raises Refused, and then nothing must be kept."""
        # In the order in which everybody takes locks: queue, lane, job.
        for effect in effects:
            if isinstance(effect, HoldQueue):
                self._hold(effect)
        for effect in effects:
            if isinstance(effect, RetryIt):
                self._retry(effect)
            elif isinstance(effect, CancelIt):
                self._cancel(effect)
        self._make([effect for effect in effects if isinstance(effect, MakeJob)])
        self._tell([effect for effect in effects if isinstance(effect, Tell)])
        store_acts([self])

    def _hold(self, effect: HoldQueue) -> None:
        queue = Queue.objects.filter(slug=effect.queue).first()
        if queue is None:
            raise Refused(effect.place, f"there is no queue '{effect.queue}'")
        if effect.everybody and self.rule.tenant_id is not None:
            raise Refused(effect.place, "only the operator's rules hold a queue for every tenant")
        if effect.everybody:
            change = pause_queue if effect.pause else resume_queue
            changed = change(queue=queue, actor=self.actor, now=self.now)
        else:
            lane = pause_lane if effect.pause else resume_lane
            changed = lane(queue=queue, tenant_id=self.firing.tenant_id, actor=self.actor, now=self.now)
        word = "pause_queue" if effect.pause else "resume_queue"
        self._say(effect.place, word, queue=queue.slug, everybody=effect.everybody, changed=changed)

    def _retry(self, effect: RetryIt) -> None:
        job = self._job(effect.place)
        before = Firing.objects.filter(rule=self.rule, job=job, matched=True).exclude(pk=self.firing.pk).count()
        if before >= effect.most:
            self._skip(effect.place, "retry_job", f"the rule retried it {before} times already", job)
            return
        try:
            retry_job(job=job, actor=self.actor, now=self.now, from_step=effect.from_step)
        except (NotRetryableError, UnknownStepError) as error:
            self._skip(effect.place, "retry_job", str(error), job)
            return
        self._say(effect.place, "retry_job", job=str(job.uid))

    def _cancel(self, effect: CancelIt) -> None:
        job = self._job(effect.place)
        try:
            cancel_job(job=job, actor=self.actor, now=self.now)
        except NotCancellableError as error:
            self._skip(effect.place, "cancel_job", str(error), job)
            return
        self._say(effect.place, "cancel_job", job=str(job.uid))

    def _job(self, place: str) -> Job:
        job = self.firing.job
        if job is None or job.tenant_id != self.firing.tenant_id:
            raise Refused(place, "there is no job at this firing")
        return job

    def prepare(self, effects: Sequence[Effect]) -> None:
        """Make ready what only adds rows, for `store_acts`. Raises Refused. A database is not written to."""
        self._made(self._ready([effect for effect in effects if isinstance(effect, MakeJob)]))
        self._tell([effect for effect in effects if isinstance(effect, Tell)])

    def _make(self, wanted: Sequence[MakeJob]) -> None:
        results = self._ready(wanted)
        store_jobs([job for jobs in results.values() for job in jobs], now=self.now)
        for effect in wanted:
            if effect.key and (job := self._once(effect)) is not None:
                results[effect.place].append(job)
        self._made(results)

    def _ready(self, wanted: Sequence[MakeJob]) -> dict[str, list[Job]]:
        """Return the rows of the jobs that have no key, unsaved, by the place of their template."""
        plain = [effect for effect in wanted if not effect.key]
        answers = prepare_jobs(
            tenant_id=self.firing.tenant_id, requests=[self.request(effect) for effect in plain], now=self.now
        )
        results: dict[str, list[Job]] = {effect.place: [] for effect in wanted}
        for effect, answer in zip(plain, answers, strict=True):
            if isinstance(answer, SubmissionError):
                self._refused(effect, answer)
            else:
                results[effect.place].append(answer)
        return results

    def _made(self, results: Mapping[str, list[Job]]) -> None:
        for place, jobs in results.items():
            if jobs:
                self._say(place, "create_jobs", count=len(jobs), jobs=[str(job.uid) for job in jobs[:MOST_NAMED]])
        self.made = [job for jobs in results.values() for job in jobs]

    def links(self) -> list[tuple[int, int | None, int, int]]:
        """Return what ties the firing to the jobs it made, as LINK_COLUMNS; they are stored by now."""
        return [(self.firing.pk, job.pk, index, self.depth + 1) for index, job in enumerate(self.made)]

    def request(self, effect: MakeJob) -> NewJob:
        """Return the job as it is asked for: whose it is, when, and of which chain."""
        cause = self.firing.job
        return replace(
            effect.request,
            source=self.actor,
            run_at=self.now + timedelta(seconds=effect.delay) if effect.delay else None,
            correlation_id=None if cause is None else cause.correlation_id,
            traceparent="" if cause is None else cause.traceparent,
        )

    def _once(self, effect: MakeJob) -> Job | None:
        """Make a job under its key; None where there was one, or it cannot be made."""
        key = sha256(f"{self.rule.uid}\n{effect.key}".encode()).hexdigest()
        try:
            job, new = submit_once(
                tenant_id=self.firing.tenant_id,
                request=self.request(effect),
                key=key,
                fingerprint=str(self.rule.uid),
                now=self.now,
            )
        except SubmissionError as error:
            self._refused(effect, error)
            return None
        if not new:
            self._skip(effect.place, "create_jobs", f"there is a job for '{effect.key[:200]}' already", job)
        return job if new else None

    def _refused(self, effect: MakeJob, error: SubmissionError) -> None:
        """Pass over a workflow that a tenant of an operator's rule does not have; refuse everything else."""
        if self.rule.tenant_id is None and error.field == "workflow":
            self._skip(effect.place, "create_jobs", error.message)
            return
        raise Refused(f"{effect.place}.{error.field}", error.message)

    def _tell(self, wanted: Iterable[Tell]) -> None:
        for index, effect in enumerate(wanted):
            notice = Notice(
                firing=self.firing,
                tenant_id=self.firing.tenant_id,
                position=index,
                content=effect.content,
                due_at=self.now,
            )
            self.notices.append(notice)
            self._say(effect.place, "notify", channel=effect.content["channel"], notice=str(notice.uid))

    def _say(self, place: str, action: str, **what: Any) -> None:
        self.told.append({"place": place, "action": action, **what})

    def _skip(self, place: str, action: str, why: str, job: Job | None = None) -> None:
        self._say(place, action, skipped=why[:500], **({} if job is None else {"job": str(job.uid)}))


def store_acts(acts: Sequence[Acts]) -> None:
    """Store which firing made which job, and the messages; belongs in the transaction that stored the jobs."""
    insert_rows(JobLink, LINK_COLUMNS, [link for each in acts for link in each.links()])
    notices = [notice for each in acts for notice in each.notices]
    Notice.objects.bulk_create(notices)
    if notices:
        hint_on_commit()
