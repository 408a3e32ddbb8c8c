"""What a person does to one job: retry it as it is, from another step or with another payload, or cancel it."""

import json
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from jobs.domain.states import RETRYABLE
from jobs.domain.submission import SubmissionError
from jobs.models import Job
from jobs.services.control import NotCancellableError, NotRetryableError, UnknownStepError, cancel_job, retry_job
from jobs.templatetags.jobs_admin import plain
from taskflow.lib.clock import utcnow
from taskflow.lib.strictjson import BadJSON, parse_json
from tenants.admin.current import actor_of, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from workflows.models import Step


class PayloadField(forms.JSONField):
    """JSON as the API takes it, shown indented."""

    def to_python(self, value: Any) -> Any:
        try:
            return parse_json(str(value).encode("utf-8", "replace"))
        except BadJSON as error:
            raise forms.ValidationError(error.reason) from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        return InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, InvalidJSONInput) else plain(json.dumps(value, ensure_ascii=False, indent=2))


class RetryForm(forms.Form):
    """From which step to go on, and with which payload."""

    from_step = forms.ChoiceField(
        label="Go on from",
        widget=UnfoldAdminSelectWidget,
        help_text="Steps before it keep what they gave; it and those after it run again.",
    )
    payload = PayloadField(
        label="Payload",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 16, "spellcheck": "false"}),
        help_text="A JSON object. If you change it, begin from the first step unless you know better.",
    )

    def __init__(self, *args: Any, job: Job, **kwargs: Any) -> None:
        self.job = job
        steps = Step.objects.filter(version_id=job.version_id, position__lte=job.position).order_by("position")
        choices = [(step.key, f"{step.position + 1}. {step.name}") for step in steps]
        kwargs["initial"] = {"from_step": choices[-1][0] if choices else "", "payload": job.payload}
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["from_step"]).choices = choices

    def clean_payload(self) -> dict[str, Any]:
        payload = self.cleaned_data["payload"]
        if not isinstance(payload, dict):
            raise forms.ValidationError('Write a JSON object, such as {"text": "…"}.')
        return payload


def retry_view(request: HttpRequest, job: Job) -> HttpResponse:
    """POST without a form retries a job as it is; GET shows the form, whose POST retries with what it says."""
    require(request, Permission.ACT_ON_JOBS, job.tenant)
    if request.method == "POST" and "from_step" not in request.POST:
        return _retry(request, job, {})
    if job.state not in RETRYABLE:
        messages.error(request, f"The job is {job.state}; only failed, dead and cancelled jobs can be retried.")
        return _to_story(job)
    form = RetryForm(request.POST or None, job=job)
    if request.method == "POST" and form.is_valid():
        payload = form.cleaned_data["payload"]
        changes = {"from_step": form.cleaned_data["from_step"], "payload": payload if payload != job.payload else None}
        return _retry(request, job, changes, form)
    return _show(request, job, form)


def cancel_view(request: HttpRequest, job: Job) -> HttpResponse:
    """Cancel a job: at once, or at its next step where it is running."""
    require(request, Permission.ACT_ON_JOBS, job.tenant)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        changed = cancel_job(job=job, actor=actor_of(request), now=utcnow())
    except NotCancellableError as error:
        messages.error(request, str(error))
    else:
        done = "Cancelled." if changed.state == "CANCELLED" else "It stops after the present step."
        messages.success(request, done)
    return _to_story(job)


def _retry(request: HttpRequest, job: Job, changes: dict[str, Any], form: RetryForm | None = None) -> HttpResponse:
    try:
        retry_job(job=job, actor=actor_of(request), now=utcnow(), **changes)
    except (SubmissionError, UnknownStepError) as error:
        if form is None:
            messages.error(request, str(error))
            return _to_story(job)
        _explain(form, error)
        return _show(request, job, form)
    except NotRetryableError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Retried: it is due now.")
    return _to_story(job)


def _explain(form: RetryForm, error: SubmissionError | UnknownStepError) -> None:
    if isinstance(error, UnknownStepError):
        form.add_error("from_step", str(error))
        return
    for field, message in error.problems:
        form.add_error("payload", f"{field}: {message}")


def _show(request: HttpRequest, job: Job, form: RetryForm) -> HttpResponse:
    request.workflow_slug = job.workflow.slug  # type: ignore[attr-defined]  # for the sidebar
    return render_page(request, "retry", title="Retry with changes", zone=zone_of(job.tenant), job=job, form=form)


def _to_story(job: Job) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.uid]))
