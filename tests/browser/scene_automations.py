"""Rules with what they did, and a webhook with messages, for pictures and tests."""

from datetime import datetime, timedelta

from automations.models import AutomationRule, Firing, JobLink, WebhookDelivery, WebhookEndpoint, WebhookRefusal
from automations.services.endpoints import create_endpoint
from automations.services.rules import create_rule
from jobs.models import Job
from tests.factories import Cast
from workflows.models import Workflow

ORDER = b'{"type": "order.paid", "order": 4711, "total": 193.0, "customer": "Blue Anchor Stores Ltd"}'


def add_automations(cast: Cast, tickets: Workflow, job: Job, now: datetime) -> None:
    """Make three rules, their firings, and a webhook."""
    endpoint = create_endpoint(tenant=cast.tenant, name="Web shop", scheme="standard", now=now).endpoint
    create_endpoint(tenant=cast.tenant, name="Payments", scheme="stripe", now=now)
    WebhookRefusal.objects.create(
        endpoint=endpoint, cause="wrong signature", count=3, reason="No signature fits this body.", first_at=now,
        last_at=now - timedelta(hours=2),
    )  # fmt: skip
    delivery = _delivery(endpoint, now - timedelta(minutes=9), "msg_2a4", "fired")
    _delivery(endpoint, now - timedelta(hours=5), "msg_1f0", "refused")
    make = {
        "kind": "create_jobs",
        "jobs": [{"workflow": tickets.slug, "payload": {"question": "{{ payload.customer }}"}}],
    }
    paid = _rule(
        cast, now, "Ask what a large order needs", make,
        {"kind": "webhook", "endpoint": str(endpoint.uid), "events": ["order.paid"]}, "payload.total > 100.0",
    )  # fmt: skip
    mail = {"kind": "notify", "channel": "mail", "to": ["ops@acme.test"], "text": "{{ job.error_message }}"}
    failed = _rule(
        cast, now, "Tell us when a job fails", mail, {"kind": "job", "events": ["job_failed", "job_dead"]}, ""
    )
    _rule(cast, now, "Weekly check", make, {"kind": "cron", "expression": "30 8 * * 1"}, "")
    why = [{"part": "payload.total > 100.0", "value": True}, {"part": "payload.total", "value": 193.0}]
    acted = _firing(paid, now - timedelta(minutes=9), "acted", matched=True, why=why, delivery=delivery, jobs_made=1)
    Firing.objects.filter(pk=acted.pk).update(told=[{"place": "actions.0", "action": "create_jobs", "count": 1}])
    JobLink.objects.create(firing=acted, job=job, position=0, depth=1)
    why = [{"part": "payload.total > 100.0", "value": False}, {"part": "payload.total", "value": 12.5}]
    _firing(paid, now - timedelta(minutes=40), "did-nothing", matched=False, why=why)
    error = "actions.0: the mail server did not take the message"
    _firing(failed, now - timedelta(minutes=3), "failed", state="failed", error=error, attempts=6)


def _rule(cast: Cast, now: datetime, name: str, action: dict, trigger: dict, condition: str) -> AutomationRule:
    values = {"name": name, "trigger": trigger, "condition": condition, "actions": [action]}
    return create_rule(tenant=cast.tenant, values=values, now=now, user=cast.editor)


def _firing(rule: AutomationRule, at: datetime, key: str, **told: object) -> Firing:
    known = {"state": "done", "took_ms": 14.0, "finished_at": at + timedelta(seconds=1), "due_at": at} | told
    return Firing.objects.create(
        rule=rule, key=key, rule_uid=rule.uid, rule_name=rule.name, tenant=rule.tenant, occurrence=key,
        trigger_kind=rule.trigger_kind, created_at=at, event={"kind": rule.trigger_kind, "name": "order.paid"}, **known,
    )  # fmt: skip


def _delivery(endpoint: WebhookEndpoint, at: datetime, key: str, state: str) -> WebhookDelivery:
    readable = state == "fired"
    return WebhookDelivery.objects.create(
        tenant=endpoint.tenant, endpoint=endpoint, delivery_id=key, event_type="order.paid" if readable else "",
        headers={"content-type": "application/json", "user-agent": "shop/3.1"}, body=ORDER if readable else b"{oops",
        payload={"type": "order.paid", "order": 4711, "total": 193.0, "customer": "Blue Anchor Stores Ltd"}
        if readable
        else None, state=state, reason="" if readable else "It is not JSON: line 1, column 2.", received_at=at,
    )  # fmt: skip


def automation_pages(cast: Cast) -> dict[str, tuple[str, str]]:
    """Return the pages of automations to take pictures of."""
    editor, viewer, empty = cast.editor.username, cast.viewer.username, "editor@empty.test"
    rule = AutomationRule.objects.get(name="Ask what a large order needs")
    cron = AutomationRule.objects.get(name="Weekly check")
    delivery = WebhookDelivery.objects.get(delivery_id="msg_2a4")
    acted, failed = Firing.objects.get(key="acted"), Firing.objects.get(key="failed")
    start, hook = "/admin/automations/", f"/admin/automations/webhooks/{delivery.endpoint.uid}/"
    return {
        "rules": (editor, start),
        "rules-empty": (empty, start),
        "rules-viewer": (viewer, start),
        "rule": (editor, f"{start}rules/{rule.uid}/"),
        "rule-times": (editor, f"{start}rules/{cron.uid}/"),
        "rule-new": (editor, f"{start}rules/new/?with=failed"),
        "firings": (editor, f"{start}firings/"),
        "firing": (editor, f"{start}firings/{acted.uid}/"),
        "firing-failed": (editor, f"{start}firings/{failed.uid}/"),
        "webhooks": (editor, f"{start}webhooks/"),
        "webhooks-empty": (empty, f"{start}webhooks/"),
        "webhook-new": (editor, f"{start}webhooks/new/"),
        "webhook": (editor, hook),
        "webhook-message": (editor, f"{hook}deliveries/{delivery.uid}/"),
    }
