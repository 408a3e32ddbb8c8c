"""Rules: when this happens, and that is true, do these things."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from automations.domain.states import TriggerKind
from taskflow.lib.fields import ExactCharField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet

MOST_FIRINGS = 1_000_000


class AutomationRule(models.Model):
    """A trigger, a condition and actions. Without a tenant it is the operator's, and holds for every tenant.

    `trigger_kind` and `listens_to` are read from `trigger` when it is saved: the kind, and the name of an event or the
    uid of a webhook endpoint, by which rules are found. `next_at` is when a cron rule is due next; who moves it on
    makes its firings, in the same transaction. `remember` names what is kept of a firing for the next one (`last`).
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="automation_rules")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    enabled = models.BooleanField("switched on", default=False)
    trigger: Any = JSONTextField()
    trigger_kind = models.CharField(max_length=10, choices=[(kind.value, kind.value.title()) for kind in TriggerKind])
    listens_to = ExactCharField(max_length=100, blank=True, default="")
    for_each_tenant = models.TextField(
        blank=True, default="", help_text="A condition on `tenant`; empty: every active tenant. Operator's rules only."
    )
    condition = models.TextField(blank=True, default="", help_text="Empty: always.")
    actions: Any = JSONTextField(default=list)
    remember: Any = JSONTextField(default=dict, blank=True)
    rate_limit = models.PositiveIntegerField(
        "firings an hour",
        default=1000,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_FIRINGS)],
        help_text="For each tenant; what goes beyond does nothing, and says so.",
    )
    revision = models.PositiveIntegerField(default=1, editable=False)
    next_at = models.DateTimeField(null=True, blank=True, editable=False)
    fired_until = models.DateTimeField(null=True, blank=True, editable=False)
    enabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        indexes = (
            models.Index(fields=("enabled", "trigger_kind", "listens_to"), name="rule_listens"),
            models.Index(fields=("next_at",), name="rule_next"),
        )

    def __str__(self) -> str:
        return self.name


class RuleMemory(models.Model):
    """What a rule keeps for one tenant: what it saw at the last firing, and, of a measure, whether it is raised.

    `episode` counts how often it was raised, so that each crossing is one firing.
    """

    rule = models.ForeignKey(AutomationRule, models.CASCADE, related_name="memories", db_index=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    last: Any = JSONTextField(default=dict)
    raised_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    episode = models.PositiveIntegerField(default=0)
    value = models.FloatField(null=True)
    updated_at = models.DateTimeField()

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("rule", "tenant"), name="memory_once"),)

    def __str__(self) -> str:
        return f"memory of rule {self.rule_id} for tenant {self.tenant_id}"
