"""Queues, the lanes of tenants in them, and the workers that serve them."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from taskflow.lib.fields import ExactCharField, ExactSlugField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet


class Queue(models.Model):
    """Where due jobs wait. Caps are read at every claim, so an edit takes effect at once."""

    slug = ExactSlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    pool = ExactSlugField(max_length=50, default="default", help_text="The worker pool that serves it.")
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
    pool = ExactCharField(max_length=50, default="default")
    slots = models.PositiveIntegerField(default=1)
    running = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(db_index=True)
    stopping_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class EngineTick(models.Model):
    """One row: when the engine last promoted, woke and rescued. Whoever moves it on does the work."""

    ticked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"tick at {self.ticked_at}"
