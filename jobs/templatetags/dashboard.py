"""How numbers look on dashboards."""

from datetime import datetime

from django import template
from django.utils import timezone

register = template.Library()


@register.filter
def number(value: float | None) -> str:
    """Write a whole number with its thousands."""
    return "–" if value is None else f"{value:,.0f}"


@register.filter
def percent(share: float | None) -> str:
    """Write a share; one that is not all never as 100 %."""
    if share is None:
        return "–"
    shown = round(share * 100, 1)
    if shown == 100 and share < 1:
        return "> 99.9 %"
    return f"{shown:g} %"


@register.filter
def dot(value: float) -> str:
    """Write a coordinate as SVG needs it, whatever the language."""
    return f"{value:g}"


@register.filter
def short_time(moment: datetime) -> str:
    """Write an instant briefly in the current time zone."""
    local = timezone.localtime(moment)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M}"
