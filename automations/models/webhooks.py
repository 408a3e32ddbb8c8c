"""Where other systems send events, and what they sent."""

from typing import Any

from django.db import models

from automations.domain.states import DeliveryState, Scheme
from taskflow.lib.fields import ExactCharField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet

TOLERANCE_SECONDS = 300


class WebhookEndpoint(models.Model):
    """An address of a tenant that another system posts to; its rules name it by uid.

    `key_hash` is the SHA-256 of the key in the address, `prefix` its first characters, to tell addresses apart.
    `sealed` holds the secrets `current` and, until `previous_until`, `previous`, as `taskflow.lib.sealing` keeps them.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="webhook_endpoints")
    name = models.CharField(max_length=100)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(max_length=16, blank=True, default="", editable=False)
    scheme = models.CharField(
        max_length=10, choices=[(each.value, each.value.title()) for each in Scheme], default=Scheme.STANDARD.value
    )
    config: Any = JSONTextField(default=dict, blank=True)
    sealed = models.TextField(blank=True, default="", editable=False)
    secrets_set_at: Any = JSONTextField(default=dict, editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    tolerance = models.PositiveIntegerField(
        default=TOLERANCE_SECONDS, help_text="Seconds by which a delivery's time stamp may be off."
    )
    enabled = models.BooleanField("switched on", default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name

    @property
    def owner(self) -> str:
        """Whom its secrets are sealed for."""
        return f"webhook endpoint {self.uid}"


class WebhookDelivery(models.Model):
    """One message that came in, as it came: the raw body, and the headers without secrets.

    `payload` is the body as plain data where it could be read, `event_type` what the sender calls it.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="webhook_deliveries", db_index=False)
    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="deliveries", db_index=False)
    delivery_id = ExactCharField(max_length=200)
    event_type = ExactCharField(max_length=200, blank=True, default="")
    headers: Any = JSONTextField(default=dict)
    body = models.BinaryField()
    payload: Any = JSONTextField(null=True)
    state = models.CharField(max_length=10, choices=[(each.value, each.value.title()) for each in DeliveryState])
    reason = models.CharField(max_length=500, blank=True, default="")
    received_at = models.DateTimeField(db_index=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("endpoint", "delivery_id"), name="delivery_once"),)
        indexes = (
            models.Index(fields=("tenant", "id"), name="delivery_tenant"),
            models.Index(fields=("endpoint", "id"), name="delivery_endpoint"),
            models.Index(fields=("state", "id"), name="delivery_state"),
        )

    def __str__(self) -> str:
        return self.delivery_id
