"""What language models were asked and answered, what that cost, and answers kept to be used again."""

from typing import Any

from django.db import models

from jobs.models.jobs import Job
from taskflow.lib.fields import JSONTextField
from tenants.models import Tenant, TenantScopedQuerySet
from workflows.models import WorkflowVersion


class LlmCall(models.Model):
    """One question to a model and its answer, kept for audit without the fields that are redacted; pruned by age."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="llm_calls")
    position = models.PositiveSmallIntegerField()
    run_number = models.PositiveSmallIntegerField(default=1)
    attempt = models.PositiveIntegerField()
    step_key = models.CharField(max_length=50)
    connection = models.CharField(max_length=63)
    model = models.CharField(max_length=200)
    purpose = models.CharField(max_length=10)
    prompt: Any = models.TextField()
    answer: Any = models.TextField()
    error: Any = models.TextField(blank=True, default="")
    finish_reason = models.CharField(max_length=30, blank=True)
    cached = models.BooleanField(default=False)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost = models.FloatField(default=0.0)
    seconds = models.FloatField(default=0.0)
    at = models.DateTimeField(db_index=True)

    objects = TenantScopedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.step_key}: {self.purpose} of {self.model}"


class LlmAnswer(models.Model):
    """An answer that the same question gets again. `key` is the question's fingerprint, `reply` what was answered."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=64)
    reply: Any = JSONTextField()
    answered_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "key"), name="llm_answer_once"),)

    def __str__(self) -> str:
        return self.key[:12]


class LlmUsage(models.Model):
    """What one version asked of one model in one day (UTC), in all; kept when the calls themselves are pruned.

    What it asked in `tests` on samples is summed by itself.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    version = models.ForeignKey(WorkflowVersion, models.CASCADE, related_name="+")
    connection = models.CharField(max_length=63)
    model = models.CharField(max_length=200)
    tests = models.BooleanField(default=False)
    calls = models.PositiveIntegerField(default=0)
    cached = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost = models.FloatField(default=0.0)
    seconds = models.FloatField(default=0.0)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "day", "version", "connection", "model", "tests"), name="llm_usage_kind_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} on {self.day}"
