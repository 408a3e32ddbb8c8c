"""Samples as plain values, before they are stored."""

from dataclasses import dataclass

from workflows.domain.outcomes import Record


@dataclass(frozen=True, slots=True)
class NewSample:
    """A sample to be: golden where `expected` says what must come out. `place` is where it stood, for its problems."""

    input: Record
    expected: Record | None = None
    name: str = ""
    origin: str = ""
    place: str = ""
