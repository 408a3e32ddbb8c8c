"""How figures of test runs look."""

from django import template

from jobs.domain.trial_costs import money

register = template.Library()


@register.filter
def dollars(amount: float | None) -> str:
    """Write an amount of US dollars; a dash for none."""
    return money(amount) if amount else "–"


@register.filter
def percent(share: float) -> str:
    """Write a share of 1 in percent."""
    return f"{100 * share:.0f} %"
