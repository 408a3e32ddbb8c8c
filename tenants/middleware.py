"""Which tenant an admin session is about."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import ResolverMatch

from taskflow.lib.telemetry import bind
from tenants.models import Tenant
from tenants.queries import tenants_of

SESSION_KEY = "tenant"
PARAMETER = "tenant"


class CurrentTenant:
    """Sets `request.tenant` in the admin: the chosen tenant of a person, or the only one they are a member of, or None.

    `?tenant=SLUG` on any admin page chooses, `?tenant=` shows all again; both lead to the same page without it. The
    choice only narrows lists. What a person may see and do hangs on their memberships alone.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.tenant = None  # type: ignore[attr-defined]
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        """Choose or look up the tenant, in the admin and for people who are logged in only."""
        match = request.resolver_match
        if match is None or not _is_admin(match) or not request.user.is_authenticated:
            return None
        if request.method == "GET" and PARAMETER in request.GET:
            return _choose(request)
        request.tenant = tenant = _current(request)  # type: ignore[attr-defined]
        bind(user=request.user.pk, **({} if tenant is None else {"tenant": tenant.slug}))
        return None


def _is_admin(match: ResolverMatch) -> bool:
    """Say whether this is a page of the admin; the pages of workflows stand beside Django's own, not among them."""
    return "admin" in match.app_names or match.route.startswith("admin/")


def _choose(request: HttpRequest) -> HttpResponse:
    slug = request.GET[PARAMETER]
    if not slug:
        request.session.pop(SESSION_KEY, None)
    else:
        tenant = tenants_of(request.user).filter(slug=slug).first()
        if tenant is None:
            raise Http404(f"There is no tenant '{slug}' that you are a member of.")
        request.session[SESSION_KEY] = tenant.pk
    rest = request.GET.copy()
    del rest[PARAMETER]
    return HttpResponseRedirect(f"{request.path}?{rest.urlencode()}" if rest else request.path)


def _current(request: HttpRequest) -> Tenant | None:
    """Look the tenant up on every request, as a membership may have ended since it was chosen."""
    mine = tenants_of(request.user)
    chosen = request.session.get(SESSION_KEY)
    if chosen is not None:
        tenant = mine.filter(pk=chosen).first()
        if tenant is not None:
            return tenant
    if getattr(request.user, "is_superuser", False):
        return None
    first_two = list(mine[:2])
    return first_two[0] if len(first_two) == 1 else None
