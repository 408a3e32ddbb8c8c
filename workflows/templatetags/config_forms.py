"""What the templates of config forms need besides Django's own."""

import json
import re
from typing import Any

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


_CODE = re.compile(r"`([^`]+)`")


@register.filter
def with_code(text: str) -> SafeString:
    """Return a help text with what stands in backticks set as code."""
    parts = _CODE.split(text)
    written = (format_html("<code>{}</code>", part) if index % 2 else escape(part) for index, part in enumerate(parts))
    return format_html_join("", "{}", ((part,) for part in written))


@register.filter
def as_json(value: Any) -> str:
    """Return a value for a data attribute, which a script reads."""
    return json.dumps(value)
