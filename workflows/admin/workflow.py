"""The pages of workflows: labels to edit; versions, steps and samples to read."""

import json
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from tenants.admin import ScopedRelatedFilter, TenantScopedAdmin
from tenants.domain.roles import Permission
from workflows.kinds.registry import KINDS
from workflows.models import Sample, Step, Workflow, WorkflowVersion

MOST_VERSIONS = 20
MOST_SAMPLES = 50


@dataclass(frozen=True, slots=True)
class StepView:
    """A step with the title of its kind and its config as text."""

    step: Step
    kind: str
    config: str


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version with its steps, and whether new jobs run it."""

    version: WorkflowVersion
    steps: list[StepView]
    live: bool


@admin.register(Workflow)
class WorkflowAdmin(TenantScopedAdmin):
    """Workflows of a person's tenants. Editors change names and labels; the rest changes by publishing a version."""

    view_permission = Permission.VIEW_WORKFLOWS
    change_permission = Permission.EDIT_WORKFLOWS
    list_display = ("name", "label_plural", "slug", "live", "queue", "active", "jobs")
    list_display_links = ("name",)
    list_filter = (("tenant", ScopedRelatedFilter),)
    list_select_related = ("live_version", "tenant")
    search_fields = ("name", "slug", "label_plural")
    fieldsets = (
        (None, {"fields": ("name", ("label_singular", "label_plural"), "active")}),
        (_("Fixed"), {"fields": ("slug", "queue", "tenant")}),
    )
    readonly_fields = ("slug", "queue")
    change_form_after_template = "taskflow/parts/workflow_versions.html"
    empty_hint = _("Install one from the gallery, or write a workflow as a YAML file and import it:")
    empty_command = "python manage.py workflow import FILE.yaml --tenant SLUG --publish"

    @admin.display(description=_("Live version"))
    def live(self, obj: Workflow) -> str:
        return "–" if obj.live_version is None else f"v{obj.live_version.number}"

    @admin.display(description=_("Jobs"))
    def jobs(self, obj: Workflow) -> str:
        jobs = f"{reverse('admin:jobs_job_of', args=[obj.slug])}?tenant={obj.tenant.slug}"
        return format_html('<a class="tf-textlink" href="{}">{}</a>', jobs, _("Show"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        workflow = self.get_object(request, object_id)
        shown = {
            "versions": list_versions(workflow),
            "samples": [_sample(sample) for sample in workflow.samples.order_by("pk")[:MOST_SAMPLES]],
        }
        response: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})
        return response

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("live_version", "tenant")


def list_versions(workflow: Workflow) -> list[VersionView]:
    """Return the draft, then the published versions, the newest first, with their steps."""
    versions = list(workflow.versions.filter(number=None))
    versions += list(workflow.versions.exclude(number=None).order_by("-number")[:MOST_VERSIONS])
    steps: dict[int, list[StepView]] = {}
    for step in Step.objects.filter(version__in=versions).order_by("position"):
        kind = KINDS.get(step.kind)
        config = json.dumps(step.config, indent=2, ensure_ascii=False)
        steps.setdefault(step.version_id, []).append(StepView(step, kind.title if kind else step.kind, config))
    return [VersionView(v, steps.get(v.pk, []), v.pk == workflow.live_version_id) for v in versions]


def _sample(sample: Sample) -> dict[str, Any]:
    texts = {
        name: json.dumps(getattr(sample, name), indent=2, ensure_ascii=False)[:4000] for name in ("input", "expected")
    }
    return texts | {"name": str(sample), "golden": sample.expected is not None}
