"""A tenant's connections to the outside."""

from datetime import datetime
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from taskflow.lib.fields import JSONTextField
from taskflow.lib.ids import new_uid
from tenants.domain.connection_kinds import KINDS, ConnectionKind
from tenants.models.tenants import Tenant, TenantScopedQuerySet, validate_slug

MOST = 1_000_000_000


class Connection(models.Model):
    """A named way to an outside system.

    `config` may be shown. `sealed` holds the secrets as `taskflow.lib.sealing` keeps them, `secrets_set_at` by name
    when each was last set. `last_test` is what “Test connection” found.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="connections", db_index=False)
    slug = models.SlugField(
        max_length=63, validators=[validate_slug], help_text=_("How steps name it; it stays as it is.")
    )
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=[(kind.name, kind.title) for kind in KINDS.values()])
    config: Any = JSONTextField(default=dict)
    sealed = models.TextField(blank=True, default="", editable=False)
    secrets_set_at: Any = JSONTextField(default=dict, editable=False)
    concurrent = models.PositiveIntegerField(
        _("calls at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text=_("Over all workers; empty for no limit."),
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST)]
    )
    tokens_per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST)]
    )
    monthly_budget = models.DecimalField(
        _("monthly budget in US dollars"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("When it is spent, steps that use the connection pause until the month is over or it is raised."),
    )
    enabled = models.BooleanField(_("switched on"), default=True)
    last_test: Any = JSONTextField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "slug"),
                name="connection_slug_once",
                violation_error_message=_("There is a connection of this slug already."),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def spec(self) -> ConnectionKind:
        """What its kind says of it."""
        return KINDS[self.kind]

    @property
    def owner(self) -> str:
        """Whom its secrets are sealed for."""
        return f"connection {self.uid}"

    @property
    def tested_at(self) -> datetime | None:
        """When it was last tested."""
        return datetime.fromisoformat(self.last_test["at"]) if self.last_test else None

    def secret_set_at(self, name: str) -> datetime | None:
        """Return when the secret of this name was set, or None where there is none."""
        at = self.secrets_set_at.get(name)
        return None if at is None else datetime.fromisoformat(at)
