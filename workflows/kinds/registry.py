"""The kinds of steps there are. A new kind is one file, its test and one line here."""

from typing import Any

from workflows.kinds.base import StepKind
from workflows.kinds.extract import Extract
from workflows.kinds.http import Http
from workflows.kinds.python import Python
from workflows.kinds.route import Router
from workflows.kinds.spawn import Spawner
from workflows.kinds.transform import Transform
from workflows.kinds.validate import Validate

KINDS: dict[str, type[StepKind[Any]]] = {}


def register(kind: type[StepKind[Any]]) -> type[StepKind[Any]]:
    """Add a kind under its name; a higher app calls this when it is ready."""
    KINDS[kind.name] = kind
    return kind


register(Extract)
register(Http)
register(Python)
register(Router)
register(Spawner)
register(Transform)
register(Validate)
