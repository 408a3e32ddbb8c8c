"""Adding samples (typed, pasted, uploaded, picked from jobs), and changing, deleting and bringing them back."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from jobs.admin.trial_home import RESTORED
from jobs.admin.trial_parts import expected_keys, file_names, input_keys, may_edit, to_tests, workflow_of
from jobs.admin.value_form import ValueForm
from jobs.domain.intake.formats import BadFile, detect
from jobs.domain.sample_text import GUESS, JSON, LINES, TABLE, BadSamples, read_pasted, read_table
from jobs.models import Job
from jobs.queries.trials import source_job_uid
from jobs.services.sample_picks import MOST_PICKED, Pick, Picked, pick_job, pick_jobs
from taskflow.lib.fields import dump_json
from tenants.admin.current import actor_of, needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.domain.samples import NewSample
from workflows.models import Sample, Workflow
from workflows.services.samples import (
    SamplesInvalid,
    add_samples,
    delete_samples,
    fields_of,
    restore_samples,
    update_sample,
)

WAYS = {"paste": "Paste", "form": "Fill in a form", "upload": "Upload a list", "jobs": "Pick from jobs"}
FORMS = {GUESS: "Find out", LINES: "One on each line", TABLE: "A table with a heading (CSV)", JSON: "JSON"}
PICKS = {
    Pick.LAST: "The last jobs that ended",
    Pick.FAILED: "Jobs that failed",
    Pick.REVIEWED: "Jobs a person looked at: what they approved or corrected is expected",
    Pick.CORRECTED: "Jobs a person corrected: what they made of it is expected",
    Pick.UNSURE: "Jobs with a step that was less sure than",
}
#: Deleted samples can be brought back up to so many, and so many characters: they are kept in the session.
MOST_RESTORED, LONGEST_RESTORED = 200, 500_000
INPUT, EXPECTED = "input-", "expected-"


class Refused(Exception):
    """What was given cannot become samples; `problems` say why."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@needs(Permission.VIEW_WORKFLOWS)
def add_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Offer the ways to add samples; take them in."""
    workflow = workflow_of(tenant, slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    given = request.POST if request.method == "POST" else request.GET
    way = given.get("way", "paste")
    way = way if way in WAYS else "paste"
    problems: list[str] = []
    inputs, expected = _empty_forms(workflow)
    if request.method == "POST":
        try:
            _TAKEN[way](request, workflow, inputs, expected)
        except Refused as refused:
            problems = refused.problems
        else:
            return to_tests(workflow)
    request.workflow_slug = slug  # type: ignore[attr-defined]  # for the sidebar
    typed = request.POST if request.method == "POST" and way == "form" else None
    fields = fields_of(workflow)
    return render_page(
        request,
        "test_add",
        title=f"Add samples to {workflow.name}",
        zone=zone_of(tenant),
        workflow=workflow,
        way=way,
        ways=WAYS,
        problems=problems,
        forms=FORMS,
        form=given.get("form", GUESS),
        text=given.get("text", ""),
        sample_name=given.get("name", ""),
        inputs=inputs.entries(typed),
        expected=expected.entries(typed),
        fields=[field for field in fields if field.role == "input"],
        outputs=[field for field in fields if field.role == "output"],
        picks=[(pick.value, words) for pick, words in PICKS.items()],
        pick=given.get("pick", Pick.CORRECTED.value),
        most=given.get("most", "20"),
        below=given.get("below", "0.8"),
    )


def _empty_forms(workflow: Workflow) -> tuple[ValueForm, ValueForm]:
    fields = fields_of(workflow)
    inputs = ValueForm(INPUT, input_keys(fields, {}) or ["text"], fields=fields, values={})
    return inputs, ValueForm(EXPECTED, expected_keys(fields), fields=fields, values={}, expects=True)


def _take_pasted(request: HttpRequest, workflow: Workflow, *_forms: ValueForm) -> None:
    form = request.POST.get("form", GUESS)
    try:
        text = request.POST.get("text", "")
        found = read_pasted(text, fields_of(workflow), form if form in FORMS else GUESS)
    except BadSamples as error:
        raise Refused(error.problems) from error
    _add(request, workflow, found, "pasted")


def _take_form(request: HttpRequest, workflow: Workflow, inputs: ValueForm, expected: ValueForm) -> None:
    record, wanted = inputs.read(request.POST), expected.read(request.POST)
    if inputs.errors or expected.errors:
        raise Refused(["Some values cannot be read: see below."])
    name = request.POST.get("name", "")
    _add(request, workflow, [NewSample(record, wanted or None, name=name)], "typed")


def _take_upload(request: HttpRequest, workflow: Workflow, *_forms: ValueForm) -> None:
    file = request.FILES.get("file")
    if file is None:
        raise Refused(["Choose a file first."])
    if (file.size or 0) > settings.MAX_FILE_BYTES:
        raise Refused([f"The file is larger than {settings.MAX_FILE_BYTES // 1024 // 1024} MB."])
    try:
        form = detect(cast(Any, file), most_unpacked=settings.MAX_LIST_UNPACKED_BYTES)
        found = read_table(cast(Any, file), form, fields_of(workflow))
    except BadFile as error:
        raise Refused([str(error)]) from error
    except BadSamples as error:
        raise Refused(error.problems) from error
    _add(request, workflow, found, f"uploaded: {file.name}")


def _take_jobs(request: HttpRequest, workflow: Workflow, *_forms: ValueForm) -> None:
    try:
        pick, most = Pick(request.POST.get("pick", "")), int(request.POST.get("most", ""))
        below = float(request.POST.get("below") or 0.8)
    except ValueError:
        raise Refused(["Say which jobs, and how many: a whole number."]) from None
    if not 1 <= most <= MOST_PICKED:
        raise Refused([f"How many: from 1 to {MOST_PICKED}."])
    if not 0 < below <= 1:
        raise Refused(["Less sure than: a number from 0 to 1, such as 0.8."])
    try:
        picked = pick_jobs(workflow=workflow, pick=pick, most=most, below=below, user=cast(User, request.user))
    except SamplesInvalid as error:
        raise Refused(error.problems) from error
    _tell(request, picked)


_TAKEN: dict[str, Callable[..., None]] = {
    "paste": _take_pasted,
    "form": _take_form,
    "upload": _take_upload,
    "jobs": _take_jobs,
}


def _add(request: HttpRequest, workflow: Workflow, found: list[NewSample], origin: str) -> None:
    if not found:
        raise Refused(["No sample was found in it."])
    named = [NewSample(each.input, each.expected, name=each.name, origin=origin, place=each.place) for each in found]
    try:
        added = add_samples(workflow=workflow, samples=named, user=cast(User, request.user))
    except SamplesInvalid as error:
        raise Refused(error.problems) from error
    golden = sum(sample.expected is not None for sample in added)
    messages.success(request, f"{_count(len(added))} added{f', {golden} of them golden' if golden else ''}.")


def _tell(request: HttpRequest, picked: Picked) -> None:
    words = [f"{_count(len(picked.added))} added."] if picked.added else ["No sample was added."]
    if picked.known:
        words.append(f"{picked.known} {'was' if picked.known == 1 else 'were'} there already.")
    if picked.unfit:
        words.append(
            f"{picked.unfit} did not fit the draft's fields and {'was' if picked.unfit == 1 else 'were'} left out."
        )
    if not picked.added and not picked.known and not picked.unfit:
        words.append("There are no such jobs.")
    (messages.success if picked.added else messages.warning)(request, " ".join(words))


def _count(number: int) -> str:
    return f"{number} sample{'' if number == 1 else 's'}"


@needs(Permission.VIEW_WORKFLOWS)
def sample_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str, pk: int) -> HttpResponse:
    """Show one sample, and change it."""
    workflow = workflow_of(tenant, slug)
    sample = get_object_or_404(Sample.objects.select_related("workflow"), workflow=workflow, pk=pk)
    fields = fields_of(workflow)
    known = sample.expected if isinstance(sample.expected, dict) else {}
    inputs = ValueForm(INPUT, input_keys(fields, sample.input), fields=fields, values=sample.input)
    expected = ValueForm(EXPECTED, expected_keys(fields, known), fields=fields, values=known, expects=True)
    problems: list[str] = []
    if request.method == "POST":
        require(request, Permission.EDIT_WORKFLOWS, tenant)
        problems = _save(request, sample, inputs, expected)
        if not problems:
            messages.success(request, "Saved.")
            return to_tests(workflow)
    request.workflow_slug = slug  # type: ignore[attr-defined]  # for the sidebar
    typed = request.POST if request.method == "POST" else None
    uid = source_job_uid(sample.origin)
    return render_page(
        request,
        "test_sample",
        title=sample.name or f"Sample {sample.pk}",
        zone=zone_of(tenant),
        workflow=workflow,
        sample=sample,
        sample_name=request.POST.get("name", sample.name),
        inputs=inputs.entries(typed),
        files=file_names(fields, sample.input),
        expected=expected.entries(typed),
        problems=problems,
        may_edit=may_edit(request, workflow),
        job="" if uid is None else str(uid),
    )


def _save(request: HttpRequest, sample: Sample, inputs: ValueForm, expected: ValueForm) -> list[str]:
    record, wanted = inputs.read(request.POST), expected.read(request.POST)
    if inputs.errors or expected.errors:
        return ["Some values cannot be read: see below."]
    if "forget" in request.POST:
        wanted = {}
    try:
        update_sample(sample=sample, name=request.POST.get("name", ""), input=record, expected=wanted or None)
    except SamplesInvalid as error:
        return error.problems
    return []


@needs(Permission.VIEW_WORKFLOWS)
def delete_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Delete the samples that were ticked; they can be brought back until others are deleted."""
    workflow = workflow_of(tenant, slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    ids = [int(text) for text in request.POST.getlist("sample") if text.isascii() and text.isdigit() and len(text) < 19]
    kept = delete_samples(workflow=workflow, ids=ids)
    if not kept:
        messages.warning(request, "Tick the samples to delete first.")
    else:
        few = len(kept) <= MOST_RESTORED and len(dump_json(kept)) <= LONGEST_RESTORED
        request.session[RESTORED] = {"workflow": workflow.pk, "samples": kept if few else []}
        messages.success(request, f"{_count(len(kept))} deleted by {actor_of(request)}.")
    return to_tests(workflow)


@needs(Permission.VIEW_WORKFLOWS)
def restore_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Bring back the samples that were deleted last in this session."""
    workflow = workflow_of(tenant, slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    kept = request.session.get(RESTORED) or {}
    if kept.get("workflow") != workflow.pk:
        messages.warning(request, "There is nothing to bring back.")
        return to_tests(workflow)
    del request.session[RESTORED]
    count = restore_samples(workflow=workflow, kept=kept["samples"], user=cast(User, request.user))
    messages.success(request, f"{_count(count)} brought back.")
    return to_tests(workflow)


@needs(Permission.VIEW_WORKFLOWS)
def from_job_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Make a sample of one job, and go back to the job's page."""
    workflow = workflow_of(tenant, slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    try:
        uid = UUID(request.POST.get("job", ""))
    except ValueError:
        messages.error(request, "That is not the id of a job.")
        return to_tests(workflow)
    job = get_object_or_404(Job, tenant=tenant, workflow=workflow, uid=uid)
    try:
        _tell(request, pick_job(workflow=workflow, job=job, user=cast(User, request.user)))
    except SamplesInvalid as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.uid]))
