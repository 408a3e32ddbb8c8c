"""The pages under /admin/build/SLUG/test/: samples, and tests of the draft on them."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from jobs.admin.trial_add import add_view
from jobs.admin.trial_home import home_view
from jobs.admin.trial_run import again_view, cancel_view, judge_view, run_view
from jobs.admin.trial_samples import delete_view, from_job_view, restore_view, sample_view
from jobs.admin.trial_step import step_view


def _page(view: Any) -> Any:
    return admin.site.admin_view(partial(view, None))


def _act(view: Any) -> Any:
    return admin.site.admin_view(require_POST(partial(view, None)))


urlpatterns: list[URLPattern] = [
    path("<slug:slug>/test/", _page(home_view), name="tests"),
    path("<slug:slug>/test/samples/add/", _page(add_view), name="test_samples_add"),
    path("<slug:slug>/test/samples/delete/", _act(delete_view), name="test_samples_delete"),
    path("<slug:slug>/test/samples/restore/", _act(restore_view), name="test_samples_restore"),
    path("<slug:slug>/test/samples/job/", _act(from_job_view), name="test_samples_job"),
    path("<slug:slug>/test/samples/<int:pk>/", _page(sample_view), name="test_sample"),
    path("<slug:slug>/test/step/", _act(step_view), name="test_step"),
    path("<slug:slug>/test/<uuid:uid>/", _page(run_view), name="test_run"),
    path("<slug:slug>/test/<uuid:uid>/cancel/", _act(cancel_view), name="test_run_cancel"),
    path("<slug:slug>/test/<uuid:uid>/again/", _act(again_view), name="test_run_again"),
    path("<slug:slug>/test/<uuid:uid>/rows/<int:pk>/", _page(judge_view), name="test_run_judge"),
]
