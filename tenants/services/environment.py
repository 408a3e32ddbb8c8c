"""The deployment's own language model, as the environment sets it (LLM_MODEL and so on)."""

from django.conf import settings
from pydantic import ValidationError

from tenants.domain.connection_kinds import KINDS, LLM_KINDS
from tenants.domain.connections import DEFAULT_SLUG, Connection, Limits

LIMITS = ("LLM_CONCURRENT", "LLM_REQUESTS_PER_MINUTE", "LLM_TOKENS_PER_MINUTE", "LLM_MONTHLY_BUDGET")


def environment_connection() -> Connection | None:
    """Return the deployment's connection to a language model, or None where no LLM_MODEL is set."""
    if not settings.LLM_MODEL or environment_problems():
        return None
    limits = Limits(
        settings.LLM_CONCURRENT or None,
        settings.LLM_REQUESTS_PER_MINUTE or None,
        settings.LLM_TOKENS_PER_MINUTE or None,
        settings.LLM_MONTHLY_BUDGET or None,
    )
    config = KINDS[settings.LLM_KIND].Config.model_validate(_config()).model_dump(mode="json")
    secrets = {"api_key": settings.LLM_API_KEY} if settings.LLM_API_KEY else {}
    return Connection(DEFAULT_SLUG, settings.LLM_KIND, config, secrets, limits)


def environment_problems() -> list[str]:
    """Return what is wrong with the variables, in sentences that name them."""
    if not settings.LLM_MODEL:
        given = [name for name in ("LLM_URL", "LLM_API_KEY") if getattr(settings, name)]
        return [f"{' and '.join(given)} without LLM_MODEL: no connection is made of it."] if given else []
    if settings.LLM_KIND not in LLM_KINDS:
        return [f"LLM_KIND is '{settings.LLM_KIND}'. Known are {', '.join(sorted(LLM_KINDS))}."]
    try:
        typed = KINDS[settings.LLM_KIND].Config.model_validate(_config())
    except ValidationError as error:
        return [f"LLM_URL or LLM_MODEL does not fit: {error.errors()[0]['msg']}."]
    if typed.secrets_needed() and not settings.LLM_API_KEY:
        return [f"LLM_API_KEY is not set, and {KINDS[settings.LLM_KIND].title} needs it."]
    negative = [name for name in LIMITS if getattr(settings, name) < 0]
    return [f"{name} is below 0." for name in negative]


def _config() -> dict[str, str]:
    return {"model": settings.LLM_MODEL} | ({"base_url": settings.LLM_URL} if settings.LLM_URL else {})
