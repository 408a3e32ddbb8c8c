"""The values of fields: their form, and how what was found becomes one."""

from typing import Any

from workflows.domain.extraction.values import FieldType, NotOfType, Value, convert
from workflows.kinds.extract.config import Case, Clean, FieldConfig

JSON_TYPES = {
    FieldType.NUMBER: "number",
    FieldType.MONEY: "number",
    FieldType.INTEGER: "integer",
    FieldType.BOOLEAN: "boolean",
    FieldType.LIST: "array",
}


def schema_of(field: FieldConfig) -> dict[str, Any]:
    """Return the JSON schema of a field's value."""
    kind = "string" if field.as_printed else JSON_TYPES.get(field.type, "string")
    schema: dict[str, Any] = {"type": kind if field.required else [kind, "null"], "description": field.description}
    if kind == "array":
        schema["items"] = {"type": "string"}
    if field.choices:
        schema["enum"] = list(field.choices) if field.required else [*field.choices, None]
    return schema


def value_of(field: FieldConfig, found: Any) -> Value | None:
    """Clean what was found and make it the field's type; None when it is empty, of another type, or not a choice."""
    if isinstance(found, str):
        found = _clean(found, field.clean)
    if found is None or found == "":
        return None
    try:
        typed = convert(found, field.type, field.order)
    except NotOfType:
        return None
    if field.choices and typed not in field.choices:
        return None
    return str(found) if field.as_printed else typed


def _clean(text: str, clean: Clean) -> str:
    text = " ".join(text.split()) if clean.spaces else text.strip()
    text = text.strip(clean.strip + " \n\t") if clean.strip else text
    if clean.case is Case.KEEP:
        return text
    return text.upper() if clean.case is Case.UPPER else text.lower()
