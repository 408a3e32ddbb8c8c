"""One test run: how far it is, its rows, and what people say of them."""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from jobs.admin.trial_home import start_from
from jobs.admin.trial_parts import expected_keys, may_edit, workflow_of
from jobs.admin.trial_rows import item_row
from jobs.admin.value_form import ValueForm
from jobs.domain.trial_costs import Estimate, money
from jobs.models import Trial, TrialItem
from jobs.services.judging import CannotJudge, Verdict, judge, unjudge
from jobs.services.trials import cancel_trial
from taskflow.lib.clock import utcnow
from tenants.admin.current import actor_of, needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.domain.fields import read_fields
from workflows.models import Sample
from workflows.services.samples import SamplesInvalid

A_PAGE = 25
#: What may be filtered by, in the order of the chips: label, and the run's count.
CHIPS = {
    "changed": "Changed",
    "fixed": "Fixed",
    "broken": "Broken",
    "same": "Same",
    "new": "New",
    "error": "Errors",
    "review": "Asks a person",
}
EXPECTED = "expected-"
#: The header by which the page's script asks for a piece instead of a page.
SCRIPT = "X-Piece"


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter above the rows."""

    label: str
    count: int
    query: str
    active: bool
    tone: str = ""


@needs(Permission.VIEW_WORKFLOWS)
def run_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str, uid: UUID) -> HttpResponse:
    """Show a run; its part is asked for again while it goes on."""
    trial = _trial(tenant, slug, uid)
    workflow = trial.workflow
    show = request.GET.get("show", "")
    show = show if show in CHIPS else ""
    page = Paginator(_items(trial, show), A_PAGE).get_page(request.GET.get("page"))
    fields = read_fields(trial.draft.get("fields") or ())
    request.workflow_slug = slug  # type: ignore[attr-defined]  # for the sidebar
    return render_page(
        request,
        "test_run",
        title=f"Test of {workflow.name}",
        zone=zone_of(tenant),
        part="parts/test_live",
        workflow=workflow,
        trial=trial,
        live_name=f"Live, version {trial.live_number}" if trial.live_number else "Live",
        step=_step_name(trial),
        percent=100 * trial.done // max(trial.total, 1),
        chips=_chips(trial, show),
        reviews=(_share(trial.live_reviews, trial), _share(trial.draft_reviews, trial)),
        cost=money(trial.cost) if trial.cost else "",
        estimate=Estimate.from_json(trial.estimate).words() if trial.estimate else "",
        rows=[item_row(item, fields) for item in page],
        page=page,
        show=show,
        query=urlencode({"show": show} if show else {}),
        may_edit=may_edit(request, workflow),
        now=utcnow(),
    )


def _trial(tenant: Tenant, slug: str, uid: UUID) -> Trial:
    workflow = workflow_of(tenant, slug)
    rows = Trial.objects.for_tenant(tenant).select_related("workflow", "tenant", "created_by")
    found: Trial = get_object_or_404(rows, workflow=workflow, uid=uid)
    return found


def _items(trial: Trial, show: str) -> QuerySet[TrialItem]:
    rows = TrialItem.objects.filter(trial=trial, done_at__isnull=False).select_related("trial").defer("recorded")
    if show == "review":
        rows = rows.filter(asks=True)
    elif show:
        rows = rows.filter(status=show)
    return rows.order_by("position")


def _chips(trial: Trial, show: str) -> list[Chip]:
    counts = {
        "changed": trial.changed,
        "fixed": trial.fixed,
        "broken": trial.broken,
        "same": trial.same,
        "new": trial.fresh,
        "error": trial.errors,
        "review": trial.draft_reviews,
    }
    tones = {"broken": "bad", "error": "bad", "fixed": "good", "changed": "changed"}
    chips = [Chip("All", trial.done, "", not show)]
    for key, label in CHIPS.items():
        if counts[key] or key in ("changed", "fixed", "broken", "same") or key == show:
            tone = tones.get(key, "") if counts[key] else ""
            chips.append(Chip(label, counts[key], urlencode({"show": key}), key == show, tone))
    return chips


def _share(count: int, trial: Trial) -> str:
    return f"{100 * count / trial.done:.0f} %" if trial.done else "–"


def _step_name(trial: Trial) -> str:
    steps = {step["key"]: step.get("name") or step["key"] for step in trial.draft["steps"]}
    return str(steps.get(trial.step_key, trial.step_key)) if trial.step_key else ""


@needs(Permission.VIEW_WORKFLOWS)
def cancel_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str, uid: UUID) -> HttpResponse:
    """End a run; what is done stays."""
    trial = _trial(tenant, slug, uid)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    if cancel_trial(trial=trial, actor=actor_of(request), now=utcnow()):
        messages.success(request, f"Cancelled after {trial.done} of {trial.total}. What was done is below.")
    else:
        messages.info(request, "It was over already.")
    return _to_run(request, trial)


@needs(Permission.VIEW_WORKFLOWS)
def again_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str, uid: UUID) -> HttpResponse:
    """Start another test of the draft as it is now, over the samples of this one or of some of its rows."""
    trial = _trial(tenant, slug, uid)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    which = request.POST.get("which", "")
    items = _items(trial, which) if which in CHIPS else TrialItem.objects.filter(trial=trial)
    ids = items.filter(sample__isnull=False).values_list("sample_id", flat=True)
    samples = list(Sample.objects.filter(workflow=trial.workflow, pk__in=list(ids)).order_by("pk"))
    source = f"{CHIPS[which].lower()} of an earlier test" if which in CHIPS else trial.source
    return start_from(request, trial.workflow, samples, source=source)


@needs(Permission.VIEW_WORKFLOWS)
def judge_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str, uid: UUID, pk: int) -> HttpResponse:
    """GET gives the form of what is expected of a row; POST says which version is right, or takes that back."""
    trial = _trial(tenant, slug, uid)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    item = get_object_or_404(TrialItem.objects.select_related("trial__workflow", "sample"), trial=trial, pk=pk)
    form = _expected_form(trial, item)
    if request.method != "POST":
        return _show_form(request, trial, item, form)
    verdict = request.POST.get("verdict", "")
    try:
        words = _say(item, verdict, form, request)
    except (CannotJudge, SamplesInvalid) as error:
        return _tell(request, trial, item, str(error), good=False)
    if form.errors:
        return _show_form(request, trial, item, form)
    return _tell(request, trial, item, f"{item.name or f'Row {item.position + 1}'}: {words}", good=True)


def _tell(request: HttpRequest, trial: Trial, item: TrialItem, words: str, *, good: bool) -> HttpResponse:
    """Answer the page's script with the words, everybody else with the run's page and them above it."""
    if SCRIPT in request.headers:
        return JsonResponse({"words": words}, status=200 if good else 409)
    (messages.success if good else messages.error)(request, words)
    return _to_run(request, trial, f"item-{item.pk}")


def _say(item: TrialItem, verdict: str, form: ValueForm, request: HttpRequest) -> str:
    user = cast(User, request.user)
    if verdict == "undo":
        unjudge(item=item)
        return "taken back."
    if verdict in ("live", "draft"):
        judge(item=item, verdict=cast(Verdict, verdict), user=user)
        return f"{'the live version' if verdict == 'live' else 'the draft'} is right. Its sample is golden now."
    if verdict != "edit":
        raise CannotJudge("Say who is right: live, draft, or edit what is expected.")
    wanted = form.read(request.POST)
    if not form.errors:
        judge(item=item, verdict="edit", user=user, expected=wanted)
    return "what is expected is saved." if wanted else "nothing is expected of it any more."


def _expected_form(trial: Trial, item: TrialItem) -> ValueForm:
    fields = read_fields(trial.draft.get("fields") or ())
    live, draft = (item.live or {}).get("record", {}), (item.draft or {}).get("record", {})
    keys = expected_keys(fields, item.expected, draft, live)
    examples = live | draft
    return ValueForm(EXPECTED, keys, fields=fields, values=item.expected or {}, examples=examples, expects=True)


def _show_form(request: HttpRequest, trial: Trial, item: TrialItem, form: ValueForm) -> HttpResponse:
    """Render the form of what is expected: in a dialog of the run's page, or as a page of its own."""
    typed = request.POST if request.method == "POST" else None
    context = {
        "trial": trial,
        "workflow": trial.workflow,
        "item": item,
        "entries": form.entries(typed),
        "title": f"What is expected of {item.name or f'row {item.position + 1}'}",
        "back": _back(request),
    }
    if SCRIPT in request.headers:
        return render(request, "taskflow/parts/test_expected.html", context)
    return render_page(request, "test_expected", zone=zone_of(trial.tenant), **cast(dict[str, Any], context))


def _back(request: HttpRequest) -> str:
    """Return the query of the list the person came from, as far as it is one of ours."""
    given = request.POST if request.method == "POST" else request.GET
    kept = {name: given[name] for name in ("show", "page") if given.get(name)}
    return urlencode(kept)


def _to_run(request: HttpRequest, trial: Trial, place: str = "") -> HttpResponseRedirect:
    query = _back(request)
    url = reverse("test_run", args=[trial.workflow.slug, trial.uid])
    return HttpResponseRedirect(f"{url}{f'?{query}' if query else ''}{f'#{place}' if place else ''}")
