"""The `extract` step: fields out of text and data, by rules."""

from workflows.kinds.extract.kind import Extract

__all__ = ["Extract"]
