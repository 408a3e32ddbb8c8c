"""Places in a rule as people read them."""

import re
from collections.abc import Iterable

from workflows.domain.definition import Problem

_PLACE = re.compile(r"\bactions\.(\d+)(?:\.jobs\.(\d+))?(?:\.(?=[a-z])|(?=[: ]|$))")


def in_words(text: str) -> str:
    """Return an error with "Action 1, job 2, payload" in place of "actions.0.jobs.1.payload"."""
    return _PLACE.sub(_said, text)


def problems_in_words(problems: Iterable[Problem]) -> list[str]:
    """Return what is wrong, each with its place in words."""
    return [in_words(str(each)) for each in problems]


def _said(found: re.Match[str]) -> str:
    action, job = found[1], found[2]
    parts = [f"Action {int(action) + 1}", *([f"job {int(job) + 1}"] if job else [])]
    return ", ".join(parts) + (", " if found[0].endswith(".") else "")
