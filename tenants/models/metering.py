"""What connections are used for: just now, and in each month."""

from typing import Any

from django.db import models

from taskflow.lib.fields import JSONTextField
from tenants.models.tenants import Tenant, TenantScopedQuerySet


class ConnectionMeter(models.Model):
    """The present use of a connection over all workers, as `tenants.domain.metering` keeps it.

    The row is the lock that makes its limits exact. `key` is a connection's id, or 0 for the deployment's own.
    """

    key = models.BigIntegerField(primary_key=True)
    state: Any = JSONTextField(default=dict)

    def __str__(self) -> str:
        return f"meter of connection {self.key}"


class ConnectionSpend(models.Model):
    """What a tenant used a connection for in a month (UTC). `paused_at` is when its budget was found spent.

    `key` is a connection's id, or 0 for the deployment's own.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    key = models.BigIntegerField()
    month = models.DateField()
    calls = models.PositiveBigIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(default=0)
    cost = models.FloatField(default=0.0)
    paused_at = models.DateTimeField(null=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "key", "month"), name="spend_once"),)
        indexes = (models.Index(fields=("paused_at",), name="spend_paused"),)

    def __str__(self) -> str:
        return f"{self.month:%B %Y}: {self.cost:.2f} USD"
