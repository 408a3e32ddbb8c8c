"""How values look in the admin: states, moments, spans of time, JSON of any size and content."""

import json
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.domain.states import State
from jobs.models import Review
from jobs.queries.depths import DEPTH_LIMIT
from taskflow.lib.clock import utcnow

register = template.Library()
MOST_JSON = 20_000
#: Fewer characters than this are left out without a word.
WORTH_SAYING = 100
UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))
ICONS = {
    State.PENDING: "hourglass_empty",
    State.SCHEDULED: "schedule",
    State.RUNNING: "play_arrow",
    State.WAITING: "pause",
    State.SUCCEEDED: "check",
    State.FAILED: "close",
    State.DEAD: "skull",
    State.CANCELLED: "block",
}


@register.simple_tag
def state_badge(state: str) -> SafeString:
    """Show a job's state as a coloured badge."""
    icon = ICONS.get(State(state)) if state in State.__members__ else "help"
    return format_html(
        '<span class="tf-badge tf-{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>{}</span>',
        state.lower(),
        icon,
        state.title(),
    )


REVIEW_BADGES = {
    "approve": ("succeeded", "check", "Approved"),
    "edit": ("running", "edit", "Edited"),
    "reject": ("failed", "close", "Rejected"),
    "open": ("waiting", "pause", "Open"),
    "cancelled": ("cancelled", "block", "Cancelled"),
}


@register.simple_tag
def review_badge(review: Review) -> SafeString:
    """Show what was decided about a review, or that nothing was, as a coloured badge."""
    tone, icon, words = REVIEW_BADGES[review.decision if review.state == "decided" else review.state]
    return format_html(
        '<span class="tf-badge tf-{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>{}</span>',
        tone,
        icon,
        words,
    )


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """Say how long ago or how soon a moment is, with the exact time in the current time zone as a tooltip."""
    if moment is None:
        return "–"
    seconds = (utcnow() - moment).total_seconds()
    words = (
        "just now" if abs(seconds) < 1 else f"{_roughly(seconds)} ago" if seconds > 0 else f"in {_roughly(-seconds)}"
    )
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact(moment), words)


@register.filter
def exact(moment: datetime | None) -> str:
    """Write a moment in full in the current time zone."""
    if moment is None:
        return "–"
    return timezone.localtime(moment).strftime("%a %d %b %Y, %H:%M:%S %Z")


@register.filter
def clock_time(moment: datetime) -> SafeString:
    """Write the time of day to the millisecond, with the day as a tooltip."""
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        exact(moment),
        local.strftime("%H:%M:%S.%f")[:-3],
    )


@register.filter
def span(seconds: float | None) -> str:
    """Write a span in seconds in its two largest units: "3 h 20 m", "1.4 s", "12 ms"."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    for position, (size, unit) in enumerate(UNITS):
        if seconds >= size:
            rest = seconds % size
            below, below_unit = UNITS[position + 1] if position + 1 < len(UNITS) else (1, "s")
            tail = f" {rest // below:.0f} {below_unit}" if rest >= below else ""
            return f"{seconds // size:.0f} {unit}{tail}"
    raise AssertionError("unreachable")


def _roughly(seconds: float) -> str:
    """Write a span of a second or more in its largest unit alone."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size:.0f} {unit}"


@register.filter
def since(later: datetime | None, earlier: datetime | None) -> str:
    """Write the span from `earlier` to `later`, or to now where it is not over."""
    if earlier is None:
        return "–"
    return span(max(((later or datetime.now(UTC)) - earlier).total_seconds(), 0.0))


@register.filter
def pretty(value: Any) -> str:
    """Write JSON for people, cut where it would weigh the page down."""
    return clip_text(json.dumps(value, indent=2, ensure_ascii=False, default=str), MOST_JSON)


@register.filter
def clip(text: Any, length: int) -> str:
    """Cut a text to `length` characters and say how much is left out."""
    return clip_text(str(text), length)


def clip_text(text: str, length: int) -> str:
    """Cut a text to `length` characters and say how much is left out, if it is worth saying."""
    text = plain(text)
    if len(text) <= length:
        return text
    if len(text) - length < WORTH_SAYING:
        return f"{text[: length - 1].rstrip()}…"
    return f"{text[:length]} … ({len(text) - length:,} more characters)"


@register.filter
def many(count: int | None, limit: int) -> str:
    """Write a count that stopped at `limit`: "1,000+"."""
    return f"{limit - 1:,}+" if count is None or count >= limit else f"{count:,}"


def plain(text: str) -> str:
    """Return a text that can be sent as UTF-8: lone surrogates, which JSON allows, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


@register.filter
def depth(count: int) -> str:
    """Write the depth of a queue, which is counted up to DEPTH_LIMIT."""
    return many(count, DEPTH_LIMIT)
