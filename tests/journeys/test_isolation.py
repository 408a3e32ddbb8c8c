"""Nobody reaches another tenant's rows: every route and every registered admin is tried with the other tenant's ids.

The walk reads the map of addresses itself. A route or a model that it does not know how to fill fails it: then say here
what its parameters are, or that the model belongs to nobody.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

from automations.models import WebhookDelivery
from jobs.domain.job_filter import JobFilter
from jobs.domain.states import State
from jobs.models import (
    Attempt,
    BulkAction,
    DefaultView,
    Event,
    File,
    ImportedRow,
    ImportProblem,
    ImportState,
    InboundMessage,
    IndexedField,
    Job,
    JobExport,
    JobValue,
    Join,
    Lane,
    ListImport,
    LlmAnswer,
    Mailbox,
    Queue,
    ReportDelivery,
    SavedView,
    StepRun,
    Trial,
    TrialItem,
    ValueIndex,
    WorkerLease,
)
from jobs.services.figures import count_figures
from jobs.services.intake import receive_list
from jobs.services.mail import new_mailbox_key
from jobs.services.reports import subscribe
from taskflow.lib.clock import utcnow
from tenants.models import ApiKey, Tenant
from tenants.services import create_api_key
from tests.factories import (
    NOW,
    Cast,
    make_cast,
    make_connection,
    make_job,
    make_lease,
    make_llm_call,
    make_llm_usage,
    make_review,
    make_trial,
    make_user,
    make_workflow,
)
from tests.journeys.automation_belongings import WEBHOOK, Automations, furnish_automations
from tests.webhooks import signed
from workflows.models import DraftChange, Release, Sample, Workflow

#: Stands in everything that belongs to the other tenant: its slug, its people, names, labels, payloads, errors.
WORD = "zqx-classified"
MEMBERS = ("owner", "viewer")

#: From a row to its tenant, for every model of ours that has one.
TENANT_PATHS = {
    "tenants.Tenant": "pk",
    "tenants.Membership": "tenant",
    "tenants.ApiKey": "tenant",
    "tenants.Connection": "tenant",
    "tenants.ConnectionSpend": "tenant",
    "workflows.Workflow": "tenant",
    "workflows.WorkflowVersion": "workflow__tenant",
    "workflows.Step": "version__workflow__tenant",
    "workflows.Sample": "workflow__tenant",
    "workflows.DraftChange": "workflow__tenant",
    "workflows.Release": "workflow__tenant",
    "jobs.Job": "tenant",
    "jobs.Attempt": "job__tenant",
    "jobs.StepRun": "job__tenant",
    "jobs.Event": "job__tenant",
    "jobs.Lane": "tenant",
    "jobs.StepPace": "version__workflow__tenant",
    "jobs.IdempotencyKey": "tenant",
    "jobs.BulkAction": "tenant",
    "jobs.LlmAnswer": "tenant",
    "jobs.LlmCall": "tenant",
    "jobs.LlmUsage": "tenant",
    "jobs.Review": "tenant",
    "jobs.File": "tenant",
    "jobs.Mailbox": "tenant",
    "jobs.InboundMessage": "tenant",
    "jobs.ListImport": "tenant",
    "jobs.ImportedRow": "workflow__tenant",
    "jobs.ImportProblem": "list_import__tenant",
    "jobs.Join": "job__tenant",
    "jobs.Trial": "tenant",
    "jobs.TrialItem": "trial__tenant",
    "jobs.SavedView": "tenant",
    "jobs.DefaultView": "view__tenant",
    "jobs.IndexedField": "workflow__tenant",
    "jobs.JobValue": "job__tenant",
    "jobs.ValueIndex": "workflow__tenant",
    "jobs.JobExport": "tenant",
    "jobs.UncountedJob": "workflow__tenant",
    "jobs.JobCount": "workflow__tenant",
    "jobs.FigureSlot": "workflow__tenant",
    "jobs.ReportSubscription": "tenant",
    "jobs.ReportDelivery": "subscription__tenant",
    "automations.AutomationRule": "tenant",
    "automations.RuleMemory": "tenant",
    "automations.WebhookEndpoint": "tenant",
    "automations.WebhookDelivery": "tenant",
    "automations.WebhookRefusal": "endpoint__tenant",
    "automations.WebhookReplay": "delivery__tenant",
    "automations.AutomationEvent": "tenant",
    "automations.Firing": "tenant",
    "automations.JobLink": "firing__tenant",
    "automations.Notice": "tenant",
}
#: Models of ours that belong to no tenant.
SHARED = {
    "tenants.ConnectionMeter",
    "jobs.Queue",
    "jobs.QueueWake",
    "jobs.WorkerLease",
    "jobs.EngineTick",
    "jobs.FigureMark",
    "automations.AutomationTick",
    "automations.JobEventCursor",
}
#: Admins of the deployment, for superusers alone.
OPERATORS_ONLY = {
    "auth.User",
    "auth.Group",
    "django_celery_beat.PeriodicTask",
    "django_celery_beat.IntervalSchedule",
    "django_celery_beat.CrontabSchedule",
    "django_celery_beat.ClockedSchedule",
    "django_celery_beat.SolarSchedule",
}
#: What `<slug:slug>` means, by where the route begins.
WORKFLOW_SLUGS = (
    "admin/build/",
    "admin/jobs/job/of/",
    "admin/jobs/listimport/of/",
    "admin/jobs/jobexport/of/",
    "api/v1/workflows/",
)
QUEUE_SLUGS = ("admin/jobs/queue/", "api/v1/admin/queues/")
GALLERY_SLUGS = ("admin/gallery/",)
#: What an API's uid is one of, besides jobs.
UID_ROUTES = {
    "api/v1/reviews/": "jobs.Review",
    "api/v1/imports/": "jobs.ListImport",
    "api/v1/exports/": "jobs.JobExport",
}
#: Their addresses are keys of their own: who has one may write there, and only there.
KEYED = {"api/v1/inbound-mail/<str:key>", WEBHOOK}
#: Routes written as regular expressions, with what to put there.
PATTERNS = {r"admin/^(?P<app_label>": ("admin/jobs/", "admin/tenants/"), r"admin/(?P<url>": ("admin/nonsense",)}


@dataclass(frozen=True)
class Belongings:
    """What one tenant has: the ids under which its rows can be asked for, by model."""

    cast: Cast
    ids: dict[str, list[str]]
    workflow: Workflow
    job: Job
    file: File
    key: str
    mailbox_key: str
    trial: Trial
    item: TrialItem
    sample: Sample
    views: list[str]
    report: str
    automations: Automations


@dataclass(frozen=True)
class Route:
    """One address of the map; `model` is what an admin page is about."""

    text: str
    name: str | None

    @property
    def model(self) -> str | None:
        found = re.match(r"admin/(\w+)/(\w+)/", self.text)
        if found is None:
            return None
        return next(
            (m._meta.label for m in admin.site._registry if m._meta.label_lower == f"{found[1]}.{found[2]}"), None
        )

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"<(?:\w+:)?(\w+)>", self.text)

    def fill(self, values: dict[str, str]) -> str:
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values[match[1]], self.text)


def all_routes(patterns: list[Any] | None = None, prefix: str = "") -> Iterator[Route]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        text = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from all_routes(pattern.url_patterns, text)
        elif isinstance(pattern, URLPattern):
            yield Route(text, pattern.name)


def furnish(slug: str, workflow_slug: str) -> Belongings:
    """Make a tenant with a row of everything, its slug in each of them."""
    cast = make_cast(slug)
    names = {"name": slug, "label_singular": slug, "label_plural": slug}
    workflow = make_workflow(cast.tenant, workflow_slug, **names)
    make_workflow(cast.tenant, "both-have-one", **names)
    told = {"payload": {"text": slug}, "result": {"text": slug}, "error_message": slug, "correlation_id": slug}
    job = make_job(workflow, State.FAILED, **told)
    child = make_job(workflow, State.PENDING, **told, parent=job)
    ids = {"first_id": child.pk, "last_id": child.pk}
    Join.objects.create(job=job, waits_for=child, on_child_failure="continue", created_at=NOW, **ids)
    Attempt.objects.create(job=job, number=1, outcome="failed", error_message=slug, started_at=NOW, finished_at=NOW)
    StepRun.objects.create(
        job=job, position=0, attempt=1, step_key="step1", output={"text": slug}, seconds=0.1, finished_at=NOW
    )
    Event.objects.create(job=job, at=NOW, kind="failed", state="FAILED", actor=slug)
    file = File.objects.create(
        tenant=cast.tenant, job=job, name=slug, content_type="text/plain", size=1, sha256="", created_at=NOW
    )
    file.key = default_storage.save(f"isolation/{file.uid}", ContentFile(slug.encode()))
    file.save()
    sample = Sample.objects.create(workflow=workflow, name=slug, input={"text": slug})
    trial = make_trial(workflow, [sample], note=slug, source=slug)
    item = trial.items.get()
    DraftChange.objects.create(workflow=workflow, at=NOW, by=cast.owner, text=slug)
    Release.objects.create(workflow=workflow, kind="published", version=workflow.live_version, at=NOW, reason=slug)
    wanted = {"wanted": {"workflow_id": workflow.pk, "ids": [job.pk]}, "expected": 1}
    waiting = make_job(workflow, State.WAITING, **told)
    review = make_review(waiting, title=slug, proposal={"text": slug}, shown={"text": slug})
    action = BulkAction.objects.create(
        tenant=cast.tenant, kind="retry", filters=wanted, error_message=slug, created_by=cast.owner, created_at=NOW
    )
    make_llm_call(job, prompt=slug, answer=slug, model=slug, connection=slug, error=slug)
    usage = make_llm_usage(workflow, model=slug, connection=slug, day=utcnow().date())
    LlmAnswer.objects.create(
        tenant=cast.tenant, key="a" * 64, reply={"text": slug}, answered_at=NOW, expires_at=utcnow() + timedelta(days=1)
    )
    views = [furnish_view(job, slug, cast, shared=shared) for shared in (True, False)]
    export = furnish_export(workflow, slug)
    imports = [furnish_import(workflow, slug, state) for state in (ImportState.NEW, ImportState.PAUSED)]
    key, clear = create_api_key(tenant=cast.tenant, name=slug)
    mailbox = Mailbox.objects.create(tenant=cast.tenant, workflow=workflow, name=slug, poll_problem=slug)
    mailbox_key = new_mailbox_key(mailbox=mailbox)
    message = InboundMessage.objects.create(
        tenant=cast.tenant, mailbox=mailbox, job=job, outcome="ignored", reason=slug, subject=slug, received_at=NOW
    )
    model = {"kind": "ollama", "name": slug, "secrets": {"api_key": slug}}
    connection = make_connection(cast.tenant, slug=f"llm-{workflow_slug}", **model)
    make_connection(cast.tenant, slug=f"try-{workflow_slug}", **model)
    rows: list[Model] = [
        cast.tenant,
        key,
        connection,
        workflow,
        job,
        action,
        review,
        usage,
        mailbox,
        message,
        imports[0],
        export,
        Lane.objects.get(tenant=cast.tenant),
    ]
    count_figures(now=utcnow())
    wanted = {"cadence": "daily", "weekday": 0, "hour": 7, "connection": "", "address": "http://x/", "now": utcnow()}
    report = subscribe(tenant=cast.tenant, workflow=workflow, user=cast.owner, by=cast.owner, **wanted)
    ReportDelivery.objects.create(subscription=report, due_at=NOW, state="failed", detail=slug, ended_at=NOW)
    ids = {row._meta.label: _ids(row) for row in rows}
    ids["jobs.ListImport"] += _ids(imports[1])
    automations = furnish_automations(cast.tenant, slug, job)
    uids = [str(view.uid) for view in views]
    return Belongings(
        cast, ids, workflow, job, file, clear, mailbox_key, trial, item, sample, uids, str(report.uid), automations
    )


def furnish_view(job: Job, slug: str, cast: Cast, *, shared: bool) -> SavedView:
    """Make a view, which its owner's list opens with, and the index of what it asks by."""
    path = f"payload.{'shared' if shared else 'private'}"
    spec = {"filters": [{"path": path, "op": "is", "value": slug}]}
    known = {"tenant": job.tenant, "workflow": job.workflow, "owner": cast.owner, "name": slug, "spec": spec}
    view = SavedView.objects.create(shared=shared, created_at=NOW, changed_at=NOW, **known)
    field = IndexedField.objects.create(workflow=job.workflow, path=path, state="ready", begins_at=NOW)
    JobValue.objects.create(job=job, field=field, value=f"s{slug}")
    if shared:
        DefaultView.objects.create(user=cast.owner, workflow=job.workflow, view=view)
        ValueIndex.objects.create(workflow=job.workflow)
    return view


def furnish_export(workflow: Workflow, slug: str) -> JobExport:
    """Make an export with its file."""
    stored_as = default_storage.save(f"isolation/{slug}.csv", ContentFile(slug.encode()))
    told = {"name": slug, "actor": slug, "state": "done", "stored_as": stored_as, "finished_at": NOW}
    return JobExport.objects.create(
        tenant=workflow.tenant, workflow=workflow, format="csv", wanted=JobFilter().to_json(), created_at=NOW, **told
    )


def furnish_import(workflow: Workflow, slug: str, state: ImportState) -> ListImport:
    """Make an uploaded list with a row that became a job and one that did not."""
    data = f"text\n{slug}\n".encode()
    found = receive_list(
        workflow=workflow, file=BytesIO(data), filename=f"{slug}.csv", size=len(data), actor=slug, now=NOW
    )
    ListImport.objects.filter(pk=found.pk).update(state=state, error_message=slug, wrong=1)
    ImportedRow.objects.create(workflow=workflow, key=f"{found.pk}", list_import=found)
    ImportProblem.objects.create(list_import=found, row=2, values={"text": slug}, message=slug)
    return found


def _ids(row: Model) -> list[str]:
    return [str(getattr(row, name)) for name in ("pk", "uid", "slug") if hasattr(row, name)]


@pytest.fixture
def mine(db: None) -> Belongings:
    make_lease(host="some-host")
    Group.objects.create(name="some group")
    every = IntervalSchedule.objects.create(every=1, period="days")
    PeriodicTask.objects.create(name="some task", interval=every)
    CrontabSchedule.objects.create()
    ClockedSchedule.objects.create(clocked_time=NOW)
    SolarSchedule.objects.create(event="sunset", latitude=50, longitude=8)
    return furnish("acme", "flow-of-acme")


@pytest.fixture
def theirs(mine: Belongings) -> Belongings:
    return furnish(WORD, "flow-of-theirs")


def values_for(route: Route, of: Belongings) -> list[dict[str, str]]:
    """Return what to put into a route so that it asks for something of this tenant; fails for an unknown route."""
    if route.text.startswith("admin/r/"):
        content_type = str(ContentType.objects.get_for_model(Job).pk)
        return [{"content_type_id": content_type, "object_id": value} for value in of.ids["jobs.Job"]]
    if (values := of.automations.values(route.text)) is not None:
        return values
    match route.parameters:
        case ["object_id"] | ["id"] if route.model in of.ids:
            return [{route.parameters[0]: value} for value in of.ids[route.model]]
        case ["object_id", "file"] if route.model == "jobs.Job":
            return [{"object_id": str(of.job.uid), "file": str(of.file.uid)}]
        case ["uid", "file"] | ["uid"] if route.text.startswith("api/v1/jobs/"):
            return [{"uid": str(of.job.uid), "file": str(of.file.uid)}]
        case ["uid"] if uids := uids_of(route, of):
            return [{"uid": uid} for uid in uids]
        case ["key"] if route.text in KEYED:
            return [{"key": of.mailbox_key}]
        case ["slug", *more] if route.text.startswith(WORKFLOW_SLUGS) and (
            not more or "/test" in route.text or more in (["number"], ["view"])
        ):
            # Of the views one is deleted on the way.
            return [values_of_workflow(route, of, view) for view in of.views[: 2 if more == ["view"] else 1]]
        case ["slug"] if route.text.startswith("api/v1/connections/"):
            # One is deleted on the way.
            which = "try" if route.text.endswith("/test") else "llm"
            return [{"slug": f"{which}-{of.workflow.slug}"}]
    pytest.fail(f"Route '{route.text}' is new: say in values_for what its parameters are.")


def uids_of(route: Route, of: Belongings) -> list[str]:
    """Return the public ids that a route about one thing takes; none for a route nobody described."""
    if route.text.startswith("admin/reports/"):
        return [of.report]
    model = UID_ROUTES.get(route.text.split("<")[0])
    return [] if model is None else [uid for uid in of.ids[model] if "-" in uid]


def values_of_workflow(route: Route, of: Belongings, view: str) -> dict[str, str]:
    """Return what to put into a route of a workflow, or of its samples, tests and views."""
    pk = of.sample.pk if "/samples/" in route.text else of.item.pk
    values = {"slug": of.workflow.slug, "uid": str(of.trial.uid), "pk": str(pk), "number": "1", "view": view}
    return {name: values[name] for name in route.parameters}


def shared_values(route: Route) -> list[dict[str, str]] | None:
    """Return what to put into a route about something that belongs to no tenant; None for other routes."""
    if route.model in OPERATORS_ONLY | SHARED and route.parameters in (["object_id"], ["id"]):
        row = apps.get_model(str(route.model)).objects.first()
        return [{route.parameters[0]: str(row.pk)}]
    if route.parameters == ["slug"] and route.text.startswith(QUEUE_SLUGS):
        return [{"slug": "default"}]
    if route.parameters == ["slug"] and route.text.startswith(GALLERY_SLUGS):
        return [{"slug": "invoices"}]
    return None


def addresses(route: Route) -> list[str] | None:
    """Return the addresses of a route that names nothing of a tenant's; None for a route with an id in it."""
    for beginning, filled in PATTERNS.items():
        if route.text.startswith(beginning):
            return [f"/{each}" for each in filled]
    if "(?P<" in route.text:
        pytest.fail(f"Route '{route.text}' is new: say in PATTERNS what to put there.")
    values = [{}] if not route.parameters else shared_values(route)
    return None if values is None else [route.fill(each) for each in values]


def log_in(person: Any) -> Client:
    client = Client(raise_request_exception=True)
    client.force_login(person)
    return client


def leaks(answer: HttpResponse) -> bool:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return WORD.encode() in body.lower() or any(WORD in value.lower() for value in answer.headers.values())


def state_of(belongings: Belongings) -> dict[str, list[Any]]:
    """Return every row of a tenant, to see whether any changed."""
    tenant = belongings.cast.tenant.pk
    return {
        label: list(apps.get_model(label).objects.filter(**{path: tenant}).order_by("pk").values())
        for label, path in TENANT_PATHS.items()
    }


def members(of: Belongings) -> Iterator[tuple[str, Client]]:
    for name in MEMBERS:
        yield name, log_in(getattr(of.cast, name))


def test_every_model_of_ours_has_a_tenant_or_is_known_to_have_none() -> None:
    ours = [
        model
        for app in ("tenants", "workflows", "jobs", "automations")
        for model in apps.get_app_config(app).get_models()
    ]
    assert {model._meta.label for model in ours} == set(TENANT_PATHS) | SHARED


def test_every_registered_admin_is_walked(mine: Belongings) -> None:
    registered = {model._meta.label for model in admin.site._registry}
    assert registered == set(mine.ids) | OPERATORS_ONLY | {"jobs.Queue", "jobs.WorkerLease"}


def test_the_walk_sees_the_whole_map() -> None:
    routes = [route.text for route in all_routes()]
    assert len(routes) == len(set(routes))
    assert {"health", "api/v1/jobs/<uuid:uid>", "admin/jobs/job/<path:object_id>/change/"} <= set(routes)


@pytest.mark.slow
def test_in_the_admin_what_is_theirs_does_not_exist(mine: Belongings, theirs: Belongings) -> None:
    before, problems = state_of(theirs), []
    for name, client in members(mine):
        for route in all_routes():
            if not route.text.startswith("admin/") or addresses(route) is not None:
                continue
            for values in values_for(route, theirs):
                for method in ("get", "post"):
                    answer = getattr(client, method)(route.fill(values), follow=True)
                    if answer.status_code not in {404, 405} or leaks(answer):
                        problems.append((name, method, route.fill(values), answer.status_code))
    assert problems == []
    assert state_of(theirs) == before


@pytest.mark.slow
def test_in_the_admin_what_is_mine_exists_and_shows_nothing_of_theirs(mine: Belongings, theirs: Belongings) -> None:
    """Proves that the 404s above are for the tenant's sake, and looks for leaks in choices, filters and inlines."""
    client, problems = log_in(mine.cast.owner), []
    for route in all_routes():
        if not route.text.startswith("admin/") or addresses(route) is not None or route.text.startswith("admin/r/"):
            continue
        answers = [client.get(route.fill(values), follow=True) for values in values_for(route, mine)]
        if all(answer.status_code == 404 for answer in answers) or any(map(leaks, answers)):
            problems.append((route.text, [answer.status_code for answer in answers]))
    assert problems == []


@pytest.mark.slow
def test_pages_without_an_id_show_and_change_nothing_of_theirs(mine: Belongings, theirs: Belongings) -> None:
    before, problems = state_of(theirs), []
    for name, client in members(mine):
        for route in all_routes():
            for address in addresses(route) or ():
                for method in ("get", "post"):
                    if route.name == "logout":
                        continue
                    answer = getattr(client, method)(address)
                    if leaks(answer) or answer.status_code == 500:
                        problems.append((name, method, address, answer.status_code))
    assert problems == []
    assert state_of(theirs) == before


def test_what_is_the_operators_is_refused_to_members(mine: Belongings) -> None:
    problems = []
    for name, client in members(mine):
        for route in all_routes():
            if route.model not in OPERATORS_ONLY:
                continue
            for address in addresses(route) or ():
                status = client.get(address, follow=True).status_code
                if status not in {403, 404}:
                    problems.append((name, address, status))
    assert problems == []


@pytest.mark.slow
def test_searches_and_choices_find_nothing_of_theirs(mine: Belongings, theirs: Belongings) -> None:
    part, problems = WORD[:-2], []
    for name, client in members(mine):
        for model in admin.site._registry:
            base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            tried = [f"{base}?q={part}", f"/admin/search/?s={part}&extended=1", f"/admin/?q={part}"]
            for field in model._meta.fields:
                if field.is_relation:
                    asked = f"app_label={model._meta.app_label}&model_name={model._meta.model_name}"
                    tried.append(f"/admin/autocomplete/?{asked}&field_name={field.name}&term={part}")
            problems += [(name, address) for address in tried if leaks(client.get(address, follow=True))]
    assert problems == []


@pytest.mark.slow
def test_actions_on_lists_do_not_touch_what_is_theirs(mine: Belongings, theirs: Belongings) -> None:
    before, tried = state_of(theirs), 0
    client = log_in(mine.cast.owner)
    for model, page in admin.site._registry.items():
        for action in [*(page.actions or ()), "delete_selected"]:
            name = action if isinstance(action, str) else action.__name__
            ids = theirs.ids.get(model._meta.label, [])
            form = {"action": name, "_selected_action": ids[:1], "post": "yes", "select_across": "1"}
            answer = client.post(f"/admin/{model._meta.app_label}/{model._meta.model_name}/", form, follow=True)
            assert not leaks(answer), (model, name)
            tried += 1
    assert tried >= len(admin.site._registry)
    assert state_of(theirs) == before


@pytest.mark.parametrize("scope", ["ticked", "all"])
def test_a_bulk_action_takes_only_jobs_of_ones_own(mine: Belongings, theirs: Belongings, scope: str) -> None:
    before = state_of(theirs)
    for kind in ("retry", "cancel", "requeue"):
        form = {"kind": kind, "scope": scope, "job": [str(theirs.job.uid)], "query": "", "confirmed": "1"}
        answer = log_in(mine.cast.owner).post("/admin/jobs/bulkaction/start/", form, follow=True)
        assert not leaks(answer)
    assert state_of(theirs) == before
    form |= {"workflow": theirs.workflow.slug, "scope": "all"}
    assert log_in(mine.cast.owner).post("/admin/jobs/bulkaction/start/", form).status_code in {302, 404}
    assert state_of(theirs) == before


@pytest.mark.slow
def test_a_member_of_nothing_sees_nothing(mine: Belongings, theirs: Belongings) -> None:
    client, problems = log_in(make_user()), []
    for route in all_routes():
        if not route.text.startswith("admin/"):
            continue
        known = addresses(route)
        for address in [route.fill(values) for values in values_for(route, theirs)] if known is None else known:
            answer = client.get(address, follow=True)
            if leaks(answer) or "acme" in answer.content.decode() or "some-host" in answer.content.decode():
                problems.append((address, answer.status_code))
    assert problems == []


METHODS = ("get", "head", "post", "put", "patch", "delete")


def ask(client: Client, method: str, address: str, key: str, body: Any = None) -> Any:
    headers = {"HTTP_AUTHORIZATION": f"Bearer {key}"}
    if method in {"get", "head"}:
        answer = getattr(client, method)(address, **headers)
        if answer.streaming:
            answer.streaming_content = [b"".join(answer.streaming_content)]
        return answer
    return getattr(client, method)(address, data=body or {}, content_type="application/json", **headers)


def test_over_the_api_what_is_theirs_does_not_exist(mine: Belongings, theirs: Belongings, client: Client) -> None:
    before, problems, tried = state_of(theirs), [], 0
    for route in all_routes():
        if not route.text.startswith("api/") or addresses(route) is not None or route.text in KEYED:
            continue
        for values in values_for(route, theirs):
            answers = {method: ask(client, method, route.fill(values), mine.key) for method in METHODS}
            statuses = {method: answer.status_code for method, answer in answers.items()}
            tried += 1
            if set(statuses.values()) - {404, 405} or 404 not in statuses.values() or any(map(leaks, answers.values())):
                problems.append((route.text, statuses))
    assert problems == []
    assert tried >= 4
    assert state_of(theirs) == before


def test_over_the_api_what_is_mine_exists(mine: Belongings, client: Client) -> None:
    for route in all_routes():
        if route.text.startswith("api/") and addresses(route) is None:
            for values in values_for(route, mine):
                statuses = {ask(client, method, route.fill(values), mine.key).status_code for method in METHODS}
                # Where a signature is asked for, its lack is told only of an address that there is.
                found = {200, 201, 202, 204, 400, 409} | ({401} if route.text == WEBHOOK else set())
                assert statuses & found, route.text


def test_a_mailboxes_key_lets_mail_in_to_its_own_tenant_alone(
    mine: Belongings, theirs: Belongings, client: Client
) -> None:
    before, jobs = state_of(mine), Job.objects.filter(tenant=theirs.cast.tenant).count()
    answer = client.post(
        f"/api/v1/inbound-mail/{theirs.mailbox_key}", b"From: a@b.example\n\nx", content_type="message/rfc822"
    )
    assert answer.status_code == 201
    assert Job.objects.filter(tenant=theirs.cast.tenant).count() == jobs + 1
    assert state_of(mine) == before


def test_an_endpoints_key_lets_webhooks_in_to_its_own_tenant_alone(
    mine: Belongings, theirs: Belongings, client: Client
) -> None:
    before, body = state_of(mine), b'{"text": "x"}'
    for secret, status in ((mine.automations.webhook.secret, 401), (theirs.automations.webhook.secret, 202)):
        headers = signed("github", body, secret=secret, now=utcnow())
        path = f"/api/v1/events/webhook/{theirs.automations.webhook.key}"
        assert client.post(path, body, content_type="application/json", headers=headers).status_code == status
    assert WebhookDelivery.objects.filter(tenant=theirs.cast.tenant).count() == 2
    assert state_of(mine) == before


def test_over_the_api_lists_hold_nothing_of_theirs(mine: Belongings, theirs: Belongings, client: Client) -> None:
    before, problems = state_of(theirs), []
    for route in all_routes():
        for address in (addresses(route) or ()) if route.text.startswith("api/") else ():
            for method in METHODS:
                answer = ask(client, method, address, mine.key)
                if leaks(answer) or answer.status_code >= 500:
                    problems.append((method, address, answer.status_code))
    assert problems == []
    assert state_of(theirs) == before


@pytest.mark.parametrize("name", ["parent", "workflow", "correlation_id"])
def test_a_filter_by_something_of_theirs_finds_nothing(
    mine: Belongings, theirs: Belongings, client: Client, name: str
) -> None:
    value = {"parent": str(theirs.job.uid), "workflow": theirs.workflow.slug, "correlation_id": WORD}[name]
    answer = ask(client, "get", f"/api/v1/jobs?{name}={value}", mine.key)
    assert answer.status_code in {200, 400, 404}
    assert answer.json().get("results", []) == []


def test_a_job_cannot_be_sent_to_a_workflow_of_theirs(mine: Belongings, theirs: Belongings, client: Client) -> None:
    wanted = {"workflow": theirs.workflow.slug, "payload": {"text": "x"}}
    for address, body in (("/api/v1/jobs", wanted), ("/api/v1/jobs/bulk", {"jobs": [wanted]})):
        assert ask(client, "post", address, mine.key, body).status_code in {400, 404}
    assert not Job.objects.filter(payload='{"text":"x"}').exists()


def test_the_same_idempotency_key_of_two_tenants_is_two_jobs(
    mine: Belongings, theirs: Belongings, client: Client
) -> None:
    made = []
    for key in (theirs.key, mine.key, mine.key):
        headers = {"HTTP_AUTHORIZATION": f"Bearer {key}", "HTTP_IDEMPOTENCY_KEY": "the-same"}
        wanted = {"workflow": "both-have-one", "payload": {"text": "x"}}
        made.append(client.post("/api/v1/jobs", data=wanted, content_type="application/json", **headers))
    assert [answer.status_code for answer in made] == [201, 201, 200]
    first, second, again = (answer.json()["id"] for answer in made)
    assert first != second == again
    assert Job.objects.get(uid=second).tenant == mine.cast.tenant


def test_pausing_my_jobs_in_a_queue_leaves_theirs_running(mine: Belongings, theirs: Belongings, client: Client) -> None:
    before = state_of(theirs)
    assert ask(client, "post", "/api/v1/admin/queues/default/pause", mine.key).status_code == 200
    assert Lane.objects.get(tenant=mine.cast.tenant).paused_at is not None
    assert Queue.objects.get(slug="default").paused_at is None
    assert state_of(theirs) == before
    whole = ask(client, "post", "/api/v1/admin/queues/default/pause", mine.key, {"whole": True})
    assert whole.status_code == 403


def test_a_route_nobody_described_fails_the_walk(mine: Belongings) -> None:
    for text in (
        "admin/jobs/job/<int:number>/export/",
        "api/v2/things/<uuid:uid>",
        "admin/new/thing/<path:object_id>/",
    ):
        with pytest.raises(pytest.fail.Exception, match="is new"):
            values_for(Route(text, None), mine)
    with pytest.raises(pytest.fail.Exception, match="is new"):
        addresses(Route("files/^(?P<name>.*)$", None))


def test_the_rows_that_are_walked_are_those_that_are_meant(mine: Belongings, theirs: Belongings) -> None:
    assert {label for label, rows in state_of(theirs).items() if not rows} <= {
        "jobs.StepPace",
        "jobs.IdempotencyKey",
        "tenants.ConnectionSpend",
    }
    assert WorkerLease.objects.count() == 1
    assert Tenant.objects.count() == ApiKey.objects.count() == 2
