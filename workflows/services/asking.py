"""Whether steps that ask a language model can: whether their tenant has a connection to one."""

from collections.abc import Mapping
from typing import Any

from tenants.domain.connections import ConnectionUnusable, llm_connection
from tenants.services.connections import connections_of
from workflows.kinds.llm.settings import By, LlmSettings
from workflows.kinds.registry import KINDS


def has_language_model(tenant_id: int) -> bool:
    """Say whether a tenant has a connection to a language model that steps use when they name none."""
    try:
        llm_connection(connections_of(tenant_id))
    except ConnectionUnusable:
        return False
    return True


def first_config(kind: str, tenant_id: int) -> dict[str, Any]:
    """Return what a new step's config begins with: found by rules where it would ask a model that there is not."""
    by = KINDS[kind].Config.model_fields.get("by") if kind in KINDS else None
    asks = by is not None and isinstance(by.default, By) and by.default.asks
    return {"by": By.RULES.value} if asks and not has_language_model(tenant_id) else {}


def lacks_language_model(kind: str, config: Mapping[str, Any], tenant_id: int) -> bool:
    """Say whether a step would ask the tenant's language model, and there is none."""
    fields = KINDS[kind].Config.model_fields if kind in KINDS else {}
    settings = fields.get("llm")
    if settings is None or settings.annotation is not LlmSettings or _names_its_own(config):
        return False
    by = config.get("by", fields["by"].default if "by" in fields else By.LLM)
    return by in (By.LLM, By.RULES_FIRST) and not has_language_model(tenant_id)


def _names_its_own(config: Mapping[str, Any]) -> bool:
    settings = config.get("llm")
    return isinstance(settings, Mapping) and bool(settings.get("connection"))
