"""Finding saved views: a private one is there for its owner alone."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from jobs.models import DefaultView, JobExport, SavedView
from workflows.models import Workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def list_views(workflow: Workflow, user: "User") -> QuerySet[SavedView]:
    """Return the views of a workflow that a person sees, their own first; `opens` marks the one they begin with."""
    chosen = DefaultView.objects.filter(user_id=user.pk, view_id=OuterRef("pk"))
    return _visible(user).filter(workflow=workflow).annotate(opens=Exists(chosen)).order_by("shared", "name", "pk")


def find_view(workflow: Workflow, user: "User", uid: UUID) -> SavedView | None:
    """Return a view that the person sees, or None."""
    return _visible(user).filter(workflow=workflow, uid=uid).select_related("owner").first()


def find_shared_view(tenant_id: int, uid: UUID) -> SavedView | None:
    """Return a shared view of a tenant, which is all that an API key sees; or None."""
    rows = SavedView.objects.for_tenant(tenant_id).filter(shared=True, uid=uid)
    return rows.select_related("workflow__live_version").first()


def list_shared_views(tenant_id: int) -> QuerySet[SavedView]:
    """Return the shared views of a tenant."""
    return SavedView.objects.for_tenant(tenant_id).filter(shared=True).select_related("workflow").order_by("pk")


def default_view(workflow: Workflow, user: "User") -> SavedView | None:
    """Return the view that a person's list opens with, if it is still there for them."""
    chosen = DefaultView.objects.filter(user_id=user.pk, workflow=workflow).values("view_id")
    return _visible(user).filter(workflow=workflow, pk__in=chosen).first()


def find_export(tenant_id: int, uid: UUID) -> JobExport | None:
    """Return an export of a tenant, or None."""
    return JobExport.objects.for_tenant(tenant_id).filter(uid=uid).select_related("workflow", "tenant").first()


def _visible(user: "User") -> QuerySet[SavedView]:
    rows: QuerySet[SavedView] = SavedView.objects.filter(Q(shared=True) | Q(owner_id=user.pk))
    return rows
