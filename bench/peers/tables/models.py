"""Job, attempt, step result and event: the rows of Celery + ORM and of both floors."""

import uuid

from django.db import models


class Job(models.Model):
    """One job; its status is what a user asks."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    name = models.CharField(max_length=100)
    queue = models.CharField(max_length=50, default="default")
    status = models.CharField(max_length=16, default="pending")
    priority = models.IntegerField(default=0)
    payload = models.JSONField()
    result = models.JSONField(null=True)
    step_no = models.IntegerField(default=0)
    run_at = models.DateTimeField()
    created = models.DateTimeField()
    updated = models.DateTimeField()
    finished = models.DateTimeField(null=True)
    owner = models.CharField(max_length=64, null=True)
    lease_until = models.DateTimeField(null=True)
    attempt_no = models.IntegerField(default=0)

    class Meta:
        indexes = (
            models.Index(fields=("status", "queue", "priority", "run_at", "id"), name="claim"),
            models.Index(fields=("status", "lease_until"), name="lease"),
        )

    def __str__(self) -> str:
        return str(self.uid)


class Attempt(models.Model):
    """One try."""

    job = models.ForeignKey(Job, models.CASCADE)
    no = models.IntegerField()
    worker = models.CharField(max_length=64)
    status = models.CharField(max_length=16)
    started = models.DateTimeField()
    finished = models.DateTimeField(null=True)
    error = models.TextField(null=True)

    class Meta:
        unique_together = (("job", "no"),)

    def __str__(self) -> str:
        return f"attempt {self.no}"


class StepResult(models.Model):
    """What one step gave."""

    job = models.ForeignKey(Job, models.CASCADE)
    step_no = models.IntegerField()
    name = models.CharField(max_length=100)
    status = models.CharField(max_length=16)
    result = models.JSONField()
    started = models.DateTimeField()
    finished = models.DateTimeField()

    class Meta:
        unique_together = (("job", "step_no"),)

    def __str__(self) -> str:
        return self.name


class Event(models.Model):
    """One line of a job's log."""

    job = models.ForeignKey(Job, models.CASCADE)
    kind = models.CharField(max_length=32)
    at = models.DateTimeField()
    data = models.JSONField(null=True)

    def __str__(self) -> str:
        return self.kind
