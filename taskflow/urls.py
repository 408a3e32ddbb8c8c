"""The map of every page and endpoint."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from taskflow.health import health, ready
from taskflow.metrics.views import metrics

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("health", health),
    path("ready", ready),
    path("metrics", metrics),
    path("admin/gallery/", include("jobs.admin.gallery")),
    path("admin/build/", include("taskflow.workbench")),
    path("admin/", admin.site.urls),
    path("api/", include("taskflow.api")),
]
