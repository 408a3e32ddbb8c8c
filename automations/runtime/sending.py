"""Sending the messages of firings, by the channels of the `notify` step, outside of any transaction."""

from datetime import datetime

from automations.models import Notice
from automations.queries.names import tenant_names
from automations.services.notices import claim_notices, mark_sent, mark_unsent
from taskflow.lib.clock import utcnow
from taskflow.lib.telemetry import emit
from tenants.domain.connections import ConnectionUnusable, LimitReached
from tenants.services.connections import connections_of
from tenants.services.gate import Gate
from workflows.domain.outcomes import StepError
from workflows.kinds.base import StepContext
from workflows.kinds.notify.kind import CHANNELS, connection_for, note_for

SLICE = 20


def send_notices(*, now: datetime) -> int:
    """Send messages that are due, at most SLICE; returns how many were taken up."""
    found = claim_notices(now=now, limit=SLICE)
    for notice in found:
        send_notice(notice, now=utcnow())
    return len(found)


def send_notice(notice: Notice, *, now: datetime) -> None:
    """Send one message that was taken up, and keep what came of it."""
    outcome = "not sent"
    try:
        _send(notice, now)
    except LimitReached as limit:
        outcome = "put off by a limit"
        mark_unsent(notice=notice, error=limit.reason, permanent=False, now=now, until=limit.until)
    except ConnectionUnusable as error:
        mark_unsent(notice=notice, error=str(error), permanent=True, now=now)
    except StepError as error:
        mark_unsent(notice=notice, error=str(error), permanent=error.permanent, now=now)
        emit("automations.notice_failed", notice=str(notice.uid), error=type(error).__name__)
    else:
        outcome = "sent"
        mark_sent(notice=notice, now=now)
    emit("automations.notice", outcome=outcome)


def _send(notice: Notice, now: datetime) -> None:
    content, tenant = notice.content, notice.tenant
    channel = CHANNELS[content["channel"]]
    context = StepContext(
        payload={},
        steps={},
        job={},
        tenant=tenant_names(tenant),
        now=now,
        idempotency_key=f"{notice.firing.uid}:notice:{notice.position}",
        connections=connections_of(tenant.pk),
        gate=Gate(tenant.pk),
    )
    note = note_for(channel, content["subject"], content["text"], content["to"])
    channel.send(context, note, connection_for(channel, content["connection"], context))
