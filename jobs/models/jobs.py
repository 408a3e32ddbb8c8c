"""A job and its history: the row is the truth, messages are hints."""

from typing import Any

from django.db import models

from jobs.domain.states import State
from jobs.models.queues import Queue
from taskflow.lib.fields import ExactCharField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet
from workflows.models import Workflow, WorkflowVersion

STATES = [(state.value, state.value.title()) for state in State]


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
    correlation_id = ExactCharField(max_length=100)
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
    confidence_by = models.CharField(max_length=10, blank=True, default="")
    model = models.CharField(max_length=200, blank=True, default="")
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
