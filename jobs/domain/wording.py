"""Instants, spans and counts in words for people."""

from datetime import UTC, datetime, timedelta, tzinfo


def instant(moment: datetime, *, now: datetime, zone: tzinfo = UTC) -> str:
    """Return `moment` for people: the time with its zone, and the date unless it is today's."""
    local = moment.astimezone(zone)
    today = now.astimezone(zone).date()
    return f"{local:%H:%M:%S %Z}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S %Z}"


def duration(span: timedelta) -> str:
    """Return `span` for people, in its largest fitting unit: "0.25 seconds", "12 seconds", "3 minutes", "2 days"."""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 1:
        return f"{seconds:.2g} seconds"
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return counted(int(seconds // size), unit)
    return counted(round(seconds), "second")


def counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def times(count: int) -> str:
    """Return "once" or "3 times"."""
    return "once" if count == 1 else f"{count} times"


def clause(text: str) -> str:
    """Return `text` without its full stop, to go on inside a sentence."""
    return text.strip().rstrip(".")
