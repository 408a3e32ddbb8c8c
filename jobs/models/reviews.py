"""What jobs ask people, and what was decided."""

from datetime import datetime
from typing import Any

from django.db import models

from jobs.domain.reviews import Decision, Hold, ReviewState
from jobs.models.jobs import Job
from taskflow.lib.fields import JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet
from workflows.models import Workflow


class Review(models.Model):
    """A question about one step of one run of a job, which is WAITING meanwhile.

    `proposal` is the step's output as it was, `output` as it was decided; `fields` say what may be edited, `stamp` what
    a yes adds. `wake_at` is set where something must happen by itself: an open one is escalated then, a decided one
    takes effect. `seconds` is how long it lay open before the person who decided.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="reviews", db_index=False)
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="reviews", db_index=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="reviews", db_index=False)
    step_key = models.CharField(max_length=50)
    position = models.PositiveSmallIntegerField()
    run_number = models.PositiveSmallIntegerField()
    resume_at = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=500)
    reason = models.CharField(max_length=1000, blank=True, default="")
    proposal: Any = JSONTextField()
    fields: Any = JSONTextField(default=list)
    shown: Any = JSONTextField(default=dict)
    stamp: Any = JSONTextField(default=dict)
    role = models.CharField(max_length=10)
    assignee = models.CharField(max_length=150, blank=True, default="")
    due_at = models.DateTimeField(null=True)
    escalate_role = models.CharField(max_length=10, blank=True, default="")
    escalated_at = models.DateTimeField(null=True)
    on_reject = models.CharField(max_length=10)
    reject_workflow = models.CharField(max_length=63, blank=True, default="")
    state = models.CharField(max_length=10, choices=[(state.value, state.value.title()) for state in ReviewState])
    wake_at = models.DateTimeField(null=True)
    claimed_by = models.CharField(max_length=150, blank=True, default="")
    claimed_until = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    decision = models.CharField(
        max_length=10, blank=True, default="", choices=[(each.value, each.value.title()) for each in Decision]
    )
    output: Any = JSONTextField(null=True)
    comment = models.TextField(blank=True, default="")
    decided_by = models.CharField(max_length=150, blank=True, default="")
    decided_at = models.DateTimeField(null=True)
    seconds = models.FloatField(null=True)
    created_at = models.DateTimeField()

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("job", "step_key", "run_number"), name="review_once"),)
        indexes = (
            models.Index(fields=("tenant", "state", "id"), name="review_tenant_state"),
            models.Index(fields=("workflow", "state", "id"), name="review_workflow_state"),
            models.Index(fields=("wake_at",), name="review_wake"),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def hold(self) -> Hold:
        """Who may answer it, and who is at it."""
        return Hold(self.role, self.assignee, self.claimed_by, self.claimed_until)

    @property
    def options(self) -> list[str]:
        """What may be decided; there is nothing to edit where no field is open to it."""
        return [each.value for each in Decision if each is not Decision.EDIT or self.fields]

    @property
    def is_pending(self) -> bool:
        """Whether it is decided, and the decision may still be undone."""
        return self.state == ReviewState.DECIDED and self.wake_at is not None

    def is_overdue(self, now: datetime) -> bool:
        """Say whether the answer is late."""
        return self.state == ReviewState.OPEN and self.due_at is not None and self.due_at <= now
