"""Events that other systems tell by the API, and how far the jobs' own log was read."""

from typing import Any

from django.db import models

from taskflow.lib.fields import ExactCharField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet


class AutomationEvent(models.Model):
    """Something that happened elsewhere, told by name. `key` is the sender's own id of it: the same is told once.

    `fired_at` is null until every rule that listens has its firing.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="automation_events", db_index=False)
    name = ExactCharField(max_length=100)
    key = ExactCharField(max_length=200)
    payload: Any = JSONTextField(default=dict)
    source = models.CharField(max_length=100, blank=True, default="")
    depth = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_index=True)
    fired_at = models.DateTimeField(null=True, db_index=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("tenant", "key"), name="event_once"),)

    def __str__(self) -> str:
        return self.name


class JobEventCursor(models.Model):
    """One row: up to where the jobs' log was read, for rules that listen to jobs. The row is the lock of the reader.

    Rows are committed in another order than their ids are given out: `gaps` are the ranges of ids that were not there
    yet ([first, last, seen at]), which are looked at again for a while. `position` is null while no rule listens.
    """

    position = models.BigIntegerField(null=True)
    gaps: Any = JSONTextField(default=list)
    read_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"read up to {self.position}"


class AutomationTick(models.Model):
    """One row: when somebody last looked for what is due. Whoever moves it on does the work."""

    ticked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"tick at {self.ticked_at}"
