"""Admin pages that show a person only what belongs to their tenants."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.exceptions import NotRegistered
from django.core.exceptions import PermissionDenied
from django.db.models import Field, ForeignKey, ManyToManyField, Model, QuerySet
from django.forms import ModelChoiceField, ModelForm, ModelMultipleChoiceField
from django.http import Http404, HttpRequest
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter

from tenants.admin.access import access_of
from tenants.domain.roles import Permission
from tenants.models import Tenant


class ScopedChoices:
    """Limits the choices of foreign keys and many-to-many fields to rows of the person's tenants."""

    admin_site: Any

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        self._limit(db_field, request, kwargs)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc,no-any-return]

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        self._limit(db_field, request, kwargs)
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc,no-any-return]

    def _limit(self, db_field: Any, request: HttpRequest, kwargs: dict[str, Any]) -> None:
        if "queryset" not in kwargs:
            choices = scoped_choices(self.admin_site, db_field.related_model, request)
            if choices is not None:
                kwargs["queryset"] = choices


def scoped_choices(site: Any, model: type[Model], request: HttpRequest) -> QuerySet[Any] | None:
    """Return the rows of `model` this person may choose from; None where the model belongs to no tenant."""
    try:
        model_admin = site.get_model_admin(model)
    except NotRegistered:
        return access_of(request).limit_choices(model)
    if isinstance(model_admin, TenantScopedAdmin):
        return model_admin.get_queryset(request)
    return access_of(request).limit_choices(model)


class ScopedRelatedFilter(RelatedDropdownFilter):
    """A list filter over a relation that offers rows of the person's tenants only."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        choices = scoped_choices(model_admin.admin_site, field.related_model, request)
        if choices is None:
            return super().field_choices(field, request, model_admin)  # type: ignore[no-any-return]
        return [(row.pk, str(row)) for row in choices]


class TenantScopedAdmin(ScopedChoices, ModelAdmin):
    """A ModelAdmin for rows of tenants.

    `tenant_path` leads from a row to its tenant (`"workflow__tenant"`; `"pk"` for a tenant itself). The four
    permissions say which `Permission` a role needs; None is for superusers only. Django's own play no part.

    Rows of other tenants do not exist here: their pages are 404. Lists hold the rows of the current tenant, or of all
    tenants where the person may view them; the page of one object (its URL names `object_id`) knows no current tenant.
    `tenant` cannot be changed once a row exists.
    """

    tenant_path = "tenant"
    view_permission: Permission | None = None
    add_permission: Permission | None = None
    change_permission: Permission | None = None
    delete_permission: Permission | None = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        access, rows = access_of(request), super().get_queryset(request)
        match = request.resolver_match
        if match is not None and "object_id" in match.kwargs:
            return access.limit(rows, self.tenant_path)
        return access.narrow(rows, self.tenant_path, self.view_permission)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is None:
            raise Http404(f"No {self.opts.verbose_name} has the id '{object_id}'.")
        return found

    def tenant_id_of(self, obj: Model | None) -> int | None:
        """Return the id of the tenant that `obj` belongs to; None for no object, or one that has none yet."""
        row: Any = obj
        *way, last = self.tenant_path.split("__")
        for name in way:
            row = getattr(row, name, None)
        return getattr(row, last if last == "pk" else f"{last}_id", None)

    def may(self, request: HttpRequest, permission: Permission | None, obj: Model | None = None) -> bool:
        """Say whether the person may do `permission` to `obj`, or, without one, to rows of their tenant."""
        return access_of(request).allows(permission, self.tenant_id_of(obj))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may(request, self.view_permission, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.add_permission)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may(request, self.change_permission, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may(request, self.delete_permission, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = tuple(super().get_readonly_fields(request, obj))
        return (*fields, "tenant") if obj is not None and self.tenant_path == "tenant" else fields

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        current = access_of(request).current
        return initial if current is None else {"tenant": current.pk} | initial

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.related_model is Tenant:
            kwargs["queryset"] = self._tenants_to_write(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _tenants_to_write(self, request: HttpRequest) -> QuerySet[Tenant]:
        return access_of(request).narrow(Tenant.objects.all(), "pk", self.add_permission)

    def check_save(self, request: HttpRequest, obj: Model, change: bool) -> None:
        """Raise PermissionDenied unless the person may save `obj` in its tenant, whatever the form let through."""
        if not self.may(request, self.change_permission if change else self.add_permission, obj):
            raise PermissionDenied(f"Your role in this tenant does not allow to save a {self.opts.verbose_name}.")

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        self.check_save(request, obj, change)
        super().save_model(request, obj, form, change)


class ScopedInline(ScopedChoices):
    """Rows inside the page of their parent: who may see the parent sees them, who may change it changes them."""

    parent_model: type[Model]

    def _parent_allows(self, request: HttpRequest, what: str, obj: Model | None) -> bool:
        try:
            parent = self.admin_site.get_model_admin(self.parent_model)
        except NotRegistered:
            return access_of(request).superuser
        return bool(getattr(parent, f"has_{what}_permission")(request, obj))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._parent_allows(request, "view", obj)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._parent_allows(request, "change", obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._parent_allows(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._parent_allows(request, "change", obj)


class ScopedTabularInline(ScopedInline, TabularInline):
    """A table of rows inside the page of their parent."""

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Name each control by its column, whose head is no label of it."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            getattr(field.widget, "widget", field.widget).attrs.setdefault("aria-label", str(field.label))
        return field


class ScopedStackedInline(ScopedInline, StackedInline):
    """Forms of rows inside the page of their parent."""
