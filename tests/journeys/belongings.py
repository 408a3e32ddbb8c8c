"""What two tenants have, a row of everything each, for the walks over every address.

A new model of ours has its way to its tenant in TENANT_PATHS, or stands in SHARED, and gets its row in `furnish`.
"""

from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import Model

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
    ReportDelivery,
    SavedView,
    StepRun,
    Trial,
    TrialItem,
    ValueIndex,
)
from jobs.services.figures import count_figures
from jobs.services.intake import receive_list
from jobs.services.mail import new_mailbox_key
from jobs.services.reports import subscribe
from taskflow.lib.clock import utcnow
from tenants.services import create_api_key
from tests.factories import (
    NOW,
    Cast,
    make_cast,
    make_connection,
    make_job,
    make_llm_call,
    make_llm_usage,
    make_review,
    make_trial,
    make_workflow,
)
from tests.journeys.automation_belongings import Automations, furnish_automations
from workflows.models import DraftChange, Release, Sample, Workflow

#: Stands in everything that belongs to the other tenant: its slug, its people, names, labels, payloads, errors.
WORD = "zqx-classified"

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


def state_of(belongings: Belongings) -> dict[str, list[Any]]:
    """Return every row of a tenant, to see whether any changed."""
    tenant = belongings.cast.tenant.pk
    return {
        label: list(apps.get_model(label).objects.filter(**{path: tenant}).order_by("pk").values())
        for label, path in TENANT_PATHS.items()
    }
