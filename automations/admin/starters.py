"""Rules to begin with: what the form of a new one may be filled with."""

from dataclasses import dataclass, field
from typing import Any

#: A job of a workflow that is still to be chosen.
MAKE: dict[str, Any] = {"kind": "create_jobs", "jobs": [{}]}


@dataclass(frozen=True, slots=True)
class Starter:
    """A rule that is not finished: what it is for, and what the form holds when it is chosen."""

    key: str
    icon: str
    title: str
    told: str
    values: dict[str, Any] = field(default_factory=dict)


WEBHOOK = Starter(
    "webhook", "webhook", "When another system calls", "Make a job of each message to a webhook.",
    {"trigger": {"kind": "webhook"}, "actions": [MAKE]},
)  # fmt: skip
EVERY_TENANT = Starter(
    "usage", "groups", "For each pro tenant", "Every day, where their usage changed, recalculate the bill.",
    {
        "name": "Recalculate billing",
        "trigger": {"kind": "cron", "expression": "0 7 * * *"},
        "for_each_tenant": "tenant.plan == 'pro' && has(tenant.attributes.usage)",
        "condition": "tenant.attributes.usage != last.usage",
        "remember": {"usage": "tenant.attributes.usage"},
        "actions": [
            {
                "kind": "create_jobs",
                "jobs": [
                    {
                        "workflow": "recalculate-billing",
                        "payload": {
                            "customer": "{{ tenant.name }}",
                            "usage": {"expression": "tenant.attributes.usage"},
                            "usage_before": {"expression": "last.usage"},
                        },
                    }
                ],
            }
        ],
    },
)  # fmt: skip


def starters(mail: str, *, for_operator: bool) -> list[Starter]:
    """Return what there is to begin with; `mail` is whom messages go to."""
    tell = {"kind": "notify", "channel": "mail", "to": [mail] if mail else []}
    found = [
        Starter(
            "morning", "schedule", "Every morning", "Make a job at a time of the day, week or month.",
            {"trigger": {"kind": "cron", "expression": "0 7 * * *"}, "actions": [MAKE]},
        ),
        Starter(
            "failed", "error", "When a job fails", "Tell people by mail, with the reason.",
            {
                "name": "Tell us when a job fails",
                "trigger": {"kind": "job", "events": ["job_failed", "job_dead"]},
                "actions": [
                    tell
                    | {"subject": "{{ job.workflow }} failed", "text": "{{ job.id }}: {{ job.error_message }}"}
                ],
            },
        ),
        Starter(
            "late", "hourglass_bottom", "When jobs wait too long", "Tell people when a queue does not keep up.",
            {
                "name": "Jobs wait too long",
                "trigger": {"kind": "measure", "measure": "queue_age", "above": 300},
                "actions": [
                    tell
                    | {
                        "subject": "Jobs wait: {{ event.name }}",
                        "text": "The oldest job has waited for {{ event.value }} seconds.",
                    }
                ],
            },
        ),
    ]  # fmt: skip
    return [*found, EVERY_TENANT if for_operator else WEBHOOK]
