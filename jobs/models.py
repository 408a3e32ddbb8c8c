"""The durable engine's rows: the row is the truth, messages are hints."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from jobs.domain.states import State
from taskflow.lib.fields import JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet
from workflows.models import Workflow, WorkflowVersion

STATES = [(state.value, state.value.title()) for state in State]


class Queue(models.Model):
    """Where due jobs wait. Caps are read at every claim, so an edit takes effect at once."""

    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    pool = models.SlugField(max_length=50, default="default", help_text="The worker pool that serves it.")
    cap = models.PositiveIntegerField(null=True, blank=True, help_text="Jobs running at once; empty for no limit.")
    rate = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001)],
        help_text="Jobs started a second at most; empty for no limit.",
    )
    rate_tokens = models.FloatField(default=0.0, editable=False)
    rate_filled_at = models.DateTimeField(null=True, editable=False)
    retry_policy = JSONTextField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name


class QueueWake(models.Model):
    """When a drain of this queue was sent that has not started yet; apart from Queue, so that nothing waits on it."""

    queue = models.OneToOneField(Queue, models.CASCADE, primary_key=True, related_name="wake")
    woken_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"wake of queue {self.queue_id}"


class Lane(models.Model):
    """One tenant in one queue: its share, its cap, and how much worker time it has had.

    `virtual_time` is worker-seconds divided by weight. The row is the lock that makes the cap exact. An `idle` lane
    had nothing due when it was last claimed from; it starts again at the present virtual time.
    """

    queue = models.ForeignKey(Queue, models.CASCADE, related_name="lanes")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="lanes")
    weight = models.FloatField(default=1.0, validators=[MinValueValidator(0.01), MaxValueValidator(1000)])
    cap = models.PositiveIntegerField(null=True, blank=True, help_text="Jobs running at once; empty for no limit.")
    paused_at = models.DateTimeField(null=True, blank=True)
    virtual_time = models.FloatField(default=0.0, editable=False)
    idle = models.BooleanField(default=True, editable=False)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("queue", "tenant"), name="lane_once"),)

    def __str__(self) -> str:
        return f"{self.tenant} in {self.queue}"


class WorkerLease(models.Model):
    """One living worker process. While `heartbeat_at` is fresh by the database's clock, its claims stand."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    pool = models.CharField(max_length=50, default="default")
    slots = models.PositiveIntegerField(default=1)
    running = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(db_index=True)
    stopping_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Job(models.Model):
    """One item being processed.

    `position` is the step it goes on with; `attempts` counts tries started, `failures` the errors of its work and
    `crashes` the workers that died under it, since the last manual retry; `run_number` counts manual retries.
    `claim_token` is the fence: who does not hold it cannot finish the job.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="jobs", db_index=False)
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="jobs", db_index=False)
    version = models.ForeignKey(WorkflowVersion, models.PROTECT, related_name="jobs")
    queue = models.ForeignKey(Queue, models.PROTECT, related_name="jobs", db_index=False)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")
    state = models.CharField(max_length=10, choices=STATES, default=State.PENDING.value)
    priority = models.PositiveSmallIntegerField(default=100)
    due_at = models.DateTimeField()
    wake_at = models.DateTimeField(null=True, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)
    run_number = models.PositiveSmallIntegerField(default=1)
    lease_id = models.BigIntegerField(null=True, blank=True)
    claim_token = models.BigIntegerField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    payload: Any = JSONTextField()
    result: Any = JSONTextField(null=True, blank=True)
    error_class = models.CharField(max_length=100, blank=True, default="")
    error_message: Any = models.TextField(null=True, blank=True)
    retry_policy: Any = JSONTextField(null=True, blank=True)
    correlation_id = models.CharField(max_length=100)
    traceparent = models.CharField(max_length=64, blank=True, default="")
    source = models.CharField(max_length=100, blank=True, default="")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=("queue", "state", "tenant", "priority", "due_at", "id"), name="job_claim"),
            models.Index(fields=("tenant", "state", "id"), name="job_tenant_state"),
            models.Index(fields=("workflow", "state", "id"), name="job_workflow_state"),
            models.Index(fields=("workflow", "id"), name="job_workflow"),
            models.Index(fields=("tenant", "correlation_id"), name="job_correlation"),
            models.Index(fields=("tenant", "finished_at"), name="job_finished"),
            models.Index(fields=("wake_at",), name="job_wake"),
        )

    def __str__(self) -> str:
        return str(self.uid)


class Attempt(models.Model):
    """One try at running a job from its current step; written when it ends."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempt_rows", db_index=False)
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=12)
    worker = models.CharField(max_length=220, blank=True)
    step_key = models.CharField(max_length=50, blank=True)
    error_class = models.CharField(max_length=100, blank=True)
    error_message: Any = models.TextField(null=True, blank=True)
    traceback: Any = models.TextField(null=True, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("job", "number"), name="attempt_once"),)

    def __str__(self) -> str:
        return f"attempt {self.number}"


class StepRun(models.Model):
    """The recorded output of one step of one job. A manual retry that repeats a step adds a row with the next run."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="step_runs", db_index=False)
    position = models.PositiveSmallIntegerField()
    run_number = models.PositiveSmallIntegerField(default=1)
    attempt = models.PositiveIntegerField()
    step_key = models.CharField(max_length=50)
    output: Any = JSONTextField(null=True)
    error: Any = JSONTextField(null=True)
    seconds = models.FloatField()
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost = models.FloatField(default=0.0)
    confidence = models.FloatField(null=True)
    finished_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("job", "position", "run_number"), name="step_run_once"),)

    def __str__(self) -> str:
        return f"{self.step_key} (run {self.run_number})"


class Event(models.Model):
    """One line of a job's log; append-only. `state` is the new state where the line is a transition, else empty."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=20)
    state = models.CharField(max_length=10, blank=True, default="")
    attempt = models.PositiveIntegerField(default=0)
    actor = models.CharField(max_length=100, blank=True, default="")
    data: Any = JSONTextField(null=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.kind


class StepPace(models.Model):
    """How long a step of a version takes, as a running mean; sizes chunks and charges lanes."""

    version = models.ForeignKey(WorkflowVersion, models.CASCADE, related_name="+", db_index=False)
    position = models.PositiveSmallIntegerField()
    seconds = models.FloatField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("version", "position"), name="pace_once"),)

    def __str__(self) -> str:
        return f"{self.seconds:.4f} s"


class EngineTick(models.Model):
    """One row: when the engine last promoted, woke and rescued. Whoever moves it on does the work."""

    ticked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"tick at {self.ticked_at}"


class IdempotencyKey(models.Model):
    """A client's Idempotency-Key (its SHA-256, as databases differ in how they compare text) and what it led to."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    job = models.ForeignKey(Job, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "key"), name="idempotency_key_once"),)

    def __str__(self) -> str:
        return self.key


class BulkAction(models.Model):
    """A change to many jobs, carried out in the background, with its progress."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="bulk_actions")
    kind = models.CharField(max_length=20)
    filters: Any = JSONTextField(default=dict)
    last_id = models.BigIntegerField(default=0)
    end_id = models.BigIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    error_message = models.TextField(blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    worked_at = models.DateTimeField(null=True)

    objects = TenantScopedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.kind} ({self.changed} changed)"
