"""Keeping the values of redacted fields off the pages on which rules show what they saw, made, or would make."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from automations.models import Firing
from automations.services.trying import Trial
from jobs.domain.redaction import REDACTED, Hidden
from jobs.models import Job
from jobs.queries.indexed import redacted_names
from workflows.models import Workflow


def hide_in_trial(trial: Trial, *, job: Job | None, event: Mapping[str, Any]) -> None:
    """Take redacted values out of what a dry run with this job and event shows.

    Those of the job, and of the workflows that jobs would be made of, wherever their texts turn up.
    """
    made = [each for each in trial.would if each["action"] == "create_jobs"]
    slugs = {each["workflow"] for each in made}
    workflows = Workflow.objects.for_tenant(trial.tenant).filter(slug__in=slugs)
    hidden = _hidden(
        [*workflows.select_related("live_version", "next_version")],
        [event.get("payload"), *(each["payload"] for each in made)],
        [job] if job is not None else [],
    )
    trial.why = [_of_part(hidden, each) for each in trial.why]
    trial.would = [
        {key: (hidden.out_of if key == "payload" else hidden.out_of_texts)(value) for key, value in each.items()}
        for each in trial.would
    ]
    trial.reason = hidden.out_of_texts(trial.reason)
    trial.problems = [replace(each, message=hidden.out_of_texts(each.message)) for each in trial.problems]


def hide_in_firing(firing: Firing, made: Sequence[Job]) -> None:
    """Take redacted values out of what a firing that made these jobs shows; it is not to be saved after that."""
    jobs = [*made, *([firing.job] if firing.job is not None else [])]
    hidden = _hidden([], [firing.event.get("payload")], jobs)
    firing.why = [_of_part(hidden, each) for each in firing.why]
    firing.event = {
        key: (hidden.out_of if key in ("payload", "data") else hidden.out_of_texts)(value)
        for key, value in firing.event.items()
    }
    firing.error, firing.reason = hidden.out_of_texts(firing.error), hidden.out_of_texts(firing.reason)


def _hidden(workflows: Iterable[Workflow], payloads: Iterable[Any], jobs: Sequence[Job]) -> Hidden:
    known = {each.pk: each for each in [*workflows, *(job.workflow for job in jobs)]}
    names = frozenset[str]().union(*map(redacted_names, known.values()))
    records = [*payloads, *(record for job in jobs for record in (job.payload, job.result))]
    return Hidden(names, [each for each in records if isinstance(each, Mapping)])


def _of_part(hidden: Hidden, part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a condition; whether something is true is told, what a redacted field holds is not."""
    told: dict[str, Any] = hidden.out_of_texts(part) | {"value": hidden.out_of(part.get("value"))}
    return told | {"value": REDACTED} if hidden.tells(part["part"], part.get("value")) else told
