"""Leaving fields out of what is kept and shown: a model's prompts and answers, samples made of jobs, what rules saw."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workflows.domain.calls import ModelCall
from workflows.domain.fields import FieldType, InputField

REDACTED = "[redacted]"
#: Values shorter than this are replaced only where they stand by themselves: "7" is in every text.
SHORT = 4


def redact(calls: Sequence[ModelCall], names: frozenset[str], records: Iterable[Mapping[str, Any]]) -> list[ModelCall]:
    """Return the calls without the values that `records`, or the answers themselves, hold under `names`.

    An answer that holds such a value is not remembered either: answers are remembered as they are.
    """
    if not names or not calls:
        return list(calls)
    known = [*records, *_answers(calls)]
    pattern = _pattern({text for record in known for name in names for text in _texts(record.get(name))})
    if pattern is None:
        return list(calls)
    return [_redacted(call, pattern) for call in calls]


def _answers(calls: Sequence[ModelCall]) -> Iterator[Mapping[str, Any]]:
    """Return what the answers hold: those that did not fit, or were outvoted, are in no step's output."""
    for call in calls:
        try:
            # What begins with a brace is an object, if it is JSON at all.
            yield json.loads(call.answer[call.answer.find("{") : call.answer.rfind("}") + 1])
        except (ValueError, RecursionError):
            continue


def _redacted(call: ModelCall, pattern: "re.Pattern[str]") -> ModelCall:
    return replace(
        call,
        prompt=pattern.sub(REDACTED, call.prompt),
        answer=pattern.sub(REDACTED, call.answer),
        error=pattern.sub(REDACTED, call.error),
        kept=None if pattern.search(call.answer) else call.kept,
    )


def _texts(value: Any) -> Iterator[str]:
    """Return the texts by which a value may stand in a prompt or an answer, of lists and objects those of the parts."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield from (text for text in (value.strip(), " ".join(value.split()), _escaped(value)) if text)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _escaped(value: str) -> str:
    """Return a text as JSON has it."""
    return json.dumps(value.strip(), ensure_ascii=False)[1:-1]


def _pattern(texts: set[str]) -> "re.Pattern[str] | None":
    parts = [
        rf"(?<!\w){re.escape(text)}(?!\w)" if len(text) < SHORT else re.escape(text)
        for text in sorted(texts, key=len, reverse=True)
    ]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


#: What stands in for a redacted value that a workflow requires, by the type of its field.
STAND_INS: dict[FieldType, Any] = {
    FieldType.TEXT: REDACTED,
    FieldType.INTEGER: 0,
    FieldType.NUMBER: 0,
    FieldType.BOOLEAN: False,
    FieldType.DATE: "2000-01-01",
    FieldType.DATETIME: "2000-01-01T00:00:00Z",
    FieldType.EMAIL: "redacted@example.com",
    FieldType.URL: "https://example.com/redacted",
    FieldType.LIST: [],
    FieldType.OBJECT: {},
}


def redact_record(
    record: Mapping[str, Any], fields: Sequence[InputField], records: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a record without the values of redacted fields, also where texts of other fields repeat them.

    `records` are where those values are looked for. A field that is required gets something harmless of its type.
    """
    hidden = {field.key: field for field in fields if field.redact}
    if not hidden:
        return dict(record)
    pattern = _pattern({text for known in (record, *records) for key in hidden for text in _texts(known.get(key))})
    kept = {key: _cleaned(value, frozenset(hidden), pattern) for key, value in record.items() if key not in hidden}
    return kept | {key: _stand_in(field) for key, field in hidden.items() if key in record and field.required}


class Hidden:
    """What is not shown: the values that `records` hold under `names`, and texts that repeat them."""

    def __init__(self, names: frozenset[str], records: Iterable[Mapping[str, Any]]) -> None:
        self.names = names
        self.pattern = _pattern({text for record in records for name in names for text in _texts(record.get(name))})

    def tells(self, expression: str, value: Any) -> bool:
        """Say whether an expression with this value tells what a hidden field holds; yes, no and nothing do not."""
        return not isinstance(value, bool | None) and not self.names.isdisjoint(re.findall(r"\w+", expression))

    def out_of(self, data: Any) -> Any:
        """Return a record, or any part of one, with a word in place of each hidden value."""
        return self._cleaned(data, self.names)

    def out_of_texts(self, data: Any) -> Any:
        """Return data whose keys are no fields with a word in place of what its texts repeat."""
        return self._cleaned(data, frozenset())

    def _cleaned(self, data: Any, names: frozenset[str]) -> Any:
        if isinstance(data, Mapping):
            return {
                key: REDACTED if key in names and part is not None else self._cleaned(part, names)
                for key, part in data.items()
            }
        if isinstance(data, list | tuple):
            return [self._cleaned(part, names) for part in data]
        return self.pattern.sub(REDACTED, data) if self.pattern is not None and isinstance(data, str) else data


def _stand_in(field: InputField) -> Any:
    return field.choices[0] if field.choices else STAND_INS.get(field.type)


def _cleaned(value: Any, hidden: frozenset[str], pattern: "re.Pattern[str] | None") -> Any:
    if isinstance(value, Mapping):
        return {key: _cleaned(part, hidden, pattern) for key, part in value.items() if key not in hidden}
    if isinstance(value, list):
        return [_cleaned(part, hidden, pattern) for part in value]
    return pattern.sub(REDACTED, value) if pattern is not None and isinstance(value, str) else value
