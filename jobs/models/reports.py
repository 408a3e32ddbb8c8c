"""Reports by mail: who wants them, and which went out."""

from django.conf import settings
from django.db import models

from jobs.domain.reports import Cadence, DeliveryState
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet
from workflows.models import Workflow


class ReportSubscription(models.Model):
    """A person's wish for a report about a workflow, or without one, about the whole tenant.

    `scope` is the workflow's id or 0, as databases do not hold a null to be unique. `next_at` is when the next is due;
    `connection` names a mail connection of the tenant, empty for the deployment's server. `address` is where links
    lead if no PUBLIC_URL is set.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="report_subscriptions", db_index=False)
    workflow = models.ForeignKey(Workflow, models.CASCADE, null=True, related_name="+")
    scope = models.BigIntegerField(default=0)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="report_subscriptions")
    cadence = models.CharField(max_length=10, choices=[(each.value, each.value.title()) for each in Cadence])
    weekday = models.PositiveSmallIntegerField(default=0)
    hour = models.PositiveSmallIntegerField(default=7)
    connection = models.CharField(max_length=63, blank=True, default="")
    address = models.CharField(max_length=300, blank=True, default="")
    next_at = models.DateTimeField(db_index=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "scope", "user"), name="report_once"),)

    def __str__(self) -> str:
        return f"{self.cadence} report to {self.user}"


class ReportDelivery(models.Model):
    """One report of one subscription: the row is the right to send it, and says what became of it.

    `due_at` is when it was due, or when it was asked for. `turn_at` is the fence: whoever moves it on sends the report.
    """

    subscription = models.ForeignKey(ReportSubscription, models.CASCADE, related_name="deliveries", db_index=False)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=[(each.value, each.value.title()) for each in DeliveryState])
    turn_at = models.DateTimeField(null=True, db_index=True)
    tries = models.PositiveSmallIntegerField(default=0)
    detail = models.CharField(max_length=500, blank=True, default="")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("subscription", "due_at"), name="report_delivery_once"),)

    def __str__(self) -> str:
        return f"{self.state} ({self.due_at:%Y-%m-%d %H:%M})"
