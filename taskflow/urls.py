"""The map of every page and endpoint."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from jobs.admin.reports import unsubscribe_view
from taskflow.health import health, ready
from taskflow.metrics.views import metrics

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("health", health),
    path("ready", ready),
    path("metrics", metrics),
    path("admin/gallery/", include("jobs.admin.gallery")),
    path("admin/learn/", include("jobs.admin.learn")),
    path("admin/automations/", include("automations.admin.urls")),
    path("admin/reports/", include("jobs.admin.reports")),
    path("reports/unsubscribe/<str:token>", unsubscribe_view, name="report_unsubscribe"),
    path("admin/build/", include("taskflow.workbench")),
    path("admin/", admin.site.urls),
    path("api/", include("taskflow.api")),
]
