"""Views of a workflow's jobs that people save, and the index of values that makes them quick."""

from typing import Any

from django.conf import settings
from django.db import models

from jobs.models.jobs import Job
from taskflow.lib.fields import ExactCharField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet
from workflows.models import Workflow


class SavedView(models.Model):
    """How somebody looks at a workflow's jobs: columns, filters, order, colours. Its owner's alone unless shared."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="saved_views")
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="saved_views")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=100)
    shared = models.BooleanField(default=False)
    spec: Any = JSONTextField(default=dict)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    objects = TenantScopedQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class DefaultView(models.Model):
    """The view that a person's list of a workflow opens with."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="+")
    view = models.ForeignKey(SavedView, models.CASCADE, related_name="+")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "workflow"), name="default_view_once"),)

    def __str__(self) -> str:
        return f"{self.view} for {self.user}"


class IndexedField(models.Model):
    """A field of a workflow whose values are kept in the index.

    What was there before it are `filling`: newest first, down to `last_id`, which is None before the first chunk.
    `worked_at` is the fence of the process that fills or drops; nothing is done before `begins_at`, when no process
    holds an older list of fields in its memory.
    """

    class State(models.TextChoices):
        """What becomes of it."""

        FILLING = "filling", "Being indexed"
        READY = "ready", "Indexed"
        DROPPING = "dropping", "Being dropped"

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="indexed_fields")
    path = ExactCharField(max_length=190)
    state = models.CharField(max_length=10, choices=State.choices, default=State.FILLING)
    last_id = models.BigIntegerField(null=True)
    top_id = models.BigIntegerField(default=0)
    bottom_id = models.BigIntegerField(default=0)
    begins_at = models.DateTimeField()
    worked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("workflow", "path"), name="indexed_field_once"),)
        indexes = (models.Index(fields=("state", "worked_at"), name="indexed_field_state"),)

    def __str__(self) -> str:
        return self.path

    @property
    def percent(self) -> int:
        """How much of what was there before it is indexed."""
        if self.state == self.State.READY:
            return 100
        if self.last_id is None:
            return 0
        return max(0, min(99, 100 * (self.top_id - self.last_id) // max(self.top_id - self.bottom_id, 1)))


class JobValue(models.Model):
    """What one job holds in one indexed field, as `jobs.domain.values.encode` writes it; empty where it holds nothing.

    Every job of the workflow has a row for each of its indexed fields once they are filled, so the index alone answers
    which jobs hold something, nothing or anything, and in which order.
    """

    pk = models.CompositePrimaryKey("job_id", "field_id")
    job = models.ForeignKey(Job, models.CASCADE, related_name="values", db_index=False)
    #: Without a constraint: it would make every job wait for whoever writes how far the filling is.
    field = models.ForeignKey(IndexedField, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False)
    value = ExactCharField(max_length=190)

    class Meta:
        indexes = (models.Index(fields=("field", "value", "job"), name="job_value"),)

    def __str__(self) -> str:
        return self.value


class ValueIndex(models.Model):
    """The versions of a workflow, live and released, whose fields the index was last brought in line with."""

    workflow = models.OneToOneField(Workflow, models.CASCADE, primary_key=True, related_name="value_index")
    version_id = models.BigIntegerField(default=0)
    next_version_id = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"index of {self.workflow_id}"


class JobExport(models.Model):
    """A view's jobs as a file, written in the background in parts and put together at the end.

    `spec` is the view as it was, `wanted` its jobs as a JobFilter; `cursor` is where the next part goes on. `worked_at`
    is the fence, as in other background work.
    """

    class State(models.TextChoices):
        """What becomes of it."""

        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    class Format(models.TextChoices):
        """What kind of file it is."""

        CSV = "csv", "CSV"
        XLSX = "xlsx", "Excel (.xlsx)"
        JSONL = "jsonl", "JSON lines"

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="job_exports")
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="job_exports")
    name = models.CharField(max_length=100)
    format = models.CharField(max_length=5, choices=Format.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    spec: Any = JSONTextField(default=dict)
    wanted: Any = JSONTextField(default=dict)
    cursor: Any = JSONTextField(null=True)
    end_id = models.BigIntegerField(default=0)
    expected = models.PositiveIntegerField(null=True)
    rows = models.PositiveIntegerField(default=0)
    parts: Any = JSONTextField(default=list)
    stored_as = models.CharField(max_length=200, blank=True, default="")
    size = models.PositiveBigIntegerField(default=0)
    error_message = models.TextField(blank=True, default="")
    actor = models.CharField(max_length=100, blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    worked_at = models.DateTimeField(null=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=("tenant", "id"), name="export_tenant"),
            models.Index(fields=("state", "worked_at"), name="export_state"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def filename(self) -> str:
        """What the file is called when it is downloaded."""
        return f"{self.workflow.slug}-{self.created_at:%Y-%m-%d-%H%M}.{self.format}"
