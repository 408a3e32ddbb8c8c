"""What rules decided and did."""

from typing import Any

from django.db import models

from automations.domain.states import FiringState, NoticeState, TriggerKind
from automations.models.events import AutomationEvent
from automations.models.rules import AutomationRule
from automations.models.webhooks import WebhookDelivery
from jobs.models import Job
from taskflow.lib.fields import ExactCharField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet


class Firing(models.Model):
    """A rule met its trigger: made first, worked on afterwards.

    `key` is one for each rule, tenant and occurrence (a scheduled time, a delivery, an event), whoever finds it and
    however often. `event` is what the rule saw, `why` the parts of its condition with their values, `told` what each
    action did. A PENDING one is taken up at `due_at`; who takes it up moves that on. `depth` counts the rules that led
    to it. Rules go, firings stay: `rule_name` is the name as it was.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    key = models.CharField(max_length=64, unique=True, editable=False)
    rule = models.ForeignKey(AutomationRule, models.SET_NULL, null=True, related_name="firings", db_index=False)
    rule_uid = models.UUIDField()
    rule_name = models.CharField(max_length=200)
    rule_revision = models.PositiveIntegerField(default=1)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="firings", db_index=False)
    trigger_kind = models.CharField(max_length=10, choices=[(kind.value, kind.value.title()) for kind in TriggerKind])
    occurrence = ExactCharField(max_length=250)
    scheduled_for = models.DateTimeField(null=True)
    delivery = models.ForeignKey(WebhookDelivery, models.SET_NULL, null=True, related_name="firings")
    told_event = models.ForeignKey(AutomationEvent, models.SET_NULL, null=True, related_name="firings")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    event: Any = JSONTextField(default=dict)
    depth = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(
        max_length=10,
        choices=[(state.value, state.value.title()) for state in FiringState],
        default=FiringState.PENDING.value,
    )
    matched = models.BooleanField(null=True)
    why: Any = JSONTextField(default=list)
    reason = models.CharField(max_length=500, blank=True, default="")
    told: Any = JSONTextField(default=list)
    jobs_made = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    took_ms = models.FloatField(null=True)
    created_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("state", "due_at", "id"), name="firing_due"),
            models.Index(fields=("tenant", "id"), name="firing_tenant"),
            models.Index(fields=("rule", "id"), name="firing_rule"),
            models.Index(fields=("rule", "tenant", "matched", "finished_at"), name="firing_rate"),
        )

    def __str__(self) -> str:
        return f"{self.rule_name}: {self.occurrence}"


class JobLink(models.Model):
    """A job that a firing made: the `position`th of them. `depth` counts the rules that led to it."""

    firing = models.ForeignKey(Firing, models.CASCADE, related_name="links", db_index=False)
    job = models.OneToOneField(Job, models.CASCADE, related_name="made_by")
    position = models.PositiveIntegerField()
    depth = models.PositiveSmallIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("firing", "position"), name="job_link_once"),)

    def __str__(self) -> str:
        return f"job {self.job_id} of firing {self.firing_id}"


class Notice(models.Model):
    """A message that a firing sends: filled in with the firing, sent afterwards, outside of any transaction.

    `content` is whom to tell what by which way. The id of the message stays the same when it is sent again.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    firing = models.ForeignKey(Firing, models.CASCADE, related_name="notices", db_index=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    position = models.PositiveIntegerField()
    content: Any = JSONTextField()
    state = models.CharField(
        max_length=10,
        choices=[(state.value, state.value.title()) for state in NoticeState],
        default=NoticeState.PENDING.value,
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    error = models.TextField(blank=True, default="")
    sent_at = models.DateTimeField(null=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("firing", "position"), name="notice_once"),)
        indexes = (models.Index(fields=("state", "due_at", "id"), name="notice_due"),)

    def __str__(self) -> str:
        return f"notice {self.position} of firing {self.firing_id}"
