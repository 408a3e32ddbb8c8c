"""What a person chooses about versions: which new jobs run, how many of them, and what the draft begins with."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse

from jobs.admin.versions_common import get_workflow
from taskflow.lib.clock import utcnow
from tenants.admin.current import needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow
from workflows.services.releases import (
    CannotUndo,
    NoSuchVersion,
    NothingReleased,
    end_release,
    restore_draft,
    roll_back,
    set_share,
    undo_release,
)

#: Asked twice before they are done.
CONFIRMED = ("rollback", "restore", "end")
Act = Callable[[Workflow, HttpRequest], str]


@needs(Permission.VIEW_WORKFLOWS)
def act_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Do what was chosen, after asking where it is not easily taken back."""
    workflow = get_workflow(tenant, slug)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    action = request.POST.get("action", "")
    act = ACTIONS.get(action)
    if act is None:
        raise Http404(f"There is no action '{action[:20]}'.")
    if action in CONFIRMED and "confirmed" not in request.POST:
        return _confirm(request, tenant, workflow, action)
    try:
        messages.success(request, act(workflow, request))
    except (NoSuchVersion, NothingReleased, CannotUndo, ValueError) as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("versions", args=[slug]))


def _confirm(request: HttpRequest, tenant: Tenant, workflow: Workflow, action: str) -> HttpResponse:
    number = _number(request, "version") if action != "end" else 0
    if number and not workflow.versions.filter(number=number).exists():
        messages.error(request, f"There is no version {number}.")
        return HttpResponseRedirect(reverse("versions", args=[workflow.slug]))
    return render_page(
        request,
        "version_confirm",
        title="Confirm",
        zone=zone_of(tenant),
        workflow=workflow,
        action=action,
        number=number,
        changes=workflow.draft_changes.filter(version=None).count() if action == "restore" else 0,
    )


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Http404(f"'{text[:20]}' is not a number.")
    return int(text)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _rollback(workflow: Workflow, request: HttpRequest) -> str:
    number = _number(request, "version")
    reason = " ".join(request.POST.get("reason", "").split())
    roll_back(workflow=workflow, number=number, now=utcnow(), user=_user(request), reason=reason)
    return f"New jobs run version {number}. Jobs that began on another one stay on it."


def _share(workflow: Workflow, request: HttpRequest) -> str:
    share = _number(request, "share")
    release = set_share(workflow=workflow, share=share, now=utcnow(), user=_user(request))
    number = release.version and release.version.number
    return f"Version {number} is live." if share == 100 else f"{share} % of new jobs run version {number}."


def _end(workflow: Workflow, request: HttpRequest) -> str:
    end_release(workflow=workflow, now=utcnow(), user=_user(request))
    return f"The release is over: all new jobs run version {workflow.live_version and workflow.live_version.number}."


def _undo(workflow: Workflow, request: HttpRequest) -> str:
    undo_release(workflow=workflow, release_id=_number(request, "release"), now=utcnow(), user=_user(request))
    live, coming = workflow.live_version, workflow.next_version
    share = f", and {workflow.next_share} % of them version {coming.number}" if coming else ""
    return f"Taken back: new jobs run version {live and live.number}{share}."


def _restore(workflow: Workflow, request: HttpRequest) -> str:
    number = _number(request, "version")
    restore_draft(workflow=workflow, number=number, now=utcnow(), user=_user(request))
    return f"The draft says what version {number} says. New jobs notice nothing until you publish it."


ACTIONS: dict[str, Act] = {
    "rollback": _rollback,
    "share": _share,
    "end": _end,
    "undo": _undo,
    "restore": _restore,
}
