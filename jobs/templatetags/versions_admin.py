"""How figures of versions look."""

from django import template

from workflows.models import Release

register = template.Library()


@register.filter
def percent(part: float | None) -> str:
    """Write a part of one as a percentage: "99.7 %"; a dash where nothing is known."""
    if part is None:
        return "–"
    return f"{100 * part:.0f} %" if part in (0.0, 1.0) or 0.1 <= part <= 0.9 else f"{100 * part:.1f} %"


@register.filter
def release_words(line: Release) -> str:
    """Say what was chosen: "Version 3 published to 25 % of new jobs"."""
    number = line.version.number if line.version else "–"
    partly = line.share < 100
    match line.kind:
        case Release.Kind.PUBLISHED:
            return f"Version {number} published" + (f" to {line.share} % of new jobs" if partly else "")
        case Release.Kind.SHARED:
            return f"{line.share} % of new jobs run version {number}" if partly else f"Version {number} went live"
        case Release.Kind.ENDED:
            return f"Release ended, all new jobs run version {number}"
        case Release.Kind.ROLLED_BACK:
            instead = f", instead of {line.was_live.number}" if line.was_live and line.was_live != line.version else ""
            return f"New jobs run version {number} again{instead}"
    return f"Taken back, to version {number}" + (f" for {line.share} %" if partly else "")
