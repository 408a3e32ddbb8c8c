"""Making claimed jobs ready to run without the database: plan, tenant, policies, files."""

from typing import Any

from pydantic import ValidationError

from jobs.domain.work import ClaimedJob, Report
from jobs.models import Queue
from jobs.queries.files import files_for
from jobs.runtime.execute import Task, failed, failure_of
from jobs.runtime.recall import recall_for
from jobs.services.leases import living_leases
from taskflow.lib.cache import remember
from taskflow.lib.clock import utcnow
from tenants.domain.connections import Connection
from tenants.models import Tenant
from tenants.services.connections import connections_of
from tenants.services.gate import Gate
from workflows.domain.files import StoredFile, references_in
from workflows.domain.outcomes import PermanentError
from workflows.domain.retry import RetryPolicy
from workflows.kinds.base import ConfigError
from workflows.models import WorkflowVersion
from workflows.runtime import Plan, get_plan

#: What building the plan of a version that cannot run on this worker raises.
UNUSABLE = (ConfigError, ValidationError, WorkflowVersion.DoesNotExist)


def prepare(job: ClaimedJob, *, lease_id: int = 0) -> Task | Report:
    """Return the job ready to run, or, when its version cannot run here, the report that says why.

    `lease_id` is the worker's: the places that it holds at connections come back when it dies.
    """
    queue, queue_policy = _queue(job.queue_id)
    job_policy = None if job.retry_policy is None else RetryPolicy.model_validate(job.retry_policy)
    try:
        plan = get_plan(job.version_id)
    except UNUSABLE as error:
        plan = Plan(job.version_id, job.workflow_id, (), None, 0.0)
        task = Task(job, plan, {}, queue, (job_policy, queue_policy))
        broken = PermanentError(f"The workflow's version cannot run on this worker: {error}")
        ending = failed(task, None, failure_of(broken))
        return Report(job=job, position=job.position, at=utcnow(), ending=ending)
    policies = (job_policy, plan.retry_policy, queue_policy)
    files = _files(job) if plan.needs_files else ()
    connections = connections_for(job.tenant_id)
    return Task(
        job,
        plan,
        tenant_for(job.tenant_id),
        queue,
        policies,
        connections=connections,
        gate=Gate(job.tenant_id, lease_id, living_leases),
        recall=recall_for(job.tenant_id),
        files=files,
    )


def _files(job: ClaimedJob) -> tuple[StoredFile, ...]:
    rows = files_for(job_id=job.id, tenant_id=job.tenant_id, named=references_in(job.payload))
    return tuple(row.plain() for row in rows)


@remember(seconds=5)
def _queue(queue_id: int) -> tuple[str, RetryPolicy | None]:
    slug, policy = Queue.objects.values_list("slug", "retry_policy").get(pk=queue_id)
    return slug, None if policy is None else RetryPolicy.model_validate(policy)


@remember(seconds=5)
def connections_for(tenant_id: int) -> dict[str, Connection]:
    """Return the tenant's connections by slug, at most five seconds old."""
    return connections_of(tenant_id)


@remember(seconds=5)
def tenant_for(tenant_id: int) -> dict[str, Any]:
    """Return what steps see of their tenant, at most five seconds old."""
    tenant = Tenant.objects.get(pk=tenant_id)
    return {
        "id": str(tenant.uid),
        "slug": tenant.slug,
        "name": tenant.name,
        "plan": tenant.plan,
        "attributes": tenant.attributes,
        "time_zone": tenant.time_zone,
    }
