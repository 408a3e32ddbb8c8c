"""What rules keep of a firing for the next one, a row for each rule and tenant: the row is their lock, too."""

from collections.abc import Collection
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db import connection
from django.db.models import Q

from automations.models import RuleMemory
from automations.services.compiling import CompiledRule

#: The primary keys of a rule and a tenant.
Pair = tuple[int, int]


def last_of(compiled: CompiledRule, kept: dict[str, Any]) -> dict[str, Any]:
    """Return `last` as a rule sees it: null for what was never kept."""
    return dict.fromkeys(compiled.remember) | kept


def lock_memories(pairs: Collection[Pair], *, now: datetime) -> dict[Pair, RuleMemory]:
    """Return what rules keep for tenants, locked in one order: firings of a pair are worked on one after the other."""
    if not pairs:
        return {}
    rows = RuleMemory.objects.filter(reduce(or_, (Q(rule=rule, tenant=tenant) for rule, tenant in sorted(pairs))))
    missing = set(pairs) - set(rows.values_list("rule_id", "tenant_id"))
    RuleMemory.objects.bulk_create(
        [RuleMemory(rule_id=rule, tenant_id=tenant, updated_at=now) for rule, tenant in sorted(missing)],
        ignore_conflicts=True,
    )
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    return {(row.rule_id, row.tenant_id): row for row in rows.order_by("rule_id", "tenant_id")}
