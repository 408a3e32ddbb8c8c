"""Which connections a step's config names: those in its fields `connection`, at any depth."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

FIELD = "connection"


def connections_in(config: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place and the slug of each connection that a typed config names.

    Only fields of configs are looked into: free data may hold a key of that name and mean something else.
    """
    if isinstance(config, BaseModel):
        for name in type(config).model_fields:
            value, inner = getattr(config, name), f"{place}.{name}".lstrip(".")
            if name == FIELD and isinstance(value, str):
                yield inner, value
            else:
                yield from connections_in(value, inner)
    elif isinstance(config, (list, tuple)):
        for index, item in enumerate(config):
            yield from connections_in(item, f"{place}.{index}")
