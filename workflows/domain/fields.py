"""The fields of a workflow: what a payload must hold, and how people are shown it."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from workflows.domain.files import referred

DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
MAX_EMAIL = 254


class FieldType(StrEnum):
    """What kind of value a field holds."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    EMAIL = "email"
    URL = "url"
    CHOICE = "choice"
    LIST = "list"
    OBJECT = "object"
    FILE = "file"
    FILES = "files"


#: The types whose values name files that came with the job.
FILE_TYPES = (FieldType.FILE, FieldType.FILES)


class Role(StrEnum):
    """Whether a field comes in with the job's payload or out with its result."""

    INPUT = "input"
    OUTPUT = "output"


class InputField(BaseModel):
    """One field of a workflow's items. `in_list` shows it as a column of the job list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$", title="Key")]
    label: Annotated[str, Field(max_length=100, title="Label", description="Empty: made from the key.")] = ""
    type: Annotated[FieldType, Field(title="Type")] = FieldType.TEXT
    required: Annotated[bool, Field(title="Required")] = False
    choices: Annotated[tuple[str, ...], Field(max_length=200, title="Choices")] = ()
    max_length: Annotated[int | None, Field(ge=1, le=10_000_000, title="Longest text or list")] = None
    in_list: Annotated[bool, Field(title="Show in lists")] = False
    role: Annotated[Role, Field(title="Role")] = Role.INPUT
    description: Annotated[str, Field(max_length=1000, title="Description")] = ""
    redact: Annotated[
        bool, Field(title="Redact", description="Leave its value out of the prompts and answers kept for audit.")
    ] = False

    @model_validator(mode="after")
    def _choices_fit(self) -> "InputField":
        if (self.type is FieldType.CHOICE) != bool(self.choices):
            raise ValueError("choices belong to the type choice, and it needs at least one")
        if len(set(self.choices)) != len(self.choices):
            raise ValueError("a choice is there twice")
        return self

    @property
    def shown_label(self) -> str:
        """The label, or one made from the key."""
        return self.label or self.key.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Why a payload is not accepted: the field, and the reason in plain words."""

    field: str
    message: str


FIELDS = TypeAdapter(tuple[InputField, ...])


def read_fields(stored: Sequence[Any]) -> tuple[InputField, ...]:
    """Return fields as a version stores them (plain JSON) in their typed form. Raises pydantic.ValidationError."""
    return _read(json.dumps(list(stored)))


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[InputField, ...]:
    return FIELDS.validate_json(text)


def check_payload(fields: Sequence[Any], payload: Any) -> list[FieldProblem]:
    """Return what is wrong with `payload`; an empty list when it fits.

    `fields` are InputFields, or in the form a version stores. Only input fields are checked; keys that no field names
    are allowed. A null is as good as absent, and a required text must hold more than space.
    """
    if not isinstance(payload, dict):
        return [FieldProblem("payload", f"must be an object with fields, not {_kind(payload)}")]
    typed = fields if all(isinstance(field, InputField) for field in fields) else read_fields(fields)
    checked = ((field.key, _problem(field, payload.get(field.key))) for field in typed if field.role is Role.INPUT)
    return [FieldProblem(key, message) for key, message in checked if message]


def _problem(field: InputField, value: Any) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        if field.required:
            return "is required" if value is None else "is required, and must not be empty"
        if value is None:
            return ""
    message = _CHECKS[field.type](field, value)
    if not message and field.max_length and isinstance(value, (str, list)) and len(value) > field.max_length:
        return f"must be at most {field.max_length} long, and is {len(value)}"
    return message


def _check_text(field: InputField, value: Any) -> str:
    return "" if isinstance(value, str) else f"must be text, not {_kind(value)}"


def _check_integer(field: InputField, value: Any) -> str:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return "" if whole and not isinstance(value, bool) else f"must be a whole number, not {_kind(value)}"


def _check_number(field: InputField, value: Any) -> str:
    number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return "" if number and not isinstance(value, bool) else f"must be a number, not {_kind(value)}"


def _check_boolean(field: InputField, value: Any) -> str:
    return "" if isinstance(value, bool) else f"must be true or false, not {_kind(value)}"


def _check_date(field: InputField, value: Any) -> str:
    if isinstance(value, str) and DATE.fullmatch(value) and _parses(date.fromisoformat, value):
        return ""
    return "must be a date like 2026-03-31"


def _check_datetime(field: InputField, value: Any) -> str:
    if isinstance(value, str) and DATE.match(value) and len(value) > 10 and _parses(datetime.fromisoformat, value):
        return ""
    return "must be a date and time like 2026-03-31T09:30:00Z"


def _check_email(field: InputField, value: Any) -> str:
    good = isinstance(value, str) and len(value) <= MAX_EMAIL and EMAIL.fullmatch(value)
    return "" if good else "must be an e-mail address"


def _check_url(field: InputField, value: Any) -> str:
    if isinstance(value, str) and not any(map(str.isspace, value)) and _parses(_web_address, value):
        return ""
    return "must be an address like https://example.com/page"


def _check_choice(field: InputField, value: Any) -> str:
    if isinstance(value, str) and value in field.choices:
        return ""
    return f"must be one of {', '.join(field.choices)}"


def _check_list(field: InputField, value: Any) -> str:
    return "" if isinstance(value, list) else f"must be a list, not {_kind(value)}"


def _check_object(field: InputField, value: Any) -> str:
    return "" if isinstance(value, dict) else f"must be an object, not {_kind(value)}"


def _web_address(text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a web address")


def _parses(parse: Callable[[str], Any], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "true or false", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _check_file(field: InputField, value: Any) -> str:
    return "" if referred(value) else f'must be a file, like {{"id": "…"}}, not {_kind(value)}'


def _check_files(field: InputField, value: Any) -> str:
    if isinstance(value, list) and all(map(referred, value)):
        return ""
    return 'must be a list of files, each like {"id": "…"}'


_CHECKS: dict[FieldType, Callable[[InputField, Any], str]] = {
    FieldType.TEXT: _check_text,
    FieldType.INTEGER: _check_integer,
    FieldType.NUMBER: _check_number,
    FieldType.BOOLEAN: _check_boolean,
    FieldType.DATE: _check_date,
    FieldType.DATETIME: _check_datetime,
    FieldType.EMAIL: _check_email,
    FieldType.URL: _check_url,
    FieldType.CHOICE: _check_choice,
    FieldType.LIST: _check_list,
    FieldType.OBJECT: _check_object,
    FieldType.FILE: _check_file,
    FieldType.FILES: _check_files,
}
