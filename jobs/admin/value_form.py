"""Editing a record as a form: one input a key, of the type of its field or of the value that is there."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.domain.intake.mapping import convert
from jobs.templatetags.jobs_admin import plain
from taskflow.lib.strictjson import BadJSON, parse_json
from workflows.domain.extraction.dates import DateOrder
from workflows.domain.fields import FieldType, InputField, Role
from workflows.domain.outcomes import Record

#: Written where nothing must come out; an input that is left empty is not looked at.
NOTHING = "(empty)"
LONG_TEXT = 60
#: More keys than this are not offered.
MOST_KEYS = 60
WIDGETS = {
    FieldType.INTEGER: "number",
    FieldType.NUMBER: "number",
    FieldType.BOOLEAN: "boolean",
    FieldType.CHOICE: "choice",
    FieldType.LIST: "lines",
    FieldType.OBJECT: "json",
    FieldType.FILE: "json",
    FieldType.FILES: "json",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One input: `widget` is text, long, number, boolean, choice, lines or json; `text` what it holds."""

    key: str
    label: str
    name: str
    widget: str
    text: str
    choices: tuple[str, ...] = ()
    required: bool = False
    help: str = ""
    error: str = ""


class ValueForm:
    """The inputs for some keys of a record. With `expects`, one that is empty says nothing of its key."""

    def __init__(
        self,
        prefix: str,
        keys: Iterable[str],
        *,
        fields: Sequence[InputField],
        values: Mapping[str, Any],
        examples: Mapping[str, Any] | None = None,
        expects: bool = False,
    ) -> None:
        self._prefix, self._expects = prefix, expects
        self._fields = {field.key: field for field in fields}
        self.keys = list(dict.fromkeys(keys))[:MOST_KEYS]
        self._values, self._examples = values, examples or {}
        self.errors: dict[str, str] = {}

    def entries(self, given: Mapping[str, str] | None = None) -> list[Entry]:
        """Return the inputs, holding what was typed if somebody tried."""
        return [self._entry(key, given) for key in self.keys]

    def read(self, given: Mapping[str, str]) -> Record:
        """Return the record that was typed; what could not be read is in `errors`. Keys beyond the form stay."""
        record = {key: value for key, value in self._values.items() if key not in self.keys}
        for key in self.keys:
            name = self._prefix + key
            if name not in given:
                if key in self._values:
                    record[key] = self._values[key]
                continue
            text = given[name].replace("\r\n", "\n").strip()
            if key in self._values and text == self._text(key).strip():
                record[key] = self._values[key]
            elif text == NOTHING and self._expects:
                record[key] = None
            elif text:
                self._read_one(record, key, text)
        return record

    def _read_one(self, record: Record, key: str, text: str) -> None:
        try:
            record[key] = self._value(key, text)
        except BadJSON as error:
            self.errors[key] = f"This must be JSON: {error.reason}"
        except ValueError as error:
            self.errors[key] = str(error)

    def _value(self, key: str, text: str) -> Any:
        field, widget = self._fields.get(key), self._widget(key)
        if widget == "lines":
            return [line.strip() for line in text.splitlines() if line.strip()]
        if widget == "json":
            return parse_json(text.encode("utf-8", "replace"))
        if field is not None:
            typed = convert(text, field, DateOrder.DAY_FIRST)
            if widget == "number" and isinstance(typed, str):
                raise ValueError("This must be a number.")
            return typed
        if widget == "number":
            return self._number(text)
        return {"true": True, "false": False}.get(text, text) if widget == "boolean" else text

    def _number(self, text: str) -> Any:
        try:
            number = float(text.replace(" ", "").replace(",", ""))
        except ValueError:
            raise ValueError("This must be a number.") from None
        return int(number) if number.is_integer() and "." not in text else number

    def _entry(self, key: str, given: Mapping[str, str] | None) -> Entry:
        field = self._fields.get(key)
        name = self._prefix + key
        text = given.get(name, "") if given is not None else self._text(key)
        return Entry(
            key=key,
            label=field.shown_label if field else key.replace("_", " ").capitalize(),
            name=name,
            widget=self._widget(key),
            text=text,
            choices=field.choices if field else (),
            required=bool(field and field.required) and not self._expects,
            help=field.description if field else "",
            error=self.errors.get(key, ""),
        )

    def _text(self, key: str) -> str:
        if key not in self._values:
            return ""
        value = self._values[key]
        if value is None or value == "":
            return NOTHING if self._expects else ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if self._widget(key) == "lines":
            return "\n".join(map(str, value))
        return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))

    def _widget(self, key: str) -> str:
        field = self._fields.get(key)
        value = self._values.get(key, self._examples.get(key))
        nested = isinstance(value, dict) or (
            isinstance(value, list) and not all(isinstance(item, str) for item in value)
        )
        if nested:
            return "json"
        if isinstance(value, list):
            return "lines"
        if field is not None and field.type in WIDGETS:
            return WIDGETS[field.type]
        if isinstance(value, bool):
            return "boolean"
        if isinstance(value, (int, float)):
            return "number"
        long = isinstance(value, str) and (len(value) > LONG_TEXT or "\n" in value)
        plain_text = field is not None and field.type is FieldType.TEXT and field.max_length is None
        roomy = plain_text and field is not None and field.role is Role.INPUT
        return "long" if long or roomy else "text"
