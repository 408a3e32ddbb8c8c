"""JSON Schemas in the form that providers take to hold a model to them."""

from typing import Any

#: What every provider with structured output understands. Bounds and lengths are checked when the answer is here.
_UNDERSTOOD = frozenset({"type", "properties", "required", "items", "enum", "description", "additionalProperties"})


def plain_schema(schema: Any) -> Any:
    """Return `schema` with only what all providers understand, and closed to further properties."""
    if not isinstance(schema, dict):
        return schema
    plain = {key: value for key, value in schema.items() if key in _UNDERSTOOD}
    if "properties" in plain:
        plain["properties"] = {name: plain_schema(part) for name, part in plain["properties"].items()}
        plain["required"] = list(plain["properties"])
        plain["additionalProperties"] = False
    if "items" in plain:
        plain["items"] = plain_schema(plain["items"])
    return plain
