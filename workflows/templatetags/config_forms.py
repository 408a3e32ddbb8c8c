"""What the templates of config forms need besides Django's own."""

import json
from typing import Any

from django import template

register = template.Library()


@register.filter
def as_json(value: Any) -> str:
    """Return a value for a data attribute, which a script reads."""
    return json.dumps(value)
