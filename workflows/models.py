"""Workflow definitions: what a PM edits, and the numbered snapshots that jobs run."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.deletion import Collector

from taskflow.lib.fields import ExactSlugField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet


class Immutable(Exception):
    """A published version does not change; edit the draft, and publish that."""

    def __init__(self) -> None:
        super().__init__("A published version does not change. Edit the draft and publish it.")


class Workflow(models.Model):
    """What a PM edits: labels, and a draft that becomes published versions."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="workflows")
    slug = ExactSlugField(max_length=63)
    name = models.CharField(max_length=200)
    label_singular = models.CharField(max_length=60, default="Job")
    label_plural = models.CharField(max_length=60, default="Jobs")
    queue = ExactSlugField(max_length=50, default="default", help_text="The queue its jobs wait in.")
    description = models.TextField(blank=True, default="")
    icon = models.CharField(max_length=40, blank=True, default="", help_text="The name of a Material symbol.")
    active = models.BooleanField(default=True)
    live_version = models.ForeignKey(
        "WorkflowVersion", models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    next_version = models.ForeignKey(
        "WorkflowVersion", models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    next_share = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Percent of new jobs that run the next version instead of the live one."
    )
    dissolving = models.BooleanField(
        default=False, editable=False, help_text="It is being deleted whole, and only so may its versions go."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("tenant", "slug"), name="workflow_slug_once"),)

    def __str__(self) -> str:
        return self.name


class VersionQuerySet(models.QuerySet["WorkflowVersion"]):
    """Versions, of which only drafts change. Deleting a whole workflow still takes its versions with it."""

    def update(self, **kwargs: Any) -> int:
        _refuse_if(self.filter(number__isnull=False).exists())
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        _refuse_if(self.filter(number__isnull=False).exists())
        return super().delete()


class StepQuerySet(models.QuerySet["Step"]):
    """Steps, of which only a draft's change. A version that is just being published gets its own by `bulk_create`."""

    def update(self, **kwargs: Any) -> int:
        _refuse_if(self.filter(version__number__isnull=False).exists())
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        _refuse_if(self.filter(version__number__isnull=False).exists())
        return super().delete()

    def bulk_create(self, objs: Iterable["Step"], *args: Any, **kwargs: Any) -> list["Step"]:
        steps = list(objs)
        versions = {step.version_id for step in steps}
        _refuse_if(WorkflowVersion.objects.filter(pk__in=versions, sealed=True).exists())
        return super().bulk_create(steps, *args, **kwargs)


def _refuse_if(published: bool) -> None:
    if published:
        raise Immutable


def delete_too(collector: Collector, field: models.ForeignKey[Any, Any], objects: Any, using: str) -> None:
    """CASCADE, but not by way of a null in the column, as Django does on MySQL: no version may be in that state."""
    collector.collect(objects, source=field.remote_field.model, source_attr=field.name)


class WorkflowVersion(models.Model):
    """A snapshot of fields, policies and steps: the one editable draft (number is null), or published and immutable.

    A version is published in one transaction: its row, its steps, and last its seal, which the database's own triggers
    keep (workflows.services.keeping): neither the row nor its steps change after that, by whatever way.
    """

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(null=True, blank=True, editable=False)
    draft_of = models.OneToOneField(Workflow, delete_too, null=True, blank=True, related_name="draft", editable=False)
    fields = JSONTextField(default=list, blank=True)
    retry_policy = JSONTextField(null=True, blank=True)
    timeout = models.FloatField(default=3600.0, help_text="Seconds one attempt at a job may take in all.")
    notes = models.TextField(blank=True)
    gate: Any = JSONTextField(null=True, blank=True, help_text="What the gate said when it was published.")
    revision = models.PositiveIntegerField(default=0, editable=False, help_text="Grows with every edit of a draft.")
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    sealed = models.BooleanField(default=False, editable=False, help_text="Published with all its steps.")
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )

    objects = VersionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("workflow", "number"), name="version_number_once"),
            models.CheckConstraint(
                condition=models.Q(number__isnull=True, draft_of__isnull=False, published_at__isnull=True)
                | models.Q(number__isnull=False, draft_of__isnull=True, published_at__isnull=False),
                name="version_draft_or_published",
            ),
            models.CheckConstraint(
                condition=models.Q(sealed=False) | models.Q(number__isnull=False), name="version_sealed_is_published"
            ),
        )

    def __str__(self) -> str:
        return f"{self.workflow} (draft)" if self.number is None else f"{self.workflow} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save a draft, or a version that is just being published. Raises Immutable for one that is."""
        _refuse_if(not self._state.adding and _is_published(self.pk))
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete a draft. Raises Immutable for a published version."""
        _refuse_if(_is_published(self.pk))
        return super().delete(*args, **kwargs)

    def seal(self) -> None:
        """Say that the version has all its steps; belongs in the transaction that publishes it."""
        WorkflowVersion._base_manager.filter(pk=self.pk, number__isnull=False).update(sealed=True)
        self.sealed = True


def _is_published(version_id: int | None) -> bool:
    return WorkflowVersion.objects.filter(pk=version_id or 0, number__isnull=False).exists()


class Step(models.Model):
    """One position in a version: its kind with a config, overrides, and what happens on an error."""

    version = models.ForeignKey(WorkflowVersion, models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    key = ExactSlugField(max_length=50)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=30)
    enabled = models.BooleanField(default=True, help_text="A draft keeps steps that are switched off; versions do not.")
    config: Any = JSONTextField(default=dict, blank=True)
    on_error = models.CharField(
        max_length=10, choices=[("fail", "Fail the job"), ("continue", "Go on")], default="fail"
    )
    timeout = models.FloatField(null=True, blank=True, help_text="Seconds; empty for the kind's own limit.")
    retry: Any = JSONTextField(null=True, blank=True)
    review: Any = JSONTextField(null=True, blank=True, help_text="When a person looks at its output; empty: never.")

    objects = StepQuerySet.as_manager()

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("version", "key"), name="step_key_once"),
            models.UniqueConstraint(fields=("version", "position"), name="step_position_once"),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save a step of a draft. Raises Immutable for one of a published version, or one on its way there."""
        _refuse_if(_is_published(self.version_id) or self._is_kept())
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete a step of a draft. Raises Immutable for one of a published version."""
        _refuse_if(self._is_kept())
        return super().delete(*args, **kwargs)

    def _is_kept(self) -> bool:
        return Step.objects.filter(pk=self.pk or 0, version__number__isnull=False).exists()


class Sample(models.Model):
    """An input to try a draft on; golden when `expected` says what must come out."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="samples")
    name = models.CharField(max_length=200, blank=True)
    input: Any = JSONTextField()
    expected: Any = JSONTextField(null=True, blank=True)
    origin = models.CharField(max_length=200, blank=True, default="", help_text="Where it came from: pasted, job:UID …")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name or f"Sample {self.pk}"


class DraftChange(models.Model):
    """One edit of a draft: who changed what. `version` is null until the draft that holds it is published."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="draft_changes")
    version = models.ForeignKey(WorkflowVersion, models.SET_NULL, null=True, blank=True, related_name="changes")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    step_key = models.CharField(max_length=50, blank=True, default="")
    text = models.CharField(max_length=500)
    revision = models.PositiveIntegerField(default=0, help_text="The draft's revision that this edit made.")
    undo: Any = JSONTextField(null=True, blank=True, help_text="What it replaced, kept for the last edit only.")

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.text


class Release(models.Model):
    """One line of what happened to the versions new jobs run: what was chosen, by whom, and what held before.

    `version` is what new jobs run since then, or `share` percent of them, beside `live`; the `was_` fields are what an
    undo goes back to.
    """

    class Kind(models.TextChoices):
        """What somebody did."""

        PUBLISHED = "published"
        SHARED = "shared"
        ENDED = "ended"
        ROLLED_BACK = "rolled_back"
        UNDONE = "undone"

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="releases")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    version = models.ForeignKey(WorkflowVersion, models.CASCADE, null=True, related_name="+")
    share = models.PositiveSmallIntegerField(default=100)
    was_live = models.ForeignKey(WorkflowVersion, models.CASCADE, null=True, related_name="+")
    was_next = models.ForeignKey(WorkflowVersion, models.CASCADE, null=True, related_name="+")
    was_share = models.PositiveSmallIntegerField(default=0)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    actor = models.CharField(max_length=100, blank=True, default="", help_text="A name where it was no user: a key.")
    reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.kind
