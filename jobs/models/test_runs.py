"""Trying a draft on samples: one run over many, and what came of each."""

from typing import Any

from django.conf import settings
from django.db import models

from jobs.domain.comparing import Status
from jobs.domain.trials import TrialState
from taskflow.lib.fields import ExactCharField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet
from workflows.models import Sample, Workflow, WorkflowVersion


class Trial(models.Model):
    """A test run: a draft as it was, over samples as they were, beside the live version of that moment.

    `draft` is the draft in the form of a file, `content` the fingerprint of what it does, `golden` that of the
    workflow's golden samples, where the run is over all of them: by these the gate knows whether it still counts.
    `step_key` names the one step that is tried; empty: all. `anew` runs reuse no answers from before. `token` is the
    fence: a worker that finds another one has lost the run. `due_at` is when the tick looks after it next, `served_at`
    when it last had its turn; it `contends` while others wait for workers too. Money is in US dollars.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="trials", db_index=False)
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="trials", db_index=False)
    live_version = models.ForeignKey(WorkflowVersion, models.SET_NULL, null=True, related_name="+")
    live_number = models.PositiveIntegerField(null=True)
    draft: Any = JSONTextField()
    revision = models.PositiveIntegerField(default=0)
    content = ExactCharField(max_length=64)
    golden = ExactCharField(max_length=64, blank=True, default="")
    step_key = ExactCharField(max_length=50, blank=True, default="")
    source = models.CharField(max_length=200, blank=True, default="")
    anew = models.BooleanField(default=False)
    estimate: Any = JSONTextField(null=True)
    state = models.CharField(max_length=10, choices=[(each.value, each.value.title()) for each in TrialState])
    note = models.CharField(max_length=500, blank=True, default="")
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    same = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    fixed = models.PositiveIntegerField(default=0)
    broken = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    fresh = models.PositiveIntegerField(default=0)
    live_reviews = models.PositiveIntegerField(default=0)
    draft_reviews = models.PositiveIntegerField(default=0)
    reused = models.PositiveIntegerField(default=0)
    cost = models.FloatField(default=0.0)
    seconds = models.FloatField(default=0.0)
    token = models.BigIntegerField(null=True)
    worked_at = models.DateTimeField(null=True)
    served_at = models.DateTimeField(null=True)
    contends = models.BooleanField(default=False)
    due_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=("workflow", "id"), name="trial_workflow"),
            models.Index(fields=("tenant", "id"), name="trial_tenant"),
            models.Index(fields=("state", "due_at"), name="trial_state"),
        )

    def __str__(self) -> str:
        return f"test of {self.workflow_id} ({self.done} of {self.total})"

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is to do any more."""
        return self.state != TrialState.RUNNING


class TrialItem(models.Model):
    """One sample in a test run, and what came of it.

    `sample` may change or go; `input` and `expected` are as they were. `live` and `draft` are what the
    versions gave (record, error, steps, ...), `fields` what differs. `recorded` are answers that cost something, for
    the next run. `judged` is what a person said (live, draft, edit), `before` what the sample expected until then.
    """

    trial = models.ForeignKey(Trial, models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveIntegerField()
    sample = models.ForeignKey(Sample, models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=200, blank=True, default="")
    origin = models.CharField(max_length=200, blank=True, default="")
    input: Any = JSONTextField()
    expected: Any = JSONTextField(null=True)
    done_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    status = models.CharField(
        max_length=8, blank=True, default="", choices=[(each.value, each.value.title()) for each in Status]
    )
    live: Any = JSONTextField(null=True)
    draft: Any = JSONTextField(null=True)
    fields: Any = JSONTextField(null=True)
    recorded: Any = JSONTextField(null=True)
    asks = models.BooleanField(default=False)
    seconds = models.FloatField(default=0.0)
    cost = models.FloatField(default=0.0)
    judged = models.CharField(max_length=10, blank=True, default="")
    before: Any = JSONTextField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("trial", "position"), name="trial_item_once"),)
        indexes = (models.Index(fields=("trial", "status", "position"), name="trial_item_status"),)

    def __str__(self) -> str:
        return self.name or f"item {self.position}"
