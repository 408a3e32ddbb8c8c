"""Bodies of API requests: read as a typed shape, with everything that is wrong as (field, reason) pairs."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from taskflow.lib.problems import FieldError, Refused, invalid

REASONS = {
    "missing": "This field is required.",
    "extra_forbidden": "This field is not known.",
    "dict_type": "Must be a JSON object.",
    "model_type": "Must be a JSON object.",
    "list_type": "Must be a list.",
    "string_type": "Must be text.",
    "bool_type": "Must be true or false.",
    "int_type": "Must be a whole number.",
}
_SUBJECT = re.compile(r"^(Input|String|List) should")
BodyT = TypeVar("BodyT", bound=BaseModel)


class Body(BaseModel):
    """The base of every body: a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_body(model: type[BodyT], data: Any) -> BodyT:
    """Return `data` as a `model`. Raises Refused, naming every field that is wrong."""
    if not isinstance(data, Mapping):
        raise Refused("The body must be a JSON object.", code="invalid-request")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(faults_of(error)) from error


def faults_of(error: ValidationError) -> list[FieldError]:
    """Return what pydantic found as (dotted field, reason) pairs."""
    return [(".".join(map(str, fault["loc"]))[:200], _reason(fault)) for fault in error.errors(include_url=False)]


def _reason(fault: ErrorDetails) -> str:
    kind = fault["type"]
    if kind == "string_pattern_mismatch":
        return "Must be a slug: letters, digits, hyphens and underscores."
    if kind in REASONS:
        return REASONS[kind]
    return _SUBJECT.sub("Must", fault["msg"]).removesuffix(".") + "."


def plain_text(value: str) -> str:
    """Return `value` unless it is blank or holds control characters; raises PydanticCustomError."""
    if not value.strip() or any(letter < " " or letter == "\x7f" for letter in value):
        raise PydanticCustomError("plain_text", "Must be text without control characters, and not blank.")
    return value
