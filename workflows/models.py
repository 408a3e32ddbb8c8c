"""Workflow definitions: what a PM edits, and the numbered snapshots that jobs run."""

from typing import Any

from django.db import models

from taskflow.lib.fields import JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet


class Workflow(models.Model):
    """What a PM edits: labels, and a draft that becomes published versions."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="workflows")
    slug = models.SlugField(max_length=63)
    name = models.CharField(max_length=200)
    label_singular = models.CharField(max_length=60, default="Job")
    label_plural = models.CharField(max_length=60, default="Jobs")
    queue = models.SlugField(max_length=50, default="default", help_text="The queue its jobs wait in.")
    active = models.BooleanField(default=True)
    live_version = models.ForeignKey(
        "WorkflowVersion", models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("tenant", "slug"), name="workflow_slug_once"),)

    def __str__(self) -> str:
        return self.name


class WorkflowVersion(models.Model):
    """A snapshot of fields, policies and steps: the one editable draft (number is null), or published and immutable."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(null=True, blank=True, editable=False)
    draft_of = models.OneToOneField(
        Workflow, models.CASCADE, null=True, blank=True, related_name="draft", editable=False
    )
    fields = JSONTextField(default=list, blank=True)
    retry_policy = JSONTextField(null=True, blank=True)
    timeout = models.FloatField(default=3600.0, help_text="Seconds one attempt at a job may take in all.")
    notes = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("workflow", "number"), name="version_number_once"),
            models.CheckConstraint(
                condition=models.Q(number__isnull=True, draft_of__isnull=False, published_at__isnull=True)
                | models.Q(number__isnull=False, draft_of__isnull=True, published_at__isnull=False),
                name="version_draft_or_published",
            ),
        )

    def __str__(self) -> str:
        return f"{self.workflow} (draft)" if self.number is None else f"{self.workflow} v{self.number}"


class Step(models.Model):
    """One position in a version: its kind with a config, overrides, and what happens on an error."""

    version = models.ForeignKey(WorkflowVersion, models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    key = models.SlugField(max_length=50)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=30)
    config = JSONTextField(default=dict, blank=True)
    on_error = models.CharField(
        max_length=10, choices=[("fail", "Fail the job"), ("continue", "Go on")], default="fail"
    )
    timeout = models.FloatField(null=True, blank=True, help_text="Seconds; empty for the kind's own limit.")
    retry = JSONTextField(null=True, blank=True)

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("version", "key"), name="step_key_once"),
            models.UniqueConstraint(fields=("version", "position"), name="step_position_once"),
        )

    def __str__(self) -> str:
        return self.name


class Sample(models.Model):
    """An input to try a draft on; golden when `expected` says what must come out."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="samples")
    name = models.CharField(max_length=200, blank=True)
    input: Any = JSONTextField()
    expected: Any = JSONTextField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name or f"Sample {self.pk}"
