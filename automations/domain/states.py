"""The words for where a firing, a notice, a delivery and an event stand."""

from enum import StrEnum


class FiringState(StrEnum):
    """PENDING firings are taken up by the next free worker, also after a failed try; the others are final."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class NoticeState(StrEnum):
    """A notice is sent after the transaction that made it, and again until that works or cannot work."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class DeliveryState(StrEnum):
    """RECEIVED: stored, rules not yet told. FIRED: every rule that listens has its firing. REFUSED: never fires."""

    RECEIVED = "received"
    FIRED = "fired"
    REFUSED = "refused"


class TriggerKind(StrEnum):
    """What sets a rule going."""

    CRON = "cron"
    JOB = "job"
    MEASURE = "measure"
    EVENT = "event"
    WEBHOOK = "webhook"
    MANUAL = "manual"


class Scheme(StrEnum):
    """How the sender of a webhook signs it."""

    STANDARD = "standard"
    GITHUB = "github"
    STRIPE = "stripe"
    SLACK = "slack"
    PLAIN = "plain"
