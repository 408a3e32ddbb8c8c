"""The admin's sidebar: by what people do, with one entry per workflow of the current tenant under its own label."""

from collections import Counter
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import mark_safe
from unfold.dataclasses import SearchResult

from jobs.admin.review import open_reviews_of
from jobs.models import Job
from jobs.queries.reviews import MOST_COUNTED
from tenants.admin.access import access_of
from tenants.admin.current import allowed, tenant_of
from tenants.domain.roles import Permission
from tenants.queries import tenants_of
from workflows.models import Workflow

MOST_WORKFLOWS = 30
#: The symbol of a workflow that has chosen none.
DEFAULT_ICON = "inbox"
MOST_TENANTS = 50
MOST_FOUND = 10
Item = dict[str, Any]
#: The pages of one workflow belong to the list of workflows, but for those that show its jobs.
BUILD = "/admin/build/"
OF_JOBS = ("views", "dashboard")

#: Title -> (model, label, icon); shown to who may view the model.
GROUPS: dict[str, list[tuple[str, str, str]]] = {
    "Build": [("workflows.workflow", "Workflows", "schema"), ("jobs.mailbox", "Mailboxes", "mail")],
    "Automate": [],
    "Learn": [],
    "Operate": [
        ("jobs.job", "All jobs", "list_alt"),
        ("jobs.queue", "Queues", "stacks"),
        ("jobs.lane", "Lanes", "splitscreen"),
        ("jobs.workerlease", "Workers", "memory"),
        ("jobs.llmusage", "LLM usage", "paid"),
        ("jobs.bulkaction", "Bulk actions", "checklist"),
        ("jobs.inboundmessage", "Mail that came in", "inbox_customize"),
        ("jobs.listimport", "Imports", "upload_file"),
        ("jobs.jobexport", "Exports", "download"),
        ("django_celery_beat.periodictask", "Periodic tasks", "update"),
    ],
    "Settings": [
        ("tenants.tenant", "Tenants and members", "domain"),
        ("tenants.connection", "Connections", "cable"),
        ("tenants.apikey", "API keys", "key"),
        ("auth.user", "Users", "person"),
        ("auth.group", "Groups", "group"),
    ],
}


#: Title -> (route, label, icon, permission): pages that are about no model.
PAGES: dict[str, list[tuple[str, str, str, Permission]]] = {
    "Build": [("gallery", "Gallery", "auto_awesome_mosaic", Permission.VIEW_WORKFLOWS)],
    "Learn": [("learn", "Samples and decisions", "school", Permission.VIEW_WORKFLOWS)],
    "Automate": [
        ("automation_rules", "Rules", "bolt", Permission.VIEW_WORKFLOWS),
        ("automation_firings", "Firings", "manage_history", Permission.VIEW_WORKFLOWS),
        ("automation_webhooks", "Webhooks", "webhook", Permission.VIEW_WORKFLOWS),
    ],
    "Operate": [("reports", "Reports by mail", "forward_to_inbox", Permission.VIEW_JOBS)],
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar's groups. Of several links that lead to the present page, the most exact is the active one."""
    home = [_item("Overview", "space_dashboard", reverse("admin:index"))]
    groups: list[dict[str, Any]] = [
        {"title": "", "items": home},
        {"title": "Work", "separator": True, "items": _work(request)},
        {"title": "Review", "separator": True, "items": _review(request)},
        *(
            {"title": title, "separator": True, "items": _models(request, models) + _pages(request, title)}
            for title, models in GROUPS.items()
        ),
    ]
    _mark_active(request, [item for group in groups for item in group["items"]])
    return [group for group in groups if group["items"]]


def stylesheet(request: HttpRequest) -> str:
    """Return the address of our own styles."""
    return static("taskflow/admin.css")


def frame_stylesheet(request: HttpRequest) -> str:
    """Return the address of the styles of the frame: sidebar, menus, heads."""
    return static("taskflow/frame.css")


def script(request: HttpRequest) -> str:
    """Return the address of our own script."""
    return static("taskflow/admin.js")


def icon(request: HttpRequest) -> str:
    """Return the address of the icon that browsers show in their tabs."""
    return static("taskflow/icon.svg")


def subheader(request: HttpRequest) -> str:
    """Return the line under the site's name: the tenant whose rows are shown."""
    if not request.user.is_authenticated:
        return ""
    tenant = tenant_of(request)
    return tenant.name if tenant is not None else "All tenants"


def tenant_choices(request: HttpRequest) -> list[Item]:
    """Return the tenants to change to, where there are several."""
    if not request.user.is_authenticated:
        return []
    tenants = list(tenants_of(request.user)[:MOST_TENANTS])
    if len(tenants) < 2:
        return []
    home = reverse("admin:index")
    current = tenant_of(request)
    choices = [
        {
            "title": tenant.name,
            "link": f"{home}?tenant={tenant.slug}",
            "icon": "check" if tenant == current else "domain",
        }
        for tenant in tenants
    ]
    everything = {"title": "All tenants", "link": f"{home}?tenant=", "icon": "public"}
    return [*choices, everything] if access_of(request).superuser else choices


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Find what the search box cannot: a job by its id, and the list of a workflow by its label or slug."""
    try:
        uid = UUID(term)
    except ValueError:
        return _workflows_named(request, term)
    jobs = access_of(request).limit(Job.objects.filter(uid=uid), "tenant").select_related("workflow")
    return [
        SearchResult(
            title=f"{job.workflow.label_singular} {job.uid}",
            description=job.state.title(),
            link=reverse("admin:jobs_job_change", args=[job.uid]),
            icon="work",
        )
        for job in jobs
    ]


def _workflows_named(request: HttpRequest, term: str) -> list[SearchResult]:
    tenant, wanted = tenant_of(request), term.strip().casefold()
    if tenant is None or not wanted or not allowed(request, Permission.VIEW_JOBS):
        return []
    # Compared here, as databases differ in what they take for the same letter.
    rows = Workflow.objects.filter(tenant=tenant, active=True).values_list("slug", "label_plural", "name", "icon")
    found = [row for row in rows.order_by("label_plural", "pk") if any(wanted in word.casefold() for word in row[:3])]
    return [
        SearchResult(
            title=label,
            description=name,
            link=_list_of(slug),
            icon=icon or DEFAULT_ICON,
        )
        for slug, label, name, icon in found[:MOST_FOUND]
    ]


def _work(request: HttpRequest) -> list[Item]:
    tenant = tenant_of(request)
    if tenant is None or not allowed(request, Permission.VIEW_JOBS):
        return []
    workflows = Workflow.objects.filter(tenant=tenant, active=True).order_by("label_plural", "pk")
    rows = list(workflows.values_list("slug", "label_plural", "icon", "name")[: MOST_WORKFLOWS + 1])
    times = Counter(label for _, label, _, _ in rows)
    shown = [
        _item(label if times[label] == 1 else f"{label} · {name}", icon or DEFAULT_ICON, _list_of(slug))
        for slug, label, icon, name in rows[:MOST_WORKFLOWS]
    ]
    if len(rows) > MOST_WORKFLOWS:
        shown.append(_item("All workflows", "more_horiz", reverse("admin:workflows_workflow_changelist")))
    return shown


def _list_of(slug: str) -> str:
    return reverse("admin:jobs_job_of", args=[slug])


def _review(request: HttpRequest) -> list[Item]:
    count = open_reviews_of(request)
    if count is None or not allowed(request, Permission.VIEW_JOBS):
        return []
    inbox = _item("Inbox", "rate_review", reverse("admin:jobs_review_inbox"))
    shown = f"{MOST_COUNTED - 1}+" if count >= MOST_COUNTED else str(count)
    # The script asks for the count again at this address while the page is open.
    inbox["title"] = format_html(
        'Inbox <b class="tf-count" data-count-url="{}"{}>{}</b>',
        reverse("admin:jobs_review_count"),
        "" if count else mark_safe(" hidden"),
        shown,
    )
    return [inbox, _item("Review history", "history", reverse("admin:jobs_review_changelist"))]


def _models(request: HttpRequest, models: list[tuple[str, str, str]]) -> list[Item]:
    items = []
    for name, label, icon in models:
        model = apps.get_model(name)
        try:
            model_admin = admin.site.get_model_admin(model)
        except NotRegistered:
            continue
        if model_admin.has_view_permission(request):
            opts = model._meta
            items.append(_item(label, icon, reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")))
    return items


def _pages(request: HttpRequest, group: str) -> list[Item]:
    return [
        _item(label, icon, reverse(name))
        for name, label, icon, permission in PAGES.get(group, ())
        if access_of(request).allows(permission)
    ]


def _item(title: str, icon: str, link: str) -> Item:
    # Unfold prints titles as they are, and labels are what people typed.
    return {"title": escape(title), "icon": icon, "link": link, "active": False}


def _mark_active(request: HttpRequest, items: list[Item]) -> None:
    here, home = _place(request), reverse("admin:index")
    matching = [item for item in items if here.startswith(item["link"]) and (item["link"] != home or here == home)]
    if matching:
        max(matching, key=lambda item: len(item["link"]))["active"] = True


def _place(request: HttpRequest) -> str:
    """Return the address of the sidebar that the present page belongs to."""
    slug = getattr(request, "workflow_slug", None)
    if request.path.startswith(BUILD):
        slug, _, page = request.path.removeprefix(BUILD).partition("/")
        if not page.startswith(OF_JOBS):
            return reverse("admin:workflows_workflow_changelist")
    return _list_of(slug) if slug else request.path
