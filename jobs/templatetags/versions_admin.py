"""How figures of versions look."""

from django import template

register = template.Library()


@register.filter
def percent(part: float | None) -> str:
    """Write a part of one as a percentage: "99.7 %"; a dash where nothing is known."""
    if part is None:
        return "–"
    return f"{100 * part:.0f} %" if part in (0.0, 1.0) or 0.1 <= part <= 0.9 else f"{100 * part:.1f} %"
