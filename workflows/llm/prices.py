"""What an answer cost in US dollars."""

from functools import lru_cache

from tenants.domain.connections import Connection

#: Our kinds of connections -> the names of the price list. What runs on one's own machines costs nothing by the token.
_PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
MILLION = 1_000_000


def cost_of(connection: Connection, model: str, input_tokens: int, output_tokens: int) -> float:
    """Return the cost by the connection's own prices (dollars for a million tokens), else by the price list.

    It is 0 for a model that neither knows.
    """
    config = connection.config
    own = config.get("input_price"), config.get("output_price")
    if own != (None, None):
        per_input, per_output = (float(price or 0) for price in own)
        return (input_tokens * per_input + output_tokens * per_output) / MILLION
    provider = _PROVIDERS.get(connection.kind)
    if provider is None or not input_tokens + output_tokens:
        return 0.0
    per_input, per_output = _listed(provider, model)
    return (input_tokens * per_input + output_tokens * per_output) / MILLION


@lru_cache(maxsize=512)
def _listed(provider: str, model: str) -> tuple[float, float]:
    """Return the listed prices of a million tokens read and written. The list comes with the package: no call."""
    from genai_prices import Usage, calc_price

    try:
        read = calc_price(Usage(input_tokens=1000), model, provider_id=provider).total_price
        written = calc_price(Usage(output_tokens=1000), model, provider_id=provider).total_price
    except LookupError:
        return 0.0, 0.0
    return float(read) * 1000, float(written) * 1000
