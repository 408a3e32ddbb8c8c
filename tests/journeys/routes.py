"""The map of addresses, and what to put into each so that it asks for something of a tenant.

A route that nobody described fails whoever fills it: then say here what its parameters are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.urls import URLPattern, URLResolver, get_resolver

from jobs.models import (
    Job,
)
from tests.journeys.automation_belongings import WEBHOOK
from tests.journeys.belongings import SHARED, Belongings

#: Admins of the deployment, for superusers alone.
OPERATORS_ONLY = {
    "auth.User",
    "auth.Group",
    "django_celery_beat.PeriodicTask",
    "django_celery_beat.IntervalSchedule",
    "django_celery_beat.CrontabSchedule",
    "django_celery_beat.ClockedSchedule",
    "django_celery_beat.SolarSchedule",
}
#: What `<slug:slug>` means, by where the route begins.
WORKFLOW_SLUGS = (
    "admin/build/",
    "admin/jobs/job/of/",
    "admin/jobs/listimport/of/",
    "admin/jobs/jobexport/of/",
    "api/v1/workflows/",
)
QUEUE_SLUGS = ("admin/jobs/queue/", "api/v1/admin/queues/")
GALLERY_SLUGS = ("admin/gallery/",)
#: What an API's uid is one of, besides jobs.
UID_ROUTES = {
    "api/v1/reviews/": "jobs.Review",
    "api/v1/imports/": "jobs.ListImport",
    "api/v1/exports/": "jobs.JobExport",
}
#: Their addresses are keys of their own: who has one may write there, and only there.
KEYED = {"api/v1/inbound-mail/<str:key>", WEBHOOK}
#: Routes written as regular expressions, with what to put there.
PATTERNS = {r"admin/^(?P<app_label>": ("admin/jobs/", "admin/tenants/"), r"admin/(?P<url>": ("admin/nonsense",)}


@dataclass(frozen=True)
class Route:
    """One address of the map; `model` is what an admin page is about."""

    text: str
    name: str | None

    @property
    def model(self) -> str | None:
        found = re.match(r"admin/(\w+)/(\w+)/", self.text)
        if found is None:
            return None
        return next(
            (m._meta.label for m in admin.site._registry if m._meta.label_lower == f"{found[1]}.{found[2]}"), None
        )

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"<(?:\w+:)?(\w+)>", self.text)

    def fill(self, values: dict[str, str]) -> str:
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match[1]], self.text)


def all_routes(patterns: list[Any] | None = None, prefix: str = "") -> Iterator[Route]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        text = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from all_routes(pattern.url_patterns, text)
        elif isinstance(pattern, URLPattern):
            yield Route(text, pattern.name)


def values_for(route: Route, of: Belongings) -> list[dict[str, str]]:
    """Return what to put into a route so that it asks for something of this tenant; fails for an unknown route."""
    if route.text.startswith("admin/r/"):
        content_type = str(ContentType.objects.get_for_model(Job).pk)
        return [{"content_type_id": content_type, "object_id": value} for value in of.ids["jobs.Job"]]
    if (values := of.automations.values(route.text)) is not None:
        return values
    match route.parameters:
        case ["object_id"] | ["id"] if route.model in of.ids:
            return [{route.parameters[0]: value} for value in of.ids[route.model]]
        case ["object_id", "file"] if route.model == "jobs.Job":
            return [{"object_id": str(of.job.uid), "file": str(of.file.uid)}]
        case ["uid", "file"] | ["uid"] if route.text.startswith("api/v1/jobs/"):
            return [{"uid": str(of.job.uid), "file": str(of.file.uid)}]
        case ["uid"] if uids := uids_of(route, of):
            return [{"uid": uid} for uid in uids]
        case ["key"] if route.text in KEYED:
            return [{"key": of.mailbox_key}]
        case ["slug", *more] if route.text.startswith(WORKFLOW_SLUGS) and (
            not more or "/test" in route.text or more in (["number"], ["view"])
        ):
            # Of the views one is deleted on the way.
            return [values_of_workflow(route, of, view) for view in of.views[: 2 if more == ["view"] else 1]]
        case ["slug"] if route.text.startswith("api/v1/connections/"):
            # One is deleted on the way.
            which = "try" if route.text.endswith("/test") else "llm"
            return [{"slug": f"{which}-{of.workflow.slug}"}]
    pytest.fail(f"Route '{route.text}' is new: say in values_for what its parameters are.")


def uids_of(route: Route, of: Belongings) -> list[str]:
    """Return the public ids that a route about one thing takes; none for a route nobody described."""
    if route.text.startswith("admin/reports/"):
        return [of.report]
    model = UID_ROUTES.get(route.text.split("<")[0])
    return [] if model is None else [uid for uid in of.ids[model] if "-" in uid]


def values_of_workflow(route: Route, of: Belongings, view: str) -> dict[str, str]:
    """Return what to put into a route of a workflow, or of its samples, tests and views."""
    pk = of.sample.pk if "/samples/" in route.text else of.item.pk
    values = {"slug": of.workflow.slug, "uid": str(of.trial.uid), "pk": str(pk), "number": "1", "view": view}
    return {name: values[name] for name in route.parameters}


def shared_values(route: Route) -> list[dict[str, str]] | None:
    """Return what to put into a route about something that belongs to no tenant; None for other routes."""
    if route.model in OPERATORS_ONLY | SHARED and route.parameters in (["object_id"], ["id"]):
        row = apps.get_model(str(route.model)).objects.first()
        return [{route.parameters[0]: str(row.pk)}]
    if route.parameters == ["slug"] and route.text.startswith(QUEUE_SLUGS):
        return [{"slug": "default"}]
    if route.parameters == ["slug"] and route.text.startswith(GALLERY_SLUGS):
        return [{"slug": "invoices"}]
    return None


def addresses(route: Route) -> list[str] | None:
    """Return the addresses of a route that names nothing of a tenant's; None for a route with an id in it."""
    for beginning, filled in PATTERNS.items():
        if route.text.startswith(beginning):
            return [f"/{each}" for each in filled]
    if "(?P<" in route.text:
        pytest.fail(f"Route '{route.text}' is new: say in PATTERNS what to put there.")
    values = [{}] if not route.parameters else shared_values(route)
    return None if values is None else [route.fill(each) for each in values]
