"""What language models were asked and what it cost: of one job, and of a tenant by day, model and workflow."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import QuerySet, Sum

from jobs.models import Job, LlmCall, LlmUsage

SUMS = ("calls", "cached", "failed", "input_tokens", "output_tokens", "cost", "seconds")
#: Lines of a table at most; of more, those that cost the most.
MOST = 500
MOST_TEXTS = 100


@dataclass(frozen=True, slots=True)
class Spent:
    """What a line of a table stands for, and its sums. `seconds` are those of all calls together."""

    what: dict[str, Any]
    calls: int
    cached: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost: float
    seconds: float

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    @property
    def seconds_a_call(self) -> float:
        """How long a call took that was made, on average."""
        made = self.calls - self.cached
        return self.seconds / made if made else 0.0


@dataclass(frozen=True, slots=True)
class UsageTables:
    """A tenant's usage since a day: in all, by day and model, and by workflow and version."""

    total: Spent
    by_day: list[Spent]
    by_version: list[Spent]


def list_calls(job: Job, *, texts: bool) -> list[LlmCall]:
    """Return the latest calls of a job's steps that are still kept, oldest first; fewer with their `texts`."""
    calls = LlmCall.objects.filter(job=job, tenant_id=job.tenant_id).order_by("-id")
    return list(reversed(calls[:MOST_TEXTS] if texts else calls.defer("prompt", "answer")[:MOST]))


def get_usage(tenant_id: int, *, since: date) -> UsageTables:
    """Return what a tenant asked of models on `since` (UTC) and later; three queries."""
    rows = LlmUsage.objects.for_tenant(tenant_id).filter(day__gte=since)
    names = ("version__workflow__slug", "version__workflow__name", "version__number", "tests")
    return UsageTables(
        total=next(iter(_sums(rows, ("tenant_id",))), _nothing()),
        by_day=_sums(rows, ("day", "connection", "model"), "-day", "-cost_sum"),
        by_version=_sums(rows, names, "-cost_sum", "-calls_sum"),
    )


def _sums(rows: QuerySet[LlmUsage], names: Iterable[str], *order: str) -> list[Spent]:
    sums = {f"{name}_sum": Sum(name) for name in SUMS}
    grouped = rows.order_by().values(*names).annotate(**sums).order_by(*order)
    return [
        Spent({name: row[name] for name in names}, **{name: row[f"{name}_sum"] for name in SUMS})
        for row in grouped[:MOST]
    ]


def _nothing() -> Spent:
    return Spent({}, 0, 0, 0, 0, 0, 0.0, 0.0)
