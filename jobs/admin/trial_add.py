"""Adding samples: typed, pasted, uploaded, picked from jobs."""

import math
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from jobs.admin.trial_parts import (
    EXPECTED,
    INPUT,
    expected_keys,
    input_keys,
    sample_count,
    tell_picked,
    to_tests,
    workflow_of,
)
from jobs.admin.value_form import ValueForm
from jobs.domain.intake.formats import BadFile, Format, Kind, detect
from jobs.domain.sample_text import GUESS, JSON, LINES, TABLE, BadSamples, read_pasted, read_table
from jobs.services.sample_picks import MOST_PICKED, Pick, pick_jobs
from tenants.admin.current import needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.domain.samples import NewSample
from workflows.models import Workflow
from workflows.services.samples import SamplesInvalid, add_samples, fields_of

WAYS = {"paste": "Paste", "form": "Fill in a form", "upload": "Upload a list", "jobs": "Pick from jobs"}
FORMS = {GUESS: "Find out", LINES: "One on each line", TABLE: "A table with a heading (CSV)", JSON: "JSON"}
PICKS = {
    Pick.LAST: "The last jobs that ended",
    Pick.FAILED: "Jobs that failed",
    Pick.REVIEWED: "Jobs a person looked at: what they approved or corrected is expected",
    Pick.CORRECTED: "Jobs a person corrected: what they made of it is expected",
    Pick.UNSURE: "Jobs with a step that was less sure than",
}
#: Files of these names are read like pasted text.
READ_AS_PASTED = {".txt": GUESS, ".text": GUESS, ".json": JSON}


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
        found = _read_file(cast(Any, file), form, workflow)
    except BadFile as error:
        raise Refused([str(error)]) from error
    except BadSamples as error:
        raise Refused(error.problems) from error
    _add(request, workflow, found, f"uploaded: {file.name}")


def _read_file(file: Any, form: Format, workflow: Workflow) -> list[NewSample]:
    """Return the samples in a file: one that is called text or JSON is read like pasted text, others as a list."""
    how = READ_AS_PASTED.get(PurePath(file.name or "").suffix.lower())
    if how is None or form.kind is Kind.XLSX:
        return read_table(file, form, fields_of(workflow))
    return read_pasted(file.read().decode(form.encoding, "replace").removeprefix("\ufeff"), fields_of(workflow), how)


def _take_jobs(request: HttpRequest, workflow: Workflow, *_forms: ValueForm) -> None:
    wanted, most, below = request.POST.get("pick", ""), _number(request, "most", ""), _number(request, "below", "0.8")
    wrong = {
        "Say which jobs.": wanted not in {pick.value for pick in Pick},
        f"Say how many: a whole number from 1 to {MOST_PICKED}.": not (1 <= most <= MOST_PICKED and most.is_integer()),
        "Less sure than: a number from 0 to 1, such as 0.8.": not 0 < below <= 1,
    }
    if any(wrong.values()):
        raise Refused([words for words, so in wrong.items() if so])
    pick = Pick(wanted)
    try:
        picked = pick_jobs(workflow=workflow, pick=pick, most=int(most), below=below, user=cast(User, request.user))
    except SamplesInvalid as error:
        raise Refused(error.problems) from error
    tell_picked(request, picked)


def _number(request: HttpRequest, name: str, usual: str) -> float:
    """Return a number that was typed, with a point or a comma; what is none is not within any limits."""
    try:
        return float((request.POST.get(name) or usual).replace(",", "."))
    except ValueError:
        return math.nan


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
    messages.success(request, f"{sample_count(len(added))} added{f', {golden} of them golden' if golden else ''}.")
