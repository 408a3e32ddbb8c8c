"""Rows for tests, with consistent values; every argument has a default that a reader need not know."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import User

from automations.models import AutomationRule
from automations.services.rules import create_rule
from jobs.domain.states import FINAL, State
from jobs.models import Job, Lane, LlmCall, LlmUsage, Queue, Review, Trial, WorkerLease
from jobs.runtime.trials import run_trial
from jobs.services.trials import start_trial
from taskflow.lib.clock import database_now
from taskflow.lib.ids import new_uid
from tenants.domain.roles import Role
from tenants.models import Connection, Membership, Tenant
from tenants.services.connections import create_connection
from workflows.models import Sample, Step, Workflow, WorkflowVersion

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse"
ECHO = {"kind": "python", "config": {"function": "echo"}}
_serial = count(1)


@dataclass(frozen=True, slots=True)
class Cast:
    """A tenant and its people, one of each role: `owner@acme.test` and so on, all with `PASSWORD`."""

    tenant: Tenant
    owner: User
    editor: User
    operator: User
    reviewer: User
    viewer: User


def make_tenant(slug: str = "", **fields: Any) -> Tenant:
    """Make a tenant; without a slug, one that nobody has.

    And the default queue: it comes with the tables, and goes when a test that commits its rows has emptied them.
    """
    Queue.objects.get_or_create(slug="default", defaults={"name": "Default"})
    slug = slug or f"tenant-{next(_serial)}"
    return Tenant.objects.create(slug=slug, **{"name": slug.title()} | fields)


def make_connection(tenant: Tenant | None = None, *, slug: str = "", kind: str = "openai", **fields: Any) -> Connection:
    """Make a connection; without more, one to OpenAI with the key `key`."""
    tenant, slug = tenant or make_tenant(), slug or f"connection-{next(_serial)}"
    fields = {"config": {"model": "gpt-x"}, "secrets": {"api_key": "key"}, "now": NOW} | fields
    return create_connection(tenant=tenant, slug=slug, kind=kind, **fields)


def make_user(name: str = "", *, tenant: Tenant | None = None, role: Role = Role.OWNER, **fields: Any) -> User:
    """Make a user that may log in to the admin, a member of `tenant` if given. `name` is also the address."""
    name = name or f"user-{next(_serial)}@example.test"
    user = User.objects.create_user(name, email=name, password=PASSWORD, **{"is_staff": True} | fields)
    if tenant is not None:
        Membership.objects.create(tenant=tenant, user=user, role=role.value)
    return user


def make_cast(slug: str) -> Cast:
    """Make a tenant with its people."""
    tenant = make_tenant(slug)
    people = {role.value: make_user(f"{role.value}@{slug}.test", tenant=tenant, role=role) for role in Role}
    return Cast(tenant, **people)


def make_workflow(
    tenant: Tenant | None = None,
    slug: str = "",
    *,
    steps: Iterable[dict[str, Any]] = (ECHO,),
    version: dict[str, Any] | None = None,
    **fields: Any,
) -> Workflow:
    """Make a workflow with an editable draft and the same published as version 1.

    `steps` are dicts of a step's fields (`kind` and `config` at least); `version` are fields of the version.
    """
    slug = slug or f"workflow-{next(_serial)}"
    names = {"name": slug.title(), "label_singular": "Item", "label_plural": "Items"}
    workflow = Workflow.objects.create(tenant=tenant or make_tenant(), slug=slug, **names | fields)
    steps = list(steps)
    make_version(workflow, number=None, steps=steps, **version or {})
    make_version(workflow, number=1, steps=steps, **version or {})
    return workflow


def make_version(
    workflow: Workflow, *, number: int | None = 1, steps: Iterable[dict[str, Any]] = (ECHO,), **fields: Any
) -> WorkflowVersion:
    """Make a published version, which goes live at once; with `number=None`, the draft."""
    kept = {"draft_of": workflow} if number is None else {"published_at": NOW}
    version = WorkflowVersion.objects.create(workflow=workflow, number=number, **kept | fields)
    for position, step in enumerate(steps):
        key = step.get("key", f"step{position + 1}")
        row = Step(version=version, position=position, **{"key": key, "name": key.title()} | step)
        Step.objects.bulk_create([row])
    if number is not None:
        version.seal()
        workflow.live_version = version
        workflow.save(update_fields=["live_version"])
    return version


def make_queue(slug: str = "default", **fields: Any) -> Queue:
    """Make the queue `slug`, or give it these fields if there is one."""
    if not fields:
        return Queue.objects.get_or_create(slug=slug, defaults={"name": slug.title()})[0]
    queue, _ = Queue.objects.update_or_create(
        slug=slug, defaults=fields, create_defaults={"name": slug.title()} | fields
    )
    return queue


def make_lane(queue: Queue | None = None, tenant: Tenant | None = None, **fields: Any) -> Lane:
    """Make a tenant's lane in a queue, or give it these fields if there is one."""
    queue, tenant = queue or make_queue(), tenant or make_tenant()
    if not fields:
        return Lane.objects.get_or_create(queue=queue, tenant=tenant)[0]
    lane, _ = Lane.objects.update_or_create(queue=queue, tenant=tenant, defaults=fields, create_defaults=fields)
    return lane


def make_lease(*, age: float = 0.0, **fields: Any) -> WorkerLease:
    """Make a worker's lease whose last heartbeat is `age` seconds old by the database's clock."""
    beat = database_now() - timedelta(seconds=age)
    known = {"host": "test-host", "pid": next(_serial), "started_at": beat, "heartbeat_at": beat}
    return WorkerLease.objects.create(**known | fields)


def make_job(
    workflow: Workflow | None = None, state: State = State.PENDING, *, now: datetime = NOW, **fields: Any
) -> Job:
    """Make one job, with the times that belong to its state: created at `now`, a minute for each stage after that."""
    workflow = workflow or make_workflow()
    version = fields.pop("version", None) or workflow.live_version
    queue = fields.pop("queue", None) or make_queue(workflow.queue)
    make_lane(queue, workflow.tenant)
    uid = new_uid()
    values = {
        "uid": uid,
        "tenant": workflow.tenant,
        "version": version,
        "queue": queue,
        "payload": {"text": "hello"},
        "correlation_id": str(uid),
        "created_at": now,
    }
    return Job.objects.create(workflow=workflow, state=state.value, **values | _times(state, now) | fields)


def make_review(job: Job | None = None, *, now: datetime = NOW, **fields: Any) -> Review:
    """Make an open review of the step its job stands at; without a job, one that waits."""
    job = job or make_job(state=State.WAITING, now=now)
    values = {
        "tenant": job.tenant,
        "workflow": job.workflow,
        "step_key": "step1",
        "position": job.position,
        "run_number": job.run_number,
        "resume_at": job.position + 1,
        "title": "Is this right?",
        "proposal": {"total": 12.5, "note": "as printed"},
        "fields": [{"key": "total", "type": "number"}, {"key": "note"}],
        "role": "reviewer",
        "on_reject": "stop",
        "state": "open",
        "wake_at": fields.get("due_at"),
        "created_at": now,
    }
    return Review.objects.create(job=job, **values | fields)


def make_llm_call(job: Job, **fields: Any) -> LlmCall:
    """Make a call to a language model by the first step of `job`."""
    known = {
        "position": 0,
        "attempt": 1,
        "step_key": "step1",
        "connection": "default",
        "model": "gpt-4o-mini",
        "purpose": "answer",
        "prompt": "[system]\nSort it.\n\n[user]\n<data-x>hello</data-x>",
        "answer": '{"label": "greeting"}',
        "finish_reason": "stop",
        "input_tokens": 120,
        "output_tokens": 12,
        "cost": 0.0003,
        "seconds": 0.8,
        "at": NOW,
    }
    return LlmCall.objects.create(tenant=job.tenant, job=job, **known | fields)


def make_llm_usage(workflow: Workflow, **fields: Any) -> LlmUsage:
    """Make a day's sums of the workflow's live version."""
    known = {
        "day": NOW.date(),
        "connection": "default",
        "model": "gpt-4o-mini",
        "calls": 10,
        "input_tokens": 1200,
        "output_tokens": 120,
        "cost": 0.003,
        "seconds": 8.0,
    }
    return LlmUsage.objects.create(tenant=workflow.tenant, version=workflow.live_version, **known | fields)


def make_trial(
    workflow: Workflow | None = None, samples: Iterable[Sample] = (), *, run: bool = True, **fields: Any
) -> Trial:
    """Make a test of the workflow's draft over `samples`, without more over one it is given; run it to its end."""
    workflow = workflow or make_workflow()
    samples = list(samples) or [Sample.objects.create(workflow=workflow, input={"text": "hello"})]
    trial = start_trial(workflow=workflow, samples=samples, user=None, now=NOW)
    if run:
        run_trial(trial.pk)
    Trial.objects.filter(pk=trial.pk).update(**{"source": "all samples"} | fields)
    trial.refresh_from_db()
    return trial


def _times(state: State, now: datetime) -> dict[str, Any]:
    later = now + timedelta(minutes=1)
    times: dict[str, Any] = {"due_at": later if state is State.SCHEDULED else now}
    if state is State.SCHEDULED:
        times["wake_at"] = later
    if state is State.RUNNING or state is State.WAITING or state in FINAL - {State.CANCELLED}:
        times |= {"started_at": later, "attempts": 1}
    if state in FINAL:
        times["finished_at"] = later + timedelta(minutes=1)
    return times


def make_rule(tenant: Tenant | None = None, *, now: datetime = NOW, **values: Any) -> AutomationRule:
    """Make a rule by its service: without more, one that a person runs, and that makes a job of `target`."""
    known = {
        "name": f"rule {next(_serial)}",
        "trigger": {"kind": "manual"},
        "actions": [{"kind": "create_jobs", "jobs": [{"workflow": "target", "payload": {"text": "hello"}}]}],
    }
    enabled = values.pop("enabled", True)
    return create_rule(tenant=tenant, values=known | values, now=now, enabled=enabled)
