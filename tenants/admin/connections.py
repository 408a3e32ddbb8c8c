"""The pages of connections: choose a kind, fill its form in, test it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from taskflow.lib.clock import utcnow
from tenants.admin.access import access_of
from tenants.admin.connection_form import config_names, form_for, kind_of, secret_names
from tenants.admin.scoping import ScopedRelatedFilter, TenantScopedAdmin
from tenants.domain.connection_kinds import KINDS, Group
from tenants.domain.roles import Permission
from tenants.models import Connection
from tenants.services.connections import (
    FIELDS,
    LIMITS,
    ConnectionInUse,
    ConnectionInvalid,
    create_connection,
    delete_connection,
    update_connection,
    uses_of,
)
from tenants.services.probe import try_connection
from tenants.services.spending import Spending, spending_of


@admin.register(Connection)
class ConnectionAdmin(TenantScopedAdmin):
    """Connections of a person's tenants. Editors and owners make, change, test and delete them."""

    view_permission = Permission.VIEW_WORKFLOWS
    add_permission = change_permission = delete_permission = Permission.EDIT_WORKFLOWS
    list_display = ("name", "slug", "shown_kind", "shown_place", "status")
    list_filter = (("tenant", ScopedRelatedFilter), "kind")
    list_select_related = ("tenant",)
    search_fields = ("name", "slug")
    empty_hint = _("A connection is a named way to an outside system: a language model, an HTTP API, mail, a chat.")
    change_form_outer_before_template = "taskflow/parts/connection_test.html"

    def get_urls(self) -> list[URLPattern]:
        test = self.admin_site.admin_view(require_POST(self.test_view))
        return [path("<path:object_id>/test/", test, name="tenants_connection_test"), *super().get_urls()]

    # The list

    @admin.display(description=_("Kind"), ordering="kind")
    def shown_kind(self, obj: Connection) -> str:
        return obj.spec.title

    @admin.display(description=_("Leads to"))
    def shown_place(self, obj: Connection) -> str:
        place, model = obj.config.get(obj.spec.address), obj.config.get("model")
        return " · ".join(str(part) for part in (place or obj.spec.title, model) if part)

    @admin.display(description=_("Status"))
    def status(self, obj: Connection) -> str:
        if not obj.enabled:
            return format_html('<span class="tf-badge">{}</span>', _("Switched off"))
        if obj.monthly_budget is not None and _spending(obj).notice:
            return format_html('<span class="tf-badge tf-waiting">{}</span>', _("Budget spent"))
        if obj.last_test is None:
            return format_html('<span class="tf-subtle">{}</span>', _("Not tested"))
        look, word = ("tf-succeeded", _("Works")) if obj.last_test["ok"] else ("tf-failed", _("Does not work"))
        return format_html('<span class="tf-badge {}" title="{}">{}</span>', look, obj.last_test["message"], word)

    # The form

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        kind = kind_of(request.GET.get("kind"))
        if kind is None:
            groups = [(group.value, [each for each in KINDS.values() if each.group is group]) for group in Group]
            context = {**self.admin_site.each_context(request), "title": _("Add a connection"), "groups": groups}
            return TemplateResponse(request, "taskflow/connection_kinds.html", context)
        title = _("Add a connection: %(kind)s") % {"kind": kind.title}
        response: HttpResponse = super().add_view(request, form_url, {**(extra_context or {}), "title": title})
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        shown = {
            "connection": row,
            "may_test": self.has_change_permission(request, row),
            "uses": uses_of(row),
            "spending": _spending(row),
        }
        response: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})
        return response

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kind = kind_of(request.GET.get("kind")) if obj is None else obj.spec
        if kind is not None and (obj is None or self.has_change_permission(request, obj)):
            kwargs["form"] = form_for(kind, obj)
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            shown = ("name", "slug", "tenant", "shown_kind", "shown_config", "enabled")
            return ((None, {"fields": shown}), (_("Limits"), {"fields": LIMITS}))
        kind = kind_of(request.GET.get("kind")) if obj is None else obj.spec
        if kind is None:
            return ((None, {"fields": ("name",)}),)
        return (
            (None, {"fields": ("name", "slug", "tenant", "enabled")}),
            (kind.title, {"fields": (*config_names(kind), *secret_names(kind, obj)), "description": kind.summary}),
            (_("Limits"), {"fields": LIMITS}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if obj is None else (*fields, "slug", "shown_kind", "shown_config")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, tuple[str, ...]]:
        return {} if obj is not None or kind_of(request.GET.get("kind")) is None else {"slug": ("name",)}

    @admin.display(description=_("Settings"))
    def shown_config(self, obj: Connection) -> str:
        fields = obj.spec.Config.model_fields
        pairs = [(fields[name].title, value) for name, value in obj.config.items() if name in fields and value != ""]
        return format_html_join("", "<div>{}: {}</div>", pairs)

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        self.check_save(request, obj, change)
        fields = {name: form.cleaned_data[name] for name in FIELDS if name in form.cleaned_data}
        given = {"config": form.config, "secrets": form.secrets, "now": utcnow(), **fields}
        try:
            if change:
                saved = update_connection(connection=obj, **given)
            else:
                saved = create_connection(tenant=obj.tenant, slug=obj.slug, kind=obj.kind, **given)
        except ConnectionInvalid as error:
            raise PermissionDenied(str(error)) from error
        vars(obj).update(vars(saved))

    # Deleting

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Show the steps that name a connection like rows that keep Django from deleting one."""
        deletable, counts, perms, protected = super().get_deleted_objects(objs, request)
        return deletable, counts, perms, [*protected, *(f"{obj}: {use}" for obj in objs for use in uses_of(obj))]

    def delete_model(self, request: HttpRequest, obj: Connection) -> None:
        try:
            delete_connection(connection=obj)
        except ConnectionInUse as error:
            raise PermissionDenied(str(error)) from error

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for row in queryset:
            self.delete_model(request, row)

    # Testing

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Try the connection once, and go back to its page with what came of it."""
        row = self.get_object(request, object_id)
        if not self.has_change_permission(request, row):
            if not access_of(request).allows(self.view_permission, row.tenant_id):
                raise Http404
            raise PermissionDenied("Your role in this tenant does not allow to test connections.")
        verdict = try_connection(row=row, now=utcnow())
        (messages.success if verdict.ok else messages.error)(request, verdict.message)
        return HttpResponseRedirect(reverse("admin:tenants_connection_change", args=[row.pk]))


def _spending(row: Connection) -> Spending:
    budget = None if row.monthly_budget is None else float(row.monthly_budget)
    return spending_of(row.tenant_id, row.pk, row.slug, budget, utcnow())
