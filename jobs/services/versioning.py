"""What versions have to do with jobs: moving those that have not begun, and running finished ones again.

A job keeps the version it began on. One that has not begun may be moved; one that is over is run again as a new job,
which takes over what the unchanged steps at the beginning gave, and goes on with the first changed one.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import connection

from jobs.domain.states import FINAL, EventKind, State
from jobs.models import Event, Job, StepRun
from jobs.services.claim import positions_begun
from jobs.services.submit import store_jobs
from jobs.services.values import refresh_values
from taskflow.lib.cache import remember
from taskflow.lib.db import in_transaction
from workflows.domain.fields import check_payload
from workflows.models import Step, WorkflowVersion

NOT_BEGUN = (State.PENDING.value, State.SCHEDULED.value)
#: What makes a step another one. Its name is for people only.
COMPARED = ("key", "kind", "config", "on_error", "timeout", "retry", "review")


class LeftAlone(Exception):
    """A job is not moved or run again; says why in words that fit many jobs."""


def move_job(*, job: Job, version: WorkflowVersion, actor: str, now: datetime) -> Job:
    """Let a job that has not begun run another version of its workflow. Raises LeftAlone, with the reason."""
    return in_transaction(lambda: _move(_locked(job.pk), version, actor, now))


def _move(job: Job, version: WorkflowVersion, actor: str, now: datetime) -> Job:
    if job.version_id == version.pk:
        raise LeftAlone("ran this version already")
    begun = job.attempts or job.position or job.run_number > 1
    if begun or job.state not in NOT_BEGUN or StepRun.objects.filter(job=job).exists():
        raise LeftAlone("had begun already")
    if check_payload(version.fields, job.payload):
        raise LeftAlone("hold a payload that does not fit the version's fields")
    rows = Job.objects.filter(pk=job.pk, state=job.state, attempts=0, version_id=job.version_id)
    if rows.update(version=version) != 1:
        raise LeftAlone("had begun already")
    refresh_values([(job.pk, job.workflow_id)], payload=True)
    data = {"version": version.number, "before": job.version.number}
    Event.objects.create(job=job, at=now, kind=EventKind.MOVED.value, actor=actor, data=data)
    job.version = version
    return job


def rerun_job(*, job: Job, version: WorkflowVersion, actor: str, now: datetime) -> Job:
    """Run a final job of another version again on `version`, from the first changed step, as a new job.

    The new job has the source "rerun:UID" and the correlation id of the old one, which stays as it is. There is at most
    one of each job and version. Raises LeftAlone, with the reason.
    """
    return in_transaction(lambda: _rerun(_locked(job.pk), version, actor, now))


def _rerun(old: Job, version: WorkflowVersion, actor: str, now: datetime) -> Job:
    if old.state not in FINAL:
        raise LeftAlone("were not over")
    if old.version_id == version.pk:
        raise LeftAlone("ran this version already")
    uid = rerun_uid(old.uid, version.number or 0)
    if Job.objects.filter(uid=uid).exists():
        raise LeftAlone("were run again on this version before")
    if check_payload(version.fields, old.payload):
        raise LeftAlone("hold a payload that does not fit the version's fields")
    kept, position = kept_runs(old, version)
    if old.state == State.SUCCEEDED and _nothing_changed(old, version):
        raise LeftAlone("went through steps of which none has changed")
    new = _new_job(old, version, uid, position, now)
    store_jobs([new], now=now)
    StepRun.objects.bulk_create(_copy(run, new, now) for run in kept)
    refresh_values([(new.pk, new.workflow_id)])
    data = {"version": version.number, "job": str(uid)}
    Event.objects.create(job=old, at=now, kind=EventKind.RERUN.value, attempt=old.attempts, actor=actor, data=data)
    return new


def _new_job(old: Job, version: WorkflowVersion, uid: UUID, position: int, now: datetime) -> Job:
    return Job(
        uid=uid,
        tenant_id=old.tenant_id,
        workflow_id=old.workflow_id,
        version=version,
        queue_id=old.queue_id,
        state=State.PENDING.value,
        priority=old.priority,
        due_at=now,
        position=position,
        payload=old.payload,
        retry_policy=old.retry_policy,
        correlation_id=old.correlation_id,
        source=f"rerun:{old.uid}",
        created_at=now,
    )


def rerun_uid(uid: UUID, number: int) -> UUID:
    """Return the id of the job that runs the job `uid` again on the version `number`: always the same.

    It has the form of a UUIDv7 of the old job's moment.
    """
    digest = int.from_bytes(sha256(uid.bytes + number.to_bytes(8, "big")).digest()[:10], "big")
    value = uid.int >> 80 << 80 | digest
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def kept_runs(old: Job, version: WorkflowVersion) -> tuple[list[StepRun], int]:
    """Return the runs of steps at the beginning that need not run again in `version`, and where to go on.

    A step that failed and was passed over ends them, and so does one that sent the job to or past the first changed
    step: it runs again, as what it named may stand elsewhere now.
    """
    same = first_change(old.version_id, version.pk)
    runs = _effective_runs(old)
    kept: list[StepRun] = []
    position = 0
    for run, following in zip(runs, [*runs[1:], None], strict=False):
        next_at = following.position if following is not None else old.position
        jumped = next_at != run.position + 1
        if run.position >= same or run.error is not None or (jumped and next_at >= same):
            break
        kept.append(run)
        position = next_at
    return kept, position


def _effective_runs(job: Job) -> list[StepRun]:
    """Return the latest run of each step on the way the job took last, in order."""
    begun = positions_begun([job.pk])[job.pk] if job.run_number > 1 else []
    found: dict[int, StepRun] = {}
    for run in StepRun.objects.filter(job=job).order_by("position", "run_number"):
        later = begun[run.run_number - 1 :]
        if not later or run.position < min(later):
            found[run.position] = run
    return [found[position] for position in sorted(found)]


def _nothing_changed(old: Job, version: WorkflowVersion) -> bool:
    before, after = _steps(old.version_id), _steps(version.pk)
    return before == after and old.version.fields == version.fields


def first_change(before: int, after: int) -> int:
    """Return the position of the first step that differs between two versions, by their ids."""
    old, new = _steps(before), _steps(after)
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    return same


@remember(seconds=60)
def _steps(version_id: int) -> Sequence[dict[str, Any]]:
    return list(Step.objects.filter(version=version_id).order_by("position").values(*COMPARED))


def _copy(run: StepRun, job: Job, now: datetime) -> StepRun:
    """Return a run for the new job; what it cost was paid by the old one."""
    return StepRun(
        job=job,
        position=run.position,
        run_number=1,
        attempt=0,
        step_key=run.step_key,
        output=run.output,
        seconds=0.0,
        confidence=run.confidence,
        confidence_by=run.confidence_by,
        model=run.model,
        finished_at=now,
    )


def _locked(pk: int) -> Job:
    rows = Job.objects.all()
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    job: Job = rows.get(pk=pk)
    return job
