"""The key that makes a firing one: whoever finds an occurrence, and however often."""

import hashlib
from datetime import datetime
from uuid import UUID

from automations.domain.states import TriggerKind


def firing_key(rule: UUID, tenant_id: int, occurrence: str) -> str:
    """Return the key of the firing of a rule for a tenant at an occurrence, as 64 hexadecimal digits."""
    return hashlib.sha256(f"{rule.hex}\n{tenant_id}\n{occurrence}".encode()).hexdigest()


def at_time(scheduled_for: datetime) -> str:
    """Name a scheduled time, an aware UTC instant."""
    return f"{TriggerKind.CRON}:{scheduled_for.isoformat(timespec='seconds')}"


def of_job_event(event_id: int) -> str:
    """Name a line of a job's log."""
    return f"{TriggerKind.JOB}:{event_id}"


def of_event(uid: UUID) -> str:
    """Name an event that was told."""
    return f"{TriggerKind.EVENT}:{uid}"


def of_delivery(uid: UUID) -> str:
    """Name what a webhook brought."""
    return f"{TriggerKind.WEBHOOK}:{uid}"


def of_replay(uid: UUID, number: int) -> str:
    """Name a delivery that somebody had told again; `number` is the replay's own."""
    return f"{of_delivery(uid)}:replay:{number}"


def of_crossing(episode: int, *, raised: bool) -> str:
    """Name a measure's crossing of its threshold, or its way back."""
    return f"{TriggerKind.MEASURE}:{episode}:{'raised' if raised else 'resolved'}"


def by_hand(uid: UUID) -> str:
    """Name a press of “Run now”."""
    return f"{TriggerKind.MANUAL}:{uid}"
