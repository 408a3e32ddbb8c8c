"""The form of a connection, made from what its kind says: its config, its secrets, which are never shown."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from django import forms
from django.forms import Field, ModelForm
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from pydantic.fields import FieldInfo
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from tenants.domain.connection_kinds import KINDS, ConnectionKind, Secret
from tenants.models import Connection
from tenants.services.connections import check_changes

CONFIG, SECRET, CLEAR = "config_", "secret_", "clear_"
CHOICES = {
    "none": _("None"),
    "bearer": _("Bearer token"),
    "basic": _("User name and password (basic)"),
    "header": _("A header of its own"),
    "query": _("A parameter in the URL"),
    "starttls": _("STARTTLS (usually port 587)"),
    "tls": _("TLS from the start (usually port 465)"),
}


class ConnectionForm(ModelForm):  # type: ignore[type-arg]
    """The base of the form of every kind."""

    kind: ConnectionKind

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind = self.kind.name
        for name, value in self.instance.config.items():
            if (field := self.fields.get(CONFIG + name)) is not None:
                field.initial = value

    @property
    def config(self) -> dict[str, Any]:
        """The config as it was filled in."""
        return {name: self.cleaned_data.get(CONFIG + name) for name in self.kind.Config.model_fields}

    @property
    def secrets(self) -> dict[str, str | None]:
        """The secrets to set, and, as None, those to remove."""
        found: dict[str, str | None] = {}
        for secret in self.kind.secrets:
            if self.cleaned_data.get(CLEAR + secret.name):
                found[secret.name] = None
            if typed := self.cleaned_data.get(SECRET + secret.name):
                found[secret.name] = typed
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self.instance.slug = cleaned.get("slug") or self.instance.slug
        wrong = {name for name in self.errors if name.startswith(CONFIG)}
        for field, reason in [] if wrong else check_changes(self.instance, config=self.config, secrets=self.secrets):
            name = field.replace("config.", CONFIG, 1).replace("secrets.", SECRET, 1)
            self.add_error(name if name in self.fields else None, capfirst(reason).rstrip(".") + ".")
        return cleaned


def form_for(kind: ConnectionKind, row: Connection | None) -> type[ConnectionForm]:
    """Return the form of a kind; that of `row` says when each secret was set."""
    fields: dict[str, Any] = {"kind": kind}
    for name, info in kind.Config.model_fields.items():
        fields[CONFIG + name] = _config_field(info)
    for secret in kind.secrets:
        fields |= dict(_secret_fields(secret, row))
    return type("ConnectionFormOfKind", (ConnectionForm,), fields)


def config_names(kind: ConnectionKind) -> tuple[str, ...]:
    """Return the names of the form's fields for the config."""
    return tuple(CONFIG + name for name in kind.Config.model_fields)


def secret_names(kind: ConnectionKind, row: Connection | None) -> tuple[str, ...]:
    """Return the names of the form's fields for the secrets."""
    return tuple(name for secret in kind.secrets for name, _field in _secret_fields(secret, row))


def _config_field(info: FieldInfo) -> Field:
    required = info.is_required()
    known: dict[str, Any] = {
        "label": info.title,
        "help_text": info.description or "",
        "required": required,
        "initial": None if required else info.default,
    }
    if get_origin(info.annotation) is Literal:
        choices = [(each, CHOICES.get(each, each)) for each in get_args(info.annotation)]
        return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget, **known)
    if info.annotation is int:
        return forms.IntegerField(widget=UnfoldAdminIntegerFieldWidget, **known | {"required": True})
    if info.annotation == float | None:
        return forms.FloatField(widget=UnfoldAdminDecimalFieldWidget, **known)
    return forms.CharField(widget=UnfoldAdminTextInputWidget, **known)


def _secret_fields(secret: Secret, row: Connection | None) -> Iterator[tuple[str, Field]]:
    set_at = row.secret_set_at(secret.name) if row is not None else None
    hint = secret.help
    if set_at is not None:
        day = timezone.localtime(set_at).strftime("%d %b %Y, %H:%M")
        hint = f"Set on {day}; it is not shown again. Leave empty to keep it."
    typed = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    yield (
        SECRET + secret.name,
        forms.CharField(label=secret.title, help_text=hint, required=False, widget=typed, strip=True),
    )
    if set_at is not None:
        label = _("Remove: %(secret)s") % {"secret": secret.title}
        yield CLEAR + secret.name, forms.BooleanField(label=label, required=False, widget=UnfoldBooleanWidget)


def kind_of(name: str | None) -> ConnectionKind | None:
    """Return the kind of this name, or None."""
    return KINDS.get(name or "")
