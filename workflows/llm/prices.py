"""What an answer cost in US dollars."""

from functools import lru_cache

from tenants.domain.connections import Connection

#: Our kinds of connections -> the names of the price list. What runs on one's own machines costs nothing by the token.
_PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
MILLION = 1_000_000


def cost_of(connection: Connection, model: str, input_tokens: int, output_tokens: int) -> float:
    """Return the cost by the connection's own prices, else by the price list; 0 for a model that neither knows.

    A connection's `prices` are dollars for a million tokens: `{"input": 0.15, "output": 0.6}`, or such a pair per
    model.
    """
    prices = connection.config.get("prices") or {}
    prices = prices.get(model, prices) if isinstance(prices, dict) else {}
    if "input" in prices or "output" in prices:
        return (input_tokens * _number(prices.get("input")) + output_tokens * _number(prices.get("output"))) / MILLION
    provider = _PROVIDERS.get(connection.kind)
    if provider is None or not input_tokens + output_tokens:
        return 0.0
    per_input, per_output = _listed(provider, model)
    return (input_tokens * per_input + output_tokens * per_output) / MILLION


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


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
