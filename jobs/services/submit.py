"""Taking jobs in: checked against the workflow's fields, stored with their first event, announced after commit."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, connection

from jobs.domain.states import EventKind, State
from jobs.domain.submission import DEFAULT_PRIORITY, LOWEST_PRIORITY, IdempotencyConflict, NewJob, SubmissionError
from jobs.models import Event, File, IdempotencyKey, Job, Lane, Queue
from jobs.queries.files import missing_files
from jobs.queries.labels import queue_slug, workflow_slug
from jobs.services.values import store_new_values
from jobs.services.wake import wake_on_commit
from taskflow.lib.cache import remember
from taskflow.lib.db import database_time, in_transaction, insert_rows
from taskflow.lib.fields import dump_json
from taskflow.lib.ids import new_uid
from taskflow.lib.telemetry import span
from workflows.domain.fields import FILE_TYPES, InputField, check_payload
from workflows.domain.files import references_in, referred
from workflows.queries import LiveVersion, NotPublished, WorkflowNotFound, get_live

CACHE_SECONDS = 5.0
COLUMNS = (
    "uid",
    "tenant_id",
    "workflow_id",
    "version_id",
    "queue_id",
    "parent_id",
    "state",
    "priority",
    "due_at",
    "wake_at",
    "position",
    "attempts",
    "failures",
    "crashes",
    "run_number",
    "payload",
    "error_class",
    "retry_policy",
    "correlation_id",
    "traceparent",
    "source",
    "created_at",
)
EVENT_COLUMNS = ("job_id", "at", "kind", "state", "attempt", "actor")
ROWS_PER_STATEMENT = 250


def submit_job(*, tenant_id: int, request: NewJob, now: datetime) -> Job:
    """Store one job and announce it. Raises SubmissionError, with every problem, and stores nothing then."""
    (answer,) = submit_jobs(tenant_id=tenant_id, requests=[request], now=now)
    if isinstance(answer, SubmissionError):
        raise answer
    return answer


def submit_jobs(*, tenant_id: int, requests: Sequence[NewJob], now: datetime) -> list[Job | SubmissionError]:
    """Store the jobs that are right in one transaction. Returns, in order, each one's row or what is wrong with it."""
    answers = prepare_jobs(tenant_id=tenant_id, requests=requests, now=now)
    jobs = [answer for answer in answers if isinstance(answer, Job)]
    files = {
        answer.uid: request.file_ids
        for answer, request in zip(answers, requests, strict=True)
        if isinstance(answer, Job) and request.file_ids
    }
    if not jobs:
        return answers
    _make_lanes(jobs)
    with span("engine.submit", count=len(jobs), batches=_batches(jobs)):
        in_transaction(lambda: _store(jobs, files, now))
    return answers


def _batches(jobs: Sequence[Job]) -> list[tuple[str, str, int]]:
    """Return how many jobs go to each queue from each workflow."""
    counted = Counter((job.queue_id, job.workflow_id) for job in jobs)
    return [(queue_slug(queue), workflow_slug(workflow), count) for (queue, workflow), count in counted.items()]


def submit_once(*, tenant_id: int, request: NewJob, key: str, fingerprint: str, now: datetime) -> tuple[Job, bool]:
    """Store a job under an idempotency key (the SHA-256 of the client's). Returns the job, and whether it is new.

    Raises IdempotencyConflict if the key came with another body before, and SubmissionError.
    """
    first = find_first_use(tenant_id, key, fingerprint)
    if first is not None:
        return first, False

    def work() -> Job:
        job = submit_job(tenant_id=tenant_id, request=request, now=now)
        IdempotencyKey.objects.create(tenant_id=tenant_id, key=key, fingerprint=fingerprint, job=job, created_at=now)
        return job

    try:
        return in_transaction(work), True
    except IntegrityError:
        first = find_first_use(tenant_id, key, fingerprint)
        if first is None:
            raise
        return first, False


def find_first_use(tenant_id: int, key: str, fingerprint: str) -> Job | None:
    """Return the job that this idempotency key led to, if it was used. Raises IdempotencyConflict."""
    row = IdempotencyKey.objects.filter(tenant_id=tenant_id, key=key).select_related("job").first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise IdempotencyConflict("This Idempotency-Key was used before with another body.")
    return row.job


def prepare_jobs(*, tenant_id: int, requests: Sequence[NewJob], now: datetime) -> list[Job | SubmissionError]:
    """Return, in order, the row of each job, for `store_jobs`, or what is wrong with it; stores nothing."""
    live = {slug: _live_or_not(tenant_id, slug) for slug in {request.workflow for request in requests}}
    return [_prepare(tenant_id, request, live[request.workflow], now) for request in requests]


def _live_or_not(tenant_id: int, slug: str) -> LiveVersion | SubmissionError:
    try:
        return get_live(tenant_id, slug)
    except (WorkflowNotFound, NotPublished) as error:
        return SubmissionError([("workflow", str(error))])


def _prepare(
    tenant_id: int, request: NewJob, live: LiveVersion | SubmissionError, now: datetime
) -> Job | SubmissionError:
    if isinstance(live, SubmissionError):
        return live
    queue_id = find_queue(request.queue or live.queue)
    problems = [
        (f"payload.{problem.field}" if problem.field else "payload", problem.message)
        for problem in check_payload(live.fields, request.payload)
    ]
    problems = problems or list(_file_problems(tenant_id, live.fields, request))
    if queue_id is None:
        problems.append(("queue", f"There is no queue '{request.queue or live.queue}'."))
    if request.priority is not None and not 0 <= request.priority <= LOWEST_PRIORITY:
        problems.append(("priority", f"Must be between 0 (first) and {LOWEST_PRIORITY} (last)."))
    if problems or queue_id is None:
        return SubmissionError(problems)
    uid = request.uid or new_uid()
    version = live if live.next is None else live.chosen_for(uid)
    if version is not live and not _fits(tenant_id, version, live, request):
        version = live
    return _new_row(tenant_id, request, version, queue_id, uid, now)


def _fits(tenant_id: int, version: LiveVersion, live: LiveVersion, request: NewJob) -> bool:
    """Say whether a payload that fits the live version fits one that is only released: no job is lost to a release."""
    if version.fields == live.fields:
        return True
    if check_payload(version.fields, request.payload):
        return False
    return not any(_file_problems(tenant_id, version.fields, request))


def _file_problems(tenant_id: int, fields: Sequence[InputField], request: NewJob) -> Iterator[tuple[str, str]]:
    """Find the file fields that name what neither came with the job nor belongs to another job of the tenant."""
    named = {field.key: request.payload.get(field.key) for field in fields if field.type in FILE_TYPES}
    missing = missing_files(tenant_id, set(references_in(named)) - request.file_uids)
    for key, value in named.items():
        if any(referred(item) in missing for item in (value if isinstance(value, list) else [value])):
            yield f"payload.{key}", "There is no such file. Send it with the job, as multipart/form-data."


def _new_row(tenant_id: int, request: NewJob, version: LiveVersion, queue_id: int, uid: UUID, now: datetime) -> Job:
    due_at = now if request.run_at is None else request.run_at
    later = due_at > now
    return Job(
        uid=uid,
        tenant_id=tenant_id,
        workflow_id=version.workflow_id,
        version_id=version.version_id,
        queue_id=queue_id,
        parent_id=request.parent_id,
        state=State.SCHEDULED.value if later else State.PENDING.value,
        priority=DEFAULT_PRIORITY if request.priority is None else request.priority,
        due_at=due_at,
        wake_at=due_at if later else None,
        payload=request.payload,
        retry_policy=None if request.retry_policy is None else request.retry_policy.model_dump(mode="json"),
        correlation_id=request.correlation_id or str(uid),
        traceparent=request.traceparent,
        source=request.source,
        created_at=now,
    )


def store_jobs(jobs: Sequence[Job], *, now: datetime) -> None:
    """Store rows that were made whole elsewhere, with their first events; belongs in a transaction."""
    if not jobs:
        return
    _make_lanes(jobs)
    with span("engine.submit", count=len(jobs), batches=_batches(jobs)):
        _store(jobs, {}, now)


def _make_lanes(jobs: Sequence[Job]) -> None:
    for queue_id, tenant_id in sorted({(job.queue_id, job.tenant_id) for job in jobs}):
        ensure_lane(queue_id=queue_id, tenant_id=tenant_id)


def _store(jobs: Sequence[Job], files: Mapping[UUID, Sequence[int]], now: datetime) -> None:
    for start in range(0, len(jobs), ROWS_PER_STATEMENT):
        _insert(jobs[start : start + ROWS_PER_STATEMENT], now)
    for job in jobs if files else ():
        _attach(job, files.get(job.uid, ()))
    due = Counter(job.queue_id for job in jobs if job.wake_at is None)
    for queue_id in due:
        wake_on_commit(queue_id=queue_id, now=now)


def _attach(job: Job, file_ids: Sequence[int]) -> None:
    rows = File.objects.filter(pk__in=file_ids, tenant_id=job.tenant_id, job=None)
    if file_ids and rows.update(job=job) != len(file_ids):
        raise SubmissionError([("files", "A file was taken away before its job was stored. Send it again.")])


def _insert(jobs: Sequence[Job], now: datetime) -> None:
    rows = [_database_row(job) for job in jobs]
    ids = insert_rows(Job, COLUMNS, rows, returning=True)
    if not ids:
        found: dict[UUID, int] = dict(Job.objects.filter(uid__in=[job.uid for job in jobs]).values_list("uid", "id"))
        ids = [found[job.uid] for job in jobs]
    at = database_time(now)
    for job, pk in zip(jobs, ids, strict=True):
        job.pk = pk
        job._state.adding = False
        job._state.db = connection.alias
    insert_rows(
        Event,
        EVENT_COLUMNS,
        [(job.pk, at, EventKind.CREATED.value, job.state, 0, job.source) for job in jobs],
    )
    store_new_values(jobs)


def _database_row(job: Job) -> tuple[object, ...]:
    uid = str(job.uid) if connection.features.has_native_uuid_field else job.uid.hex
    return (
        uid,
        job.tenant_id,
        job.workflow_id,
        job.version_id,
        job.queue_id,
        job.parent_id,
        job.state,
        job.priority,
        database_time(job.due_at),
        database_time(job.wake_at),
        job.position,
        0,
        0,
        0,
        1,
        dump_json(job.payload),
        "",
        None if job.retry_policy is None else dump_json(job.retry_policy),
        job.correlation_id,
        job.traceparent,
        job.source,
        database_time(job.created_at),
    )


def check_requests(*, tenant_id: int, requests: Sequence[NewJob], now: datetime) -> list[SubmissionError]:
    """Return what is wrong with the requests, without storing anything."""
    answers = prepare_jobs(tenant_id=tenant_id, requests=requests, now=now)
    return [answer for answer in answers if isinstance(answer, SubmissionError)]


@remember(seconds=CACHE_SECONDS)
def find_queue(slug: str) -> int | None:
    """Return the id of the queue `slug`, or None."""
    return Queue.objects.filter(slug=slug).values_list("pk", flat=True).first()


@remember(seconds=60)
def ensure_lane(*, queue_id: int, tenant_id: int) -> int:
    """Return the id of the tenant's lane in the queue, which is made when it first sends a job there."""
    lane, _ = Lane.objects.get_or_create(queue_id=queue_id, tenant_id=tenant_id)
    return lane.pk


def prune_idempotency_keys(*, now: datetime, keep: timedelta = timedelta(days=7)) -> int:
    """Forget the keys that are older than `keep`; returns how many."""
    count, _ = IdempotencyKey.objects.filter(created_at__lt=now - keep).delete()
    return count
