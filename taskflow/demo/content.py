"""The demo's workflows and their input."""

from collections.abc import Iterator
from datetime import datetime

from jobs.services.queues import ensure_queue
from tenants.models import Tenant


def seed(tenant: Tenant, *, now: datetime) -> Iterator[str]:
    """Make what is missing; yields a line for each thing made."""
    ensure_queue(slug="default")
    yield from ()
