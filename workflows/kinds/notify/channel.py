"""What a channel of the `notify` step is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tenants.domain.connections import Connection
from workflows.domain.outcomes import Record
from workflows.kinds.base import StepContext


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be told, filled in: a text, a subject where the channel has one, and for mail, to whom."""

    text: str
    subject: str = ""
    to: Sequence[str] = ()


class Channel(ABC):
    """A way to tell people something, by the kind of connection of its name.

    `addressed` channels tell named people. One that `works_alone` needs no connection: the deployment has its own way.
    """

    name: ClassVar[str]
    addressed: ClassVar[bool] = False
    works_alone: ClassVar[bool] = False

    def quote(self, text: str) -> str:
        """Return a value of the job so that the channel reads no markup in it; the template's own stays."""
        return text

    @abstractmethod
    def content(self, note: Note, connection: Connection | None) -> Record:
        """Return what is sent, without secrets: a dry run shows it."""

    @abstractmethod
    def send(self, context: StepContext, note: Note, connection: Connection | None) -> None:
        """Send it. Raises a step error where that does not work."""
