"""Finding an answer that was kept, from a step thread: the one thing such a thread asks of the database.

A single read by an index, outside any transaction, on a connection that is closed at once. Only steps that use answers
again ask; beside a model's answer it costs nothing.
"""

from datetime import datetime
from functools import partial
from typing import Any

from django.db import DatabaseError, connection

from jobs.models import LlmAnswer
from taskflow.lib.telemetry import emit
from workflows.domain.calls import Recall


def recall_for(tenant_id: int) -> Recall:
    """Return what finds the answers of this tenant, and of no other."""
    return partial(_recall, tenant_id)


def _recall(tenant_id: int, key: str, since: datetime) -> dict[str, Any] | None:
    """Return the answer kept under `key` since `since`, or None: also where the database is away."""
    found = LlmAnswer.objects.for_tenant(tenant_id).filter(key=key, answered_at__gte=since)
    try:
        reply: dict[str, Any] | None = found.values_list("reply", flat=True).first()
        return reply
    except DatabaseError as error:
        emit("engine.recall_failed", error=str(error)[:200])
        return None
    finally:
        connection.close()
