"""Lists that people upload, and the rows of them that became jobs, or did not."""

from typing import Any

from django.conf import settings
from django.db import models

from taskflow.lib.fields import JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet
from workflows.models import Workflow


class ImportState(models.TextChoices):
    """What becomes of an import. A new one waits for a person to say which column is what."""

    NEW = "new", "New"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class ListImport(models.Model):
    """An uploaded list that becomes jobs, in the background and in chunks.

    `seen` counts the rows that are dealt with: made into a job, there already, or wrong. `worked_at` is the fence:
    whoever finds another value in the row has lost the import and writes nothing.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="list_imports")
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="list_imports")
    state = models.CharField(max_length=10, choices=ImportState.choices, default=ImportState.NEW)
    stored_as = models.CharField(max_length=200, blank=True)
    filename = models.CharField(max_length=200)
    size = models.BigIntegerField(default=0)
    form: Any = JSONTextField(default=dict)
    mapping: Any = JSONTextField(default=dict)
    key_column = models.CharField(max_length=200, blank=True, default="")
    seen = models.PositiveIntegerField(default=0)
    made = models.PositiveIntegerField(default=0)
    already = models.PositiveIntegerField(default=0)
    wrong = models.PositiveIntegerField(default=0)
    permille = models.PositiveSmallIntegerField(default=0)
    error_message = models.TextField(blank=True, default="")
    actor = models.CharField(max_length=100, blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    worked_at = models.DateTimeField(null=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=("tenant", "id"), name="import_tenant"),
            models.Index(fields=("workflow", "id"), name="import_workflow"),
            models.Index(fields=("state", "worked_at"), name="import_state"),
        )

    def __str__(self) -> str:
        return self.filename

    @property
    def correlation_id(self) -> str:
        """What the jobs of this import have in common."""
        return f"import-{self.uid}"


class ImportedRow(models.Model):
    """A row that became a job: the hash of its key, or of all of it. The same row again makes no second job."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=64)
    list_import = models.ForeignKey(ListImport, models.CASCADE, related_name="rows")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("workflow", "key"), name="imported_row_once"),)

    def __str__(self) -> str:
        return self.key


class ImportProblem(models.Model):
    """A row that became no job: its number in the file, its values, and why."""

    list_import = models.ForeignKey(ListImport, models.CASCADE, related_name="problems")
    row = models.PositiveIntegerField()
    values: Any = JSONTextField(default=dict)
    message = models.TextField()

    def __str__(self) -> str:
        return f"row {self.row}"
