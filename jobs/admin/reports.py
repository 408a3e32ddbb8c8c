"""Reports by mail: subscribing, ending that, having one sent at once, and the link in each mail that ends it."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.csrf import csrf_exempt

from jobs.domain.reports import Cadence
from jobs.models import ReportDelivery, ReportSubscription
from jobs.services import reports
from taskflow.lib.clock import utcnow
from tenants.admin.current import allowed, needs, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Membership, Tenant
from tenants.services.connections import connections_of
from workflows.models import Workflow

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_SHOWN = 200
DEPLOYMENT = "The deployment's mail server"


class ReportForm(forms.Form):
    """What is wanted: about what, to whom, how often, when and over which server."""

    about = forms.ChoiceField(required=False)
    person = forms.ChoiceField(required=False)
    cadence = forms.ChoiceField(label="How often", choices=[(each.value, each.value.title()) for each in Cadence])
    weekday = forms.TypedChoiceField(label="On", coerce=int, choices=list(enumerate(WEEKDAYS)), initial=0)
    hour = forms.TypedChoiceField(label="At", coerce=int, choices=[(n, f"{n:02}:00") for n in range(24)], initial=7)
    connection = forms.ChoiceField(label="Over", required=False)

    def __init__(self, *args: Any, tenant: Tenant, user: User, owner: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tenant = tenant
        workflows = Workflow.objects.for_tenant(tenant).filter(active=True).order_by("name")
        self._choices("about", [("", f"All of {tenant.name}"), *workflows.values_list("slug", "name")])
        people = [(str(user.pk), f"me ({user.email or 'no mail address'})")]
        if owner:
            people += [(str(pk), name) for pk, name in _members(tenant) if pk != user.pk]
        self._choices("person", people)
        mail = [(each.slug, each.slug) for each in connections_of(tenant.pk).values() if each.kind == "mail"]
        self._choices("connection", ([("", DEPLOYMENT)] if settings.EMAIL_HOST or not mail else []) + mail)
        for field in self.fields.values():
            field.widget.attrs["class"] = "tf-input"

    def _choices(self, name: str, choices: list[tuple[Any, Any]]) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = choices

    def workflow(self) -> Workflow | None:
        """Return the workflow that was chosen, or None for the whole tenant."""
        slug = self.cleaned_data["about"]
        return Workflow.objects.for_tenant(self.tenant).get(slug=slug) if slug else None


class ReportPages:
    """The pages below /admin/reports/."""

    def get_urls(self) -> list[URLPattern]:
        wrap = admin.site.admin_view
        return [
            path("", wrap(self.list_view), name="reports"),
            path("<uuid:uid>/end/", wrap(self.end_view), name="report_end"),
            path("<uuid:uid>/now/", wrap(self.now_view), name="report_now"),
        ]

    @needs(Permission.VIEW_JOBS)
    def list_view(self, request: HttpRequest, tenant: Tenant) -> HttpResponse:
        """Show the reports that are sent to this person, to an owner all of the tenant; take a new wish in."""
        form = report_form(request, tenant, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            return self._subscribe(request, tenant, form)
        return self._show(request, tenant, form)

    def _show(self, request: HttpRequest, tenant: Tenant, form: ReportForm) -> HttpResponse:
        rows = list(_mine(request, tenant).select_related("workflow", "user").order_by("pk")[:MOST_SHOWN])
        latest = _latest([row.pk for row in rows])
        return render_page(
            request,
            "reports",
            title="Reports by mail",
            zone=zone_of(tenant),
            form=form,
            rows=[(row, WEEKDAYS[row.weekday], latest.get(row.pk, [])) for row in rows],
            tenant=tenant,
            may_send=bool(form.fields["connection"].choices),  # type: ignore[attr-defined]
        )

    def _subscribe(self, request: HttpRequest, tenant: Tenant, form: ReportForm) -> HttpResponse:
        wanted, user = form.cleaned_data, cast(User, request.user)
        person = User.objects.get(pk=int(wanted["person"] or user.pk))
        if not person.email:
            form.add_error("person", "This person has no mail address. Set one under Users.")
            return self._show(request, tenant, form)
        workflow = form.workflow()
        reports.subscribe(
            tenant=tenant,
            workflow=workflow,
            user=person,
            by=user,
            cadence=wanted["cadence"],
            weekday=wanted["weekday"],
            hour=wanted["hour"],
            connection=wanted["connection"],
            address=request.build_absolute_uri("/")[:300],
            now=utcnow(),
        )
        about = workflow.name if workflow is not None else tenant.name
        messages.success(request, f"{person.email} gets a {wanted['cadence']} report about {about}.")
        return HttpResponseRedirect(reverse("reports"))

    @needs(Permission.VIEW_JOBS)
    def end_view(self, request: HttpRequest, tenant: Tenant, uid: Any) -> HttpResponse:
        """End a subscription."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = get_object_or_404(_mine(request, tenant), uid=uid)
        reports.unsubscribe(row)
        messages.success(request, f"{row.user.email} gets no more of these reports.")
        return HttpResponseRedirect(reverse("reports"))

    @needs(Permission.VIEW_JOBS)
    def now_view(self, request: HttpRequest, tenant: Tenant, uid: Any) -> HttpResponse:
        """Send a report at once."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = get_object_or_404(_mine(request, tenant), uid=uid)
        reports.send_now(row, now=utcnow())
        messages.success(request, f"A report to {row.user.email} is on its way.")
        return HttpResponseRedirect(reverse("reports"))


def report_form(request: HttpRequest, tenant: Tenant, data: Any = None, **initial: str) -> ReportForm:
    """Return the form by which this person subscribes."""
    owner = allowed(request, Permission.MANAGE_TENANT, tenant.pk)
    return ReportForm(data, initial=initial, tenant=tenant, user=cast(User, request.user), owner=owner)


def _members(tenant: Tenant) -> list[tuple[int, str]]:
    rows = (
        Membership.objects.filter(tenant=tenant, user__is_active=True).exclude(user__email="").order_by("user__email")
    )
    return list(rows.values_list("user_id", "user__email")[:MOST_SHOWN])


def _mine(request: HttpRequest, tenant: Tenant) -> Any:
    rows = ReportSubscription.objects.for_tenant(tenant)
    owner = allowed(request, Permission.MANAGE_TENANT, tenant.pk)
    return rows if owner else rows.filter(user_id=request.user.pk)


def _latest(ids: list[int]) -> dict[int, list[ReportDelivery]]:
    """Return the last reports of each subscription, the newest first."""
    found: dict[int, list[ReportDelivery]] = {}
    for row in ReportDelivery.objects.filter(subscription_id__in=ids).order_by("-due_at")[: 20 * MOST_SHOWN]:
        found.setdefault(row.subscription_id, []).append(row)
    return {pk: rows[:3] for pk, rows in found.items()}


@csrf_exempt
def unsubscribe_view(request: HttpRequest, token: str) -> HttpResponse:
    """End a subscription by the link in its mails: looking asks, posting does it. Mail programs post without cookies.

    The signed token is the permission; nothing else can be done with it.
    """
    found = reports.find_by_token(token)
    if request.method == "POST" and found is not None:
        reports.unsubscribe(found)
    state = "gone" if found is None else "done" if request.method == "POST" else "ask"
    status = 404 if found is None else 200
    return render(request, "taskflow/report_unsubscribe.html", {"found": found, "state": state}, status=status)


urlpatterns = ReportPages().get_urls()
