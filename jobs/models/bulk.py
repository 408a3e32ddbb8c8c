"""Changes to many jobs at once."""

from typing import Any

from django.conf import settings
from django.db import models

from taskflow.lib.fields import JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet


class BulkAction(models.Model):
    """A change to many jobs, carried out in the background, with its progress."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="bulk_actions")
    kind = models.CharField(max_length=20)
    filters: Any = JSONTextField(default=dict)
    last_id = models.BigIntegerField(default=0)
    end_id = models.BigIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    error_message = models.TextField(blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    worked_at = models.DateTimeField(null=True)

    objects = TenantScopedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.kind} ({self.changed} changed)"
