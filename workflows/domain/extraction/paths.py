"""Paths into plain data, as conditions write them: `payload.order.items[0].price`."""

import re
from collections.abc import Mapping
from typing import Any

_PART = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]")


class PathError(ValueError):
    """A path is not well formed."""


def parse_path(path: str) -> tuple[str | int, ...]:
    """Return the keys and positions of a path; raises PathError."""
    parts: list[str | int] = []
    end = 0
    for match in _PART.finditer(path):
        if match.start() != end or (not parts and match[0].startswith((".", "["))):
            break
        parts.append(match[1] if match[1] is not None else int(match[2]))
        end = match.end()
    if not parts or end != len(path):
        raise PathError(
            f"'{path}' is not a path: write keys with dots and positions in brackets, as in payload.items[0].name"
        )
    return tuple(parts)


def look_up(data: Any, path: tuple[str | int, ...]) -> Any:
    """Return what stands at `path`; None where there is nothing."""
    for part in path:
        if isinstance(part, str):
            data = data.get(part) if isinstance(data, Mapping) else None
        else:
            data = data[part] if isinstance(data, list) and -len(data) <= part < len(data) else None
    return data
