"""When an alert is raised and when it is resolved: once for each crossing, with room between the two."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from automations.domain.triggers import MeasureTrigger


class Crossing(StrEnum):
    """What a measure's new value means."""

    RAISED = "raised"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when an alert is raised, and when it last was resolved; None for never."""

    raised_at: datetime | None = None
    resolved_at: datetime | None = None

    @property
    def is_raised(self) -> bool:
        """Whether it was raised and not resolved since."""
        return self.raised_at is not None and (self.resolved_at is None or self.resolved_at < self.raised_at)


def judge(trigger: MeasureTrigger, value: float | None, standing: Standing, now: datetime) -> Crossing | None:
    """Return what a new value means; None where it changes nothing, as an unknown value does."""
    if value is None:
        return None
    if standing.is_raised:
        return Crossing.RESOLVED if value <= trigger.resolved_at else None
    cooled = standing.raised_at is None or now - standing.raised_at >= timedelta(seconds=trigger.cooldown)
    return Crossing.RAISED if value > trigger.above and cooled else None
