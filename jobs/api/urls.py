"""The addresses of the job and queue endpoints, below /api/v1/."""

from django.urls import path

from jobs.api.imports import (
    CancelImportView,
    ImportErrorsView,
    ImportsView,
    ImportView,
    PauseImportView,
    ResumeImportView,
)
from jobs.api.queues import PauseView, QueuesView, ResumeView
from jobs.api.views import BulkView, CancelView, JobsView, JobView, RetryView

urlpatterns = [
    path("jobs", JobsView.as_view(), name="jobs"),
    path("jobs/bulk", BulkView.as_view(), name="jobs-bulk"),
    path("jobs/<uuid:uid>", JobView.as_view(), name="job"),
    path("jobs/<uuid:uid>/cancel", CancelView.as_view(), name="job-cancel"),
    path("jobs/<uuid:uid>/retry", RetryView.as_view(), name="job-retry"),
    path("imports", ImportsView.as_view(), name="imports"),
    path("imports/<uuid:uid>", ImportView.as_view(), name="import"),
    path("imports/<uuid:uid>/errors", ImportErrorsView.as_view(), name="import-errors"),
    path("imports/<uuid:uid>/cancel", CancelImportView.as_view(), name="import-cancel"),
    path("imports/<uuid:uid>/pause", PauseImportView.as_view(), name="import-pause"),
    path("imports/<uuid:uid>/resume", ResumeImportView.as_view(), name="import-resume"),
    path("admin/queues", QueuesView.as_view(), name="queues"),
    path("admin/queues/<slug:slug>/pause", PauseView.as_view(), name="queue-pause"),
    path("admin/queues/<slug:slug>/resume", ResumeView.as_view(), name="queue-resume"),
]
