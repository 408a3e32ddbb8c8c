"""The tags and filters that templates may use: all of them cheap, none reaching outside."""

import json as jsonlib
from datetime import date, datetime
from typing import Any

from django.template import Library, defaultfilters, defaulttags
from django.utils import dateformat

MAX_JOINED = 1_000_000
MAX_PLACES = 12
TAGS = ("comment", "for", "if", "templatetag", "with")
FILTERS = (
    "add",
    "capfirst",
    "cut",
    "default",
    "default_if_none",
    "first",
    "last",
    "length",
    "lower",
    "pluralize",
    "safe",
    "slice",
    "title",
    "truncatechars",
    "truncatewords",
    "upper",
    "urlencode",
    "wordcount",
    "yesno",
)

library = Library()
library.tags.update({name: defaulttags.register.tags[name] for name in TAGS})
library.filters.update({name: defaultfilters.register.filters[name] for name in FILTERS})


@library.filter
def json(value: Any) -> str:
    """Return the value as JSON text."""
    return jsonlib.dumps(value, ensure_ascii=False, default=str)


@library.filter
def trim(value: Any) -> str:
    """Return the text without the space around it."""
    return str(value).strip()


@library.filter
def join(value: Any, separator: str) -> str:
    """Return the elements of a list as one text."""
    texts = [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
    if sum(map(len, texts)) + len(texts) * len(separator) > MAX_JOINED:
        raise ValueError(f"join gives more than {MAX_JOINED} characters")
    return separator.join(texts)


@library.filter
def floatformat(value: Any, places: int = 2) -> str:
    """Return a number with a fixed count of decimal places."""
    if not isinstance(places, int) or not 0 <= places <= MAX_PLACES:
        raise ValueError(f"floatformat takes 0 to {MAX_PLACES} decimal places")
    return f"{float(value):.{places}f}"


@library.filter(name="date")
def date_text(value: Any, pattern: str = "Y-m-d") -> str:
    """Return an instant or a date (or its ISO 8601 text) in Django's date format."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, date):
        raise ValueError("date needs an instant or an ISO 8601 date")
    return dateformat.format(moment, pattern)
