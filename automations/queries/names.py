"""What conditions and templates of rules see, by name."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from automations.models import Firing
from jobs.models import Job
from tenants.models import Tenant

#: Texts in an event that are instants.
INSTANTS = ("at", "scheduled_for")


def tenant_names(tenant: Tenant) -> dict[str, Any]:
    """Return a tenant as steps see it too."""
    return {
        "id": str(tenant.uid),
        "slug": tenant.slug,
        "name": tenant.name,
        "plan": tenant.plan,
        "attributes": tenant.attributes,
        "time_zone": tenant.time_zone,
    }


def job_names(job: Job | None) -> dict[str, Any]:
    """Return a job as rules see it; nothing where there is none."""
    if job is None:
        return {}
    return {
        "id": str(job.uid),
        "workflow": job.workflow.slug,
        "queue": job.queue.slug,
        "state": job.state,
        "priority": job.priority,
        "attempts": job.attempts,
        "payload": job.payload,
        "result": job.result,
        "error_class": job.error_class,
        "error_message": job.error_message or "",
        "correlation_id": job.correlation_id,
        "source": job.source,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    }


def names_of(firing: Firing, *, tenant: Tenant, last: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return everything a rule sees at a firing. `payload` is the event's, or the job's where it is one of a job."""
    event = {key: _instant(value) if key in INSTANTS else value for key, value in firing.event.items()}
    payload = event.get("payload")
    job = firing.job if firing.job is not None and firing.job.tenant_id == tenant.pk else None
    if payload is None and job is not None:
        payload = job.payload
    return {
        "event": event,
        "payload": {} if payload is None else payload,
        "job": job_names(job),
        "tenant": tenant_names(tenant),
        "now": now,
        "last": dict(last),
    }


def _instant(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
