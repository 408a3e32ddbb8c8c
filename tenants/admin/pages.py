"""The pages of tenants, their members and their API keys."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from taskflow.lib.clock import utcnow
from tenants.admin.scoping import ScopedRelatedFilter, ScopedTabularInline, TenantScopedAdmin
from tenants.domain.keys import refusal_of
from tenants.domain.roles import TENANT_SCOPES, Permission, Role
from tenants.models import ApiKey, Membership, Tenant
from tenants.queries import owners_of
from tenants.services import create_api_key, lock_tenant, revoke_api_key


class MembershipFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """The members of a tenant; one that has an owner keeps one, or nobody of its own could manage it any more."""

    def clean(self) -> None:
        super().clean()
        if self.instance.pk is None:
            return
        # Two owners who part with each other at the same moment come here one after the other.
        lock_tenant(self.instance)
        owners = set(owners_of(self.instance).values_list("pk", flat=True))
        shown = {form.instance.pk for form in self.initial_forms}
        if owners and not owners - shown and not any(self._stays_owner(form, owners) for form in self.forms):
            raise forms.ValidationError(_("A tenant keeps at least one owner. Make somebody else one first."))

    def _stays_owner(self, form: Any, owners: set[int]) -> bool:
        found = getattr(form, "cleaned_data", {})
        named = found.get("role") == Role.OWNER and not found.get("DELETE")
        return named and (form.has_changed() or form.instance.pk in owners)


class MembershipInline(ScopedTabularInline):
    """Who belongs to the tenant, and as what. A superuser or a command brings in people from outside."""

    model = Membership
    formset = MembershipFormSet
    fields = ("user", "role")
    extra = 0


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A tenant, its attributes as a JSON object."""

    attributes = forms.JSONField(
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget,
        help_text=_("A JSON object; conditions and templates read it as `tenant`."),
    )

    def clean_attributes(self) -> dict[str, Any]:
        value = self.cleaned_data["attributes"]
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise forms.ValidationError(_('Write a JSON object, such as {"region": "EU"}.'))
        return value


@admin.register(Tenant)
class TenantAdmin(TenantScopedAdmin):
    """Tenants with their members. An owner changes name, time zone, attributes and members; the operator the rest."""

    tenant_path = "pk"
    view_permission = Permission.VIEW_JOBS
    change_permission = Permission.MANAGE_TENANT
    form = TenantForm
    list_display = ("name", "slug", "plan", "time_zone", "active")
    search_fields = ("name", "slug")
    fields = ("name", "slug", "time_zone", "attributes", "plan", "active")
    inlines = (MembershipInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if request.user.is_superuser else ("slug", "plan", "active")


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new key: its name, what it may do, and until when."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in TENANT_SCOPES],
        initial=[scope.value for scope in TENANT_SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=True,
    )


@admin.register(ApiKey)
class ApiKeyAdmin(TenantScopedAdmin):
    """Keys are made and revoked, never edited: what a holder may do does not change behind their back."""

    view_permission = Permission.MANAGE_TENANT
    add_permission = Permission.MANAGE_TENANT
    list_display = ("name", "tenant", "key_prefix", "shown_scopes", "status", "last_used_at", "expires_at")
    list_filter = (("tenant", ScopedRelatedFilter),)
    list_select_related = ("tenant",)
    search_fields = ("name", "prefix")
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("tenant", "name", "scopes", "expires_at")
        return ("tenant", "name", "key_prefix", "shown_scopes", "status", "created_at", "last_used_at", "expires_at")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = ApiKeyForm if obj is None else forms.ModelForm
        return super().get_form(request, obj, change=change, form=form, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return not lookup.startswith("key_hash") and super().lookup_allowed(lookup, value, request)

    @admin.display(description=_("Key"))
    def key_prefix(self, obj: ApiKey) -> str:
        return f"tf_{obj.prefix}_…"

    @admin.display(description=_("Scopes"))
    def shown_scopes(self, obj: ApiKey) -> str:
        return ", ".join(obj.scopes)

    @admin.display(description=_("Status"))
    def status(self, obj: ApiKey) -> str:
        refusal = refusal_of(
            revoked_at=obj.revoked_at, expires_at=obj.expires_at, tenant_active=obj.tenant.active, now=utcnow()
        )
        return str(_("Good")) if refusal is None else refusal.value

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        self.check_save(request, obj, change)
        issued = create_api_key(tenant=obj.tenant, name=obj.name, scopes=obj.scopes, expires_at=obj.expires_at)
        vars(obj).update(vars(issued.api_key))
        text = _("Copy the key now; it is not shown again: {}")
        messages.success(request, format_html(str(text), format_html("<code>{}</code>", issued.clear)))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Permission.MANAGE_TENANT)

    @admin.action(description=_("Revoke the chosen keys"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        mine = [key for key in queryset if self.may(request, Permission.MANAGE_TENANT, key)]
        count = sum(revoke_api_key(api_key=key, now=utcnow()) for key in mine)
        text = ngettext("%d key is revoked.", "%d keys are revoked.", count) % count
        messages.success(request, text)
