"""The `notify` step: tells people by mail, chat or webhook."""

from workflows.kinds.notify.kind import Notify

__all__ = ["Notify"]
