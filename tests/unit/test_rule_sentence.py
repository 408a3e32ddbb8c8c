"""A rule as one sentence."""

from typing import Any

import pytest

from automations.domain.actions import read_action
from automations.domain.sentence import sentence
from automations.domain.triggers import read_trigger

CREATE = {"kind": "create_jobs", "jobs": [{"workflow": "billing"}]}


def told(trigger: dict[str, Any], *actions: dict[str, Any], tenants: str | None = None, condition: str = "") -> str:
    return sentence(
        read_trigger(trigger),
        zone="Europe/Paris",
        for_operator=tenants is not None,
        tenants=tenants or "",
        condition=condition,
        actions=[read_action(action) for action in actions or (CREATE,)],
        endpoint="Shop",
    )


CRON = {"kind": "cron", "expression": "0 7 * * *"}


@pytest.mark.parametrize(
    ("tenants", "condition", "middle"),
    [
        (None, "", ""),
        ("", "", ", for each tenant"),
        ("tenant.plan == 'pro'", "tenant.attributes.usage != last.usage", ", for each pro tenant, if usage changed"),
        (
            "tenant.plan == 'a' || tenant.plan == 'b'",
            "",
            ", for each tenant where tenant.plan == 'a' || tenant.plan == 'b'",
        ),
        (
            "has(tenant.attributes.seats) && tenant.slug != 'x'",
            "",
            ", for each tenant with seats where tenant.slug != 'x'",
        ),
        (None, "payload.total > 5 &&\n payload.paid", ", if payload.total > 5 and payload.paid"),
    ],
)
def test_it_says_for_whom_and_if_what(tenants: str | None, condition: str, middle: str) -> None:
    assert (
        told(CRON, tenants=tenants, condition=condition) == f"Every day at 07:00 Europe/Paris{middle}, create billing."
    )


@pytest.mark.parametrize(
    ("trigger", "beginning"),
    [
        (
            {"kind": "job", "events": ["job_failed", "job_dead"], "workflows": ["a", "b"], "labels": {"team": "x"}},
            "When a job of a or b fails for good or is out of retries with team = “x”",
        ),
        (
            {"kind": "job", "events": ["review_decided"], "states": ["WAITING"]},
            "When a job has a review decided and is WAITING",
        ),
        ({"kind": "measure", "measure": "queue_age", "above": 60}, "When the oldest job waits more than 60 s"),
        (
            {"kind": "measure", "measure": "failure_rate", "above": 0.05, "of": "a"},
            "When more than 5% of jobs of a fail in 15 minutes",
        ),
        ({"kind": "measure", "measure": "open_reviews", "above": 9}, "When more than 9 reviews are open"),
        (
            {"kind": "measure", "measure": "budget_used", "above": 0.8, "of": "gpt"},
            "When more than 80% of the budget of gpt is used",
        ),
        ({"kind": "event", "name": "order.paid"}, "When the event “order.paid” is told"),
        (
            {"kind": "webhook", "endpoint": "01a22513-3e9d-75b6-b62e-91581b1ac7f5", "events": ["push"]},
            "When a message of type push comes to the webhook “Shop”",
        ),
        ({"kind": "manual"}, "When somebody runs it"),
    ],
)
def test_it_says_when(trigger: dict[str, Any], beginning: str) -> None:
    assert told(trigger) == f"{beginning}, create billing."


def test_it_says_what_it_does() -> None:
    actions = [
        CREATE | {"for_each": "payload.lines"},
        {"kind": "notify", "channel": "mail", "to": ["ann@acme.test"], "text": "x"},
        {"kind": "retry_job"},
        {"kind": "cancel_job"},
        {"kind": "pause_queue", "queue": "default", "everybody": True},
        {"kind": "resume_queue", "queue": "slow"},
    ]
    assert told({"kind": "manual"}, *actions) == (
        "When somebody runs it, create billing for each of payload.lines, tell ann@acme.test by mail, retry the job, "
        "cancel the job, pause the queue default for every tenant and resume the queue slow."
    )
