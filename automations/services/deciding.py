"""Whether a rule acts at a firing, and why: its tenants, its condition, and the limits that stop loops."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from automations.domain.effects import Refused
from automations.domain.patience import HOUR, MOST_DEPTH
from automations.models import AutomationRule, Firing, JobLink
from automations.services.compiling import NAMES, TENANT_NAMES, CompiledRule
from jobs.models import Job
from workflows.domain.expressions import ExpressionError
from workflows.domain.expressions.explain import Part, explain

#: Sub-jobs of sub-jobs are followed so far up to the job that a rule made.
MOST_ANCESTORS = 20


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a rule acts; `matched` is None where it was stopped, and `reason` says by what."""

    matched: bool | None
    why: tuple[Part, ...] = ()
    reason: str = ""

    def parts(self) -> list[dict[str, Any]]:
        """Return the parts of the condition as plain data."""
        return [
            {"part": part.text, "value": part.value} | ({"problem": part.problem} if part.problem else {})
            for part in self.why
        ]


def decide(rule: AutomationRule, compiled: CompiledRule, names: Mapping[str, Any]) -> Decision:
    """Return whether the rule acts on these values. Raises Refused where the condition does not fit them."""
    if compiled.problems:
        raise Refused("", "; ".join(map(str, compiled.problems)))
    chosen = _chosen(rule, compiled, names)
    if chosen is not None:
        return chosen
    if compiled.condition is None:
        return Decision(True)
    try:
        return Decision(compiled.condition.test(names), tuple(explain(rule.condition, names, names=NAMES)))
    except ExpressionError as error:
        raise Refused("condition", str(error)) from None


def _chosen(rule: AutomationRule, compiled: CompiledRule, names: Mapping[str, Any]) -> Decision | None:
    """Return the decision against a tenant that an operator's rule does not choose."""
    if compiled.tenants is None:
        return None
    parts = tuple(explain(rule.for_each_tenant, names, names=TENANT_NAMES))
    try:
        return (
            None if compiled.tenants.test(names) else Decision(False, parts, "The rule does not hold for the tenant.")
        )
    except ExpressionError as error:
        return Decision(False, parts, f"The rule does not hold for the tenant: {error}"[:500])


def depth_of(job: Job | None) -> int:
    """Return how many rules led to a job: by the job itself or one that it is a sub-job of."""
    for _ in range(MOST_ANCESTORS):
        if job is None:
            return 0
        link = JobLink.objects.filter(job=job).values_list("depth", flat=True).first()
        if link is not None:
            return link
        job = job.parent
    return 0


def stopped_by(rule: AutomationRule, *, depth: int, acted: int) -> str:
    """Return why a firing whose condition is true must not act; nothing where it may.

    `depth` is how many rules led to its job, `acted` how often the rule acted for the tenant in the last hour.
    """
    if depth >= MOST_DEPTH:
        return f"Stopped: {depth} rules led to this job one after the other, and that looks like a loop."
    if rule.rate_limit <= acted:
        return f"Stopped: the rule acted {rule.rate_limit:,} times in the last hour already."
    return ""


def acted_lately(rule: AutomationRule, tenant_id: int, now: datetime) -> int:
    """Return how often the rule acted for the tenant in the last hour, counted up to its limit."""
    rows = Firing.objects.filter(rule=rule, tenant_id=tenant_id, matched=True, finished_at__gt=now - HOUR)
    return rows.order_by()[: rule.rate_limit].count()
