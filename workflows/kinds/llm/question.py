"""A question with a form for its answer: how the form is told, how an answer is read and held to it."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from taskflow.lib.strictjson import BadJSON, parse_json

#: The key under which a model says how sure it is.
SURE = "confidence"
MAX_PROBLEMS = 5
MAX_SHOWN = 200
_BLOCK = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_CONFIDENCE = {
    "type": "number",
    "minimum": 0,
    "maximum": 1,
    "description": "How sure you are, from 0 (a guess) to 1 (certain).",
}
Check = Callable[[dict[str, Any]], list[str]]


def no_check(data: dict[str, Any]) -> list[str]:
    """Find nothing wrong beyond the schema."""
    return []


class Form:
    """The form of an answer: an object with these properties (JSON Schema), all of which must be there.

    `check` returns what else is wrong with an answer that fits the schema, and may put its values right. An instance
    is shared by threads.
    """

    def __init__(self, properties: Mapping[str, Any], *, check: Check = no_check, confidence: bool = True) -> None:
        whole = {**properties, SURE: _CONFIDENCE} if confidence else dict(properties)
        self.schema: dict[str, Any] = {
            "type": "object",
            "properties": whole,
            "required": list(whole),
            "additionalProperties": False,
        }
        self.check = check

    @cached_property
    def _validator(self) -> Any:
        # It takes a tenth of a second to load, so it loads with the first answer.
        from jsonschema import Draft202012Validator

        return Draft202012Validator(self.schema)

    def told(self) -> str:
        """Say in the prompt what the answer must look like, for providers that cannot be told otherwise."""
        schema = json.dumps(self.schema, ensure_ascii=False)
        return f"Answer with one JSON object and nothing else. It must fit this JSON Schema:\n{schema}"

    def read(self, text: str) -> tuple[dict[str, Any], list[str]]:
        """Return the answer that `text` holds, and what is wrong with it. Only one without problems may be used."""
        try:
            data = parse_json(json_part(text).encode())
        except (BadJSON, UnicodeEncodeError) as error:
            return {}, [f"it is not JSON: {getattr(error, 'reason', error)}"]
        problems = [_told(error) for error in self._validator.iter_errors(data)]
        if not problems:
            problems = self.check(data)
        return data, problems[:MAX_PROBLEMS]


def json_part(text: str) -> str:
    """Return the JSON in an answer: models like to put it in a block, with words around."""
    found = _BLOCK.search(text)
    if found:
        return found[1].strip()
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


def _told(error: Any) -> str:
    place = ".".join(map(str, error.absolute_path))
    message = error.message if len(error.message) <= MAX_SHOWN else error.message[: MAX_SHOWN - 3] + "..."
    return f"{place}: {message}" if place else message
