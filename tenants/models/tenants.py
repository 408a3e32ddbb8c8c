"""Tenants, their members and their API keys."""

from typing import Any, Self
from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from taskflow.lib.fields import ExactSlugField, JSONTextField
from taskflow.lib.ids import new_uid
from tenants.domain.roles import Role

validate_slug = RegexValidator(
    r"^[a-z0-9][a-z0-9_-]*\Z",
    _("Use lower-case letters, digits, hyphens and underscores; begin with a letter or digit."),
)


def validate_time_zone(value: str) -> None:
    """Refuse what is not the name of a time zone in the IANA database."""
    if value not in available_timezones():
        raise ValidationError(
            _("'%(value)s' is not a time zone. Use an IANA name such as Europe/Berlin."), params={"value": value}
        )


class TenantScopedQuerySet(models.QuerySet[Any]):
    """Rows that belong to a tenant; what leaves the process goes through `for_tenant`."""

    def for_tenant(self, tenant: "Tenant | int") -> Self:
        return self.filter(tenant=tenant)


class Tenant(models.Model):
    """A customer or team; owns everything that hangs on it, isolated from all others."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    slug = ExactSlugField(max_length=63, unique=True, validators=[validate_slug])
    name = models.CharField(max_length=200)
    plan = models.CharField(max_length=50, blank=True, default="free")
    attributes = JSONTextField(default=dict, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's role in a tenant."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=[(role.value, role.value.title()) for role in Role])
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "user"), name="membership_once"),)

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class ApiKey(models.Model):
    """A key another system authenticates with. Only its hash is kept; `prefix` tells keys apart for people."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, editable=False)
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = JSONTextField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
