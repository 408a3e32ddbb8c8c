"""Over the API nobody reaches another tenant's rows: every route is tried with the other tenant's ids."""

from typing import Any

import pytest
from django.test import Client

from automations.models import WebhookDelivery
from jobs.models import (
    Job,
    Lane,
    Queue,
)
from taskflow.lib.clock import utcnow
from tests.journeys.automation_belongings import WEBHOOK
from tests.journeys.belongings import WORD, Belongings, state_of
from tests.journeys.routes import KEYED, addresses, all_routes, values_for
from tests.journeys.visitors import leaks
from tests.webhooks import signed

METHODS = ("get", "head", "post", "put", "patch", "delete")


def ask(client: Client, method: str, address: str, key: str, body: Any = None) -> Any:
    headers = {"HTTP_AUTHORIZATION": f"Bearer {key}"}
    if method in {"get", "head"}:
        answer = getattr(client, method)(address, **headers)
        if answer.streaming:
            answer.streaming_content = [b"".join(answer.streaming_content)]
        return answer
    return getattr(client, method)(address, data=body or {}, content_type="application/json", **headers)


def test_over_the_api_what_is_theirs_does_not_exist(mine: Belongings, theirs: Belongings, client: Client) -> None:
    before, problems, tried = state_of(theirs), [], 0
    for route in all_routes():
        if not route.text.startswith("api/") or addresses(route) is not None or route.text in KEYED:
            continue
        for values in values_for(route, theirs):
            answers = {method: ask(client, method, route.fill(values), mine.key) for method in METHODS}
            statuses = {method: answer.status_code for method, answer in answers.items()}
            tried += 1
            if set(statuses.values()) - {404, 405} or 404 not in statuses.values() or any(map(leaks, answers.values())):
                problems.append((route.text, statuses))
    assert problems == []
    assert tried >= 4
    assert state_of(theirs) == before


def test_over_the_api_what_is_mine_exists(mine: Belongings, client: Client) -> None:
    for route in all_routes():
        if route.text.startswith("api/") and addresses(route) is None:
            for values in values_for(route, mine):
                statuses = {ask(client, method, route.fill(values), mine.key).status_code for method in METHODS}
                # Where a signature is asked for, its lack is told only of an address that there is.
                found = {200, 201, 202, 204, 400, 409} | ({401} if route.text == WEBHOOK else set())
                assert statuses & found, route.text


def test_a_mailboxes_key_lets_mail_in_to_its_own_tenant_alone(
    mine: Belongings, theirs: Belongings, client: Client
) -> None:
    before, jobs = state_of(mine), Job.objects.filter(tenant=theirs.cast.tenant).count()
    answer = client.post(
        f"/api/v1/inbound-mail/{theirs.mailbox_key}", b"From: a@b.example\n\nx", content_type="message/rfc822"
    )
    assert answer.status_code == 201
    assert Job.objects.filter(tenant=theirs.cast.tenant).count() == jobs + 1
    assert state_of(mine) == before


def test_an_endpoints_key_lets_webhooks_in_to_its_own_tenant_alone(
    mine: Belongings, theirs: Belongings, client: Client
) -> None:
    before, body = state_of(mine), b'{"text": "x"}'
    for secret, status in ((mine.automations.webhook.secret, 401), (theirs.automations.webhook.secret, 202)):
        headers = signed("github", body, secret=secret, now=utcnow())
        path = f"/api/v1/events/webhook/{theirs.automations.webhook.key}"
        assert client.post(path, body, content_type="application/json", headers=headers).status_code == status
    assert WebhookDelivery.objects.filter(tenant=theirs.cast.tenant).count() == 2
    assert state_of(mine) == before


def test_over_the_api_lists_hold_nothing_of_theirs(mine: Belongings, theirs: Belongings, client: Client) -> None:
    before, problems = state_of(theirs), []
    for route in all_routes():
        for address in (addresses(route) or ()) if route.text.startswith("api/") else ():
            for method in METHODS:
                answer = ask(client, method, address, mine.key)
                if leaks(answer) or answer.status_code >= 500:
                    problems.append((method, address, answer.status_code))
    assert problems == []
    assert state_of(theirs) == before


@pytest.mark.parametrize("name", ["parent", "workflow", "correlation_id"])
def test_a_filter_by_something_of_theirs_finds_nothing(
    mine: Belongings, theirs: Belongings, client: Client, name: str
) -> None:
    value = {"parent": str(theirs.job.uid), "workflow": theirs.workflow.slug, "correlation_id": WORD}[name]
    answer = ask(client, "get", f"/api/v1/jobs?{name}={value}", mine.key)
    assert answer.status_code in {200, 400, 404}
    assert answer.json().get("results", []) == []


def test_a_job_cannot_be_sent_to_a_workflow_of_theirs(mine: Belongings, theirs: Belongings, client: Client) -> None:
    wanted = {"workflow": theirs.workflow.slug, "payload": {"text": "x"}}
    for address, body in (("/api/v1/jobs", wanted), ("/api/v1/jobs/bulk", {"jobs": [wanted]})):
        assert ask(client, "post", address, mine.key, body).status_code in {400, 404}
    assert not Job.objects.filter(payload='{"text":"x"}').exists()


def test_the_same_idempotency_key_of_two_tenants_is_two_jobs(
    mine: Belongings, theirs: Belongings, client: Client
) -> None:
    made = []
    for key in (theirs.key, mine.key, mine.key):
        headers = {"HTTP_AUTHORIZATION": f"Bearer {key}", "HTTP_IDEMPOTENCY_KEY": "the-same"}
        wanted = {"workflow": "both-have-one", "payload": {"text": "x"}}
        made.append(client.post("/api/v1/jobs", data=wanted, content_type="application/json", **headers))
    assert [answer.status_code for answer in made] == [201, 201, 200]
    first, second, again = (answer.json()["id"] for answer in made)
    assert first != second == again
    assert Job.objects.get(uid=second).tenant == mine.cast.tenant


def test_pausing_my_jobs_in_a_queue_leaves_theirs_running(mine: Belongings, theirs: Belongings, client: Client) -> None:
    before = state_of(theirs)
    assert ask(client, "post", "/api/v1/admin/queues/default/pause", mine.key).status_code == 200
    assert Lane.objects.get(tenant=mine.cast.tenant).paused_at is not None
    assert Queue.objects.get(slug="default").paused_at is None
    assert state_of(theirs) == before
    whole = ask(client, "post", "/api/v1/admin/queues/default/pause", mine.key, {"whole": True})
    assert whole.status_code == 403
