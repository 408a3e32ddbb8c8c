"""The addresses of the job and queue endpoints, below /api/v1/."""

from django.urls import path

from jobs.api.exports import CancelExportView, ExportDownloadView, ExportsView, ExportView, ViewsView
from jobs.api.files import FileView
from jobs.api.imports import (
    CancelImportView,
    ImportErrorsView,
    ImportsView,
    ImportView,
    PauseImportView,
    ResumeImportView,
)
from jobs.api.inbound import InboundMailView
from jobs.api.queues import PauseView, QueuesView, ResumeView
from jobs.api.reviews import ClaimView, DecideView, ReleaseView, ReviewsView, ReviewView, UndoView
from jobs.api.test_runs import TestRunsView, TestRunView
from jobs.api.versions import PublishView, RollbackView, VersionsView, VersionView
from jobs.api.views import BulkView, CancelView, JobsView, JobView, RetryView

urlpatterns = [
    path("jobs", JobsView.as_view(), name="jobs"),
    path("jobs/bulk", BulkView.as_view(), name="jobs-bulk"),
    path("jobs/<uuid:uid>", JobView.as_view(), name="job"),
    path("jobs/<uuid:uid>/files/<uuid:file>", FileView.as_view(), name="job-file"),
    path("jobs/<uuid:uid>/cancel", CancelView.as_view(), name="job-cancel"),
    path("jobs/<uuid:uid>/retry", RetryView.as_view(), name="job-retry"),
    path("imports", ImportsView.as_view(), name="imports"),
    path("imports/<uuid:uid>", ImportView.as_view(), name="import"),
    path("imports/<uuid:uid>/errors", ImportErrorsView.as_view(), name="import-errors"),
    path("imports/<uuid:uid>/cancel", CancelImportView.as_view(), name="import-cancel"),
    path("imports/<uuid:uid>/pause", PauseImportView.as_view(), name="import-pause"),
    path("imports/<uuid:uid>/resume", ResumeImportView.as_view(), name="import-resume"),
    path("views", ViewsView.as_view(), name="job-views"),
    path("exports", ExportsView.as_view(), name="exports"),
    path("exports/<uuid:uid>", ExportView.as_view(), name="export"),
    path("exports/<uuid:uid>/download", ExportDownloadView.as_view(), name="export-download"),
    path("exports/<uuid:uid>/cancel", CancelExportView.as_view(), name="export-cancel"),
    path("reviews", ReviewsView.as_view(), name="reviews"),
    path("reviews/<uuid:uid>", ReviewView.as_view(), name="review"),
    path("reviews/<uuid:uid>/claim", ClaimView.as_view(), name="review-claim"),
    path("reviews/<uuid:uid>/release", ReleaseView.as_view(), name="review-release"),
    path("reviews/<uuid:uid>/decide", DecideView.as_view(), name="review-decide"),
    path("reviews/<uuid:uid>/undo", UndoView.as_view(), name="review-undo"),
    path("inbound-mail/<str:key>", InboundMailView.as_view(), name="inbound-mail"),
    path("workflows/<slug:slug>/versions", VersionsView.as_view(), name="workflow-versions"),
    path("workflows/<slug:slug>/versions/<int:number>", VersionView.as_view(), name="workflow-version"),
    path("workflows/<slug:slug>/publish", PublishView.as_view(), name="workflow-publish"),
    path("workflows/<slug:slug>/rollback", RollbackView.as_view(), name="workflow-rollback"),
    path("workflows/<slug:slug>/test-runs", TestRunsView.as_view(), name="workflow-test-runs"),
    path("workflows/<slug:slug>/test-runs/<uuid:uid>", TestRunView.as_view(), name="workflow-test-run"),
    path("admin/queues", QueuesView.as_view(), name="queues"),
    path("admin/queues/<slug:slug>/pause", PauseView.as_view(), name="queue-pause"),
    path("admin/queues/<slug:slug>/resume", ResumeView.as_view(), name="queue-resume"),
]
