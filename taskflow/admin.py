"""People and groups of the deployment on unfold's pages; Django's own permissions hold, so superusers see them."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants.models import Tenant
from tenants.queries import tenants_left_ownerless

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """People who may log in. What they may do in a tenant is their role there; `staff` lets them into the admin."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Count a tenant that would be left without an owner among what forbids it."""
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        ownerless = tenants_left_ownerless([user.pk for user in objs])
        return deleted, counts, lacking, [*protected, *map(_ownerless, ownerless)]


def _ownerless(tenant: Tenant) -> str:
    page = reverse("admin:tenants_tenant_change", args=[tenant.pk])
    why = "has no other owner. Make another member its owner first."
    return format_html('<a href="{}">{}</a> {}', page, tenant.name, why)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups of Django's own permissions."""
