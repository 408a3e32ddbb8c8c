"""What tests of rules have in common: rules on an event or on jobs, and letting things happen."""

from datetime import datetime
from typing import Any

from automations.models import AutomationRule, Firing
from automations.runtime.fire import fire
from automations.services.events import tell_event
from automations.services.reading import read_job_events
from jobs.domain.states import State
from jobs.models import Event, Job
from taskflow.lib.clock import utcnow

ON_ORDER = {"trigger": {"kind": "event", "name": "order"}}


def the_firings(rule: AutomationRule) -> list[Firing]:
    return list(Firing.objects.filter(rule=rule).order_by("pk"))


def told(rule: AutomationRule, **payload: Any) -> Firing:
    """Tell the event `order` in the rule's tenant, have it worked on, and return the rule's last firing."""
    tell_event(tenant_id=rule.tenant_id, name="order", payload=payload, now=utcnow())
    fire()
    return the_firings(rule)[-1]


ON_ORDER = {"trigger": {"kind": "event", "name": "order"}}


def making(*jobs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"actions": [{"kind": "create_jobs", "jobs": list(jobs), **more}]}


def reading(*, now: datetime | None = None) -> None:
    while read_job_events(now=now or utcnow()):
        pass
    fire()


def end(job: Job, kind: str, state: State, **fields: Any) -> Job:
    """Let a job end so, as the engine tells it."""
    Job.objects.filter(pk=job.pk).update(state=state.value, finished_at=utcnow(), **fields)
    Event.objects.create(job=job, at=utcnow(), kind=kind, state=state.value, actor="engine")
    return job


def on_jobs(*events: str, **more: Any) -> dict[str, Any]:
    return {"trigger": {"kind": "job", "events": list(events), **more}}
