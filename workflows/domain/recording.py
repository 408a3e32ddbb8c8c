"""What steps gave before, so that the same question need not be asked, or paid for, again in a run in memory."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self

from workflows.domain.outcomes import Done, Record, Usage


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a value as JSON, the same however its keys are ordered."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return sha256(text.encode()).hexdigest()


def content_print(data: Mapping[str, Any]) -> str:
    """Return the fingerprint of what a workflow file makes a job do: fields, time limit, and the steps switched on.

    Names, labels, samples and retries do not count: they change no result.
    """
    left_out = ("name", "enabled", "retry")
    steps = [
        {key: value for key, value in step.items() if key not in left_out}
        for step in data.get("steps", ())
        if step.get("enabled", True)
    ]
    return fingerprint({"fields": data.get("fields", []), "timeout": data.get("timeout"), "steps": steps})


@dataclass(frozen=True, slots=True)
class Recording:
    """What a step gave: its output, and how sure it was."""

    output: Record
    confidence: float | None = None
    confidence_by: str = ""
    model: str = ""

    def outcome(self) -> Done:
        """Return it as the outcome of a step that cost nothing."""
        return Done(
            dict(self.output),
            confidence=self.confidence,
            confidence_by=self.confidence_by,
            model=self.model,
            usage=Usage(),
        )

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "output": self.output,
            "confidence": self.confidence,
            "confidence_by": self.confidence_by,
            "model": self.model,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_data` gave."""
        return cls(**data)


@dataclass(slots=True)
class Recordings:
    """Recordings by the fingerprint of a step's config and all it could see. For one thread at a time.

    `known` are from before, `kept` those that were used or made since: what is worth keeping for the next run.
    """

    known: dict[str, Recording] = field(default_factory=dict)
    kept: dict[str, Recording] = field(default_factory=dict)

    def find(self, key: str) -> Recording | None:
        """Return what was recorded under `key`."""
        found = self.kept.get(key) or self.known.get(key)
        if found is not None:
            self.kept[key] = found
        return found

    def keep(self, key: str, outcome: Done) -> None:
        """Record what a step gave."""
        self.kept[key] = Recording(outcome.output, outcome.confidence, outcome.confidence_by, outcome.model)


def step_print(kind: str, config: Any) -> str:
    """Return the fingerprint of a step's kind and config (plain data): what must be the same to reuse its output."""
    return fingerprint([kind, config])


def recording_key(step: str, payload: Record, steps: Mapping[str, Record], files: Iterable[str]) -> str:
    """Return under which key a step of the fingerprint `step` is recorded: with all it could see when it ran."""
    return f"{step}:{fingerprint([payload, dict(steps), list(files)])}"


@dataclass(frozen=True, slots=True)
class Trace:
    """How one step of a run in memory went. `seconds` and `cost` (US dollars) are what this run took.

    `reused` says that its output was recorded before; `would` what it would have done outside.
    """

    key: str
    name: str
    kind: str
    seconds: float
    cost: float = 0.0
    confidence: float | None = None
    reused: bool = False
    would: Record | None = None
