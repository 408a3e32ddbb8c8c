"""Telling the page of a job which rule made it, and at which firing."""

from django.urls import NoReverseMatch, reverse

from automations.models import JobLink
from jobs.models import Job
from jobs.queries.origin import Origin

FIRING_PAGE = "automation_firing"


def origin_of_job(job: Job) -> Origin | None:
    """Return the rule and the firing that made a job; None for jobs that no rule made."""
    if not job.source.startswith("rule:"):
        return None
    link = JobLink.objects.filter(job=job, firing__tenant=job.tenant_id).select_related("firing").first()
    if link is None:
        return None
    firing = link.firing
    return Origin(f"rule “{firing.rule_name}”, firing {str(firing.uid)[-8:]}", _page(str(firing.uid)))


def _page(uid: str) -> str:
    try:
        return reverse(FIRING_PAGE, args=[uid])
    except NoReverseMatch:
        return ""
