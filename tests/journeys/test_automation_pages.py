"""The pages of rules, firings and webhooks, as each role meets them."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.models import AutomationRule, Firing, WebhookDelivery, WebhookEndpoint
from automations.runtime.fire import fire
from automations.services.endpoints import create_endpoint
from automations.services.rules import create_rule, edit_rule
from automations.services.trying import run_now
from jobs.models import Job
from taskflow.lib.clock import utcnow
from tests.factories import NOW, Cast, make_cast, make_job, make_queue, make_user, make_workflow
from workflows.models import Workflow

pytestmark = pytest.mark.django_db
RULES = "/admin/automations/"
FORM = {
    "name": "Nightly",
    "description": "",
    "enabled": "true",
    "when.trigger.kind": "cron",
    "when.trigger.expression": "0 7 * * *",
    "when.trigger.missed": "one",
    "when.trigger.window": "1d",
    "if.condition": "tenant.plan == 'pro'",
    "if.condition.rows": "",
    "then.actions.0.kind": "notify",
    "then.actions.0.channel": "mail",
    "then.actions.0.to.0": "ops@acme.test",
    "then.actions.0.subject": "",
    "then.actions.0.text": "Good morning, {{ tenant.name }}",
    "more.rate_limit": "1000",
}


@pytest.fixture
def cast() -> Cast:
    make_queue()
    return make_cast("acme")


def browse(user: Any) -> Client:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def make_rule(cast: Cast | None, **values: Any) -> AutomationRule:
    given: dict[str, Any] = {
        "name": "Said by hand",
        "trigger": {"kind": "manual"},
        "actions": [{"kind": "notify", "channel": "mail", "to": ["a@b.example"], "text": "Hi"}],
    }
    return create_rule(tenant=cast and cast.tenant, values=given | values, now=utcnow())


def test_an_editor_makes_a_rule_without_writing_json(cast: Cast) -> None:
    client = browse(cast.editor)
    page = client.get(RULES)
    assert "No rules yet" in page.content.decode()
    answer = client.post(f"{RULES}rules/new/", FORM)
    rule = AutomationRule.objects.get()
    assert answer["Location"] == f"{RULES}rules/{rule.uid}/"
    assert rule.trigger == {"kind": "cron", "expression": "0 7 * * *"}
    assert (rule.condition, rule.enabled, rule.tenant) == ("tenant.plan == 'pro'", True, cast.tenant)
    assert rule.actions[0]["to"] == ["ops@acme.test"]
    assert "Every day at 07:00" in client.get(RULES).content.decode()
    assert "Good morning" in client.get(answer["Location"]).content.decode()


def test_what_is_wrong_is_told_at_its_field_and_nothing_typed_is_lost(cast: Cast) -> None:
    client = browse(cast.editor)
    wrong = {
        "name": "",
        "when.trigger.expression": "61 7 * * *",
        "more.rate_limit": "many",
        "description": "x" * 10_001,
    }
    answer = client.post(f"{RULES}rules/new/", FORM | wrong)
    text = answer.content.decode()
    assert answer.status_code == 400
    assert "the field minute is wrong" in text
    assert "61 7 * * *" in text
    assert "Good morning" in text
    assert not AutomationRule.objects.exists()
    preview = client.post(f"{RULES}rules/preview/", FORM | wrong).content.decode()
    assert '"when.trigger.expression"' in preview
    assert '"more.rate_limit"' in preview


def test_the_preview_says_the_sentence_and_the_next_five_times_in_the_rules_zone(cast: Cast) -> None:
    zoned = FORM | {"when.trigger.time_zone": "Asia/Tokyo"}
    text = browse(cast.editor).post(f"{RULES}rules/preview/", zoned).content.decode()
    assert "Every day at 07:00 Asia/Tokyo, if tenant.plan == " in text
    assert text.count(", 07:00</time>") == 5
    assert "It can be saved." in text


def test_trying_a_rule_shows_the_parts_of_its_condition_and_what_it_would_do(cast: Cast) -> None:
    client = browse(cast.editor)
    no = client.post(f"{RULES}rules/try/", FORM | {"source": ""}).content.decode()
    assert "It would do nothing" in no
    assert "is not true" in no
    paid = FORM | {"if.condition": "payload.total > 100.0", "source": "paste", "payload": '{"total": 150}'}
    yes = client.post(f"{RULES}rules/try/", paid).content.decode()
    assert "It would act" in yes
    assert "ops@acme.test" in yes
    for payload, reason in (("[1]", "must be an object"), ("{", "cannot be read")):
        told = client.post(f"{RULES}rules/try/", paid | {"payload": payload}).content.decode()
        assert reason in told
    gone = client.post(f"{RULES}rules/try/", FORM | {"source": f"job:{cast.tenant.uid}"}).content.decode()
    assert "not there any more" in gone
    assert not Firing.objects.exists()


def test_trying_a_rule_and_its_firings_show_nothing_of_redacted_fields(cast: Cast) -> None:
    fields = [{"key": "iban", "type": "text", "redact": True}, {"key": "subject", "type": "text"}]
    make_workflow(cast.tenant, "letters", version={"fields": fields})
    client = browse(cast.editor)
    form = {name: value for name, value in FORM.items() if not name.startswith(("when.", "then."))} | {
        "when.trigger.kind": "job",
        "when.trigger.events": "job_succeeded",
        "if.condition": "payload.iban != '' && payload.iban + 'x' != ''",
        "then.actions.0.kind": "create_jobs",
        "then.actions.0.jobs.0": "row",
        "then.actions.0.jobs.0.workflow": "letters",
        "then.actions.0.jobs.0.payload.0.key": "subject",
        "then.actions.0.jobs.0.payload.0.value.kind": "text",
        "then.actions.0.jobs.0.payload.0.value.of": "Pay {{ payload.iban }} soon",
        "then.actions.0.jobs.0.payload.1.key": "iban",
        "then.actions.0.jobs.0.payload.1.value.kind": "text",
        "then.actions.0.jobs.0.payload.1.value.of": "{{ payload.iban }}",
    }
    job = make_job(Workflow.objects.get(), payload={"iban": "DE02120300000000202051", "subject": "Rent"})
    text = client.post(f"{RULES}rules/try/", form | {"source": f"job:{job.uid}"}).content.decode()
    assert "It would act" in text
    assert "Pay [redacted] soon" in text
    assert "DE0212" not in text
    pasted = {"source": "paste", "payload": '{"iban": "DE02120300000000202051"}'}
    assert "DE0212" not in client.post(f"{RULES}rules/try/", form | pasted).content.decode()
    client.post(f"{RULES}rules/new/", form)
    rule = AutomationRule.objects.get()
    run_now(rule=rule, actor="ann", now=utcnow(), payload=job.payload)
    fire()
    page = client.get(f"{RULES}firings/{Firing.objects.get().uid}/").content.decode()
    assert "The rule acted and made 1 job." in page
    assert "Rent" in page
    assert "DE0212" not in page


def test_a_conflict_says_who_changed_the_rule_and_keeps_what_was_typed(cast: Cast) -> None:
    rule, client = make_rule(cast), browse(cast.editor)
    edit_rule(rule=rule, revision=1, values={"name": "Theirs"}, now=utcnow(), user=cast.owner)
    answer = client.post(f"{RULES}rules/{rule.uid}/", FORM | {"revision": "1"})
    text = answer.content.decode()
    assert answer.status_code == 409
    assert cast.owner.username in text
    assert 'value="Nightly"' in text
    rule.refresh_from_db()
    assert rule.name == "Theirs"
    assert client.post(f"{RULES}rules/{rule.uid}/", FORM | {"revision": "2"}).status_code == 302
    rule.refresh_from_db()
    assert rule.name == "Nightly"


def test_a_rule_is_switched_run_and_deleted(cast: Cast) -> None:
    rule, client = make_rule(cast), browse(cast.editor)
    act = f"{RULES}rules/{rule.uid}/act/"
    client.post(act, {"action": "disable", "back": "list"})
    rule.refresh_from_db()
    assert not rule.enabled
    answer = client.post(act, {"action": "run"})
    firing = Firing.objects.get()
    assert answer["Location"] == reverse("automation_firing", args=[firing.uid])
    assert "Waits for a worker" in client.get(answer["Location"]).content.decode()
    client.post(act, {"action": "delete"})
    assert not AutomationRule.objects.exists()
    page = client.get(f"{RULES}firings/?outcome=pending").content.decode()
    assert "Said by hand" in page


def test_many_rules_are_found_by_name_and_cost_no_more_than_a_few(
    cast: Cast, django_assert_max_num_queries: Any
) -> None:
    AutomationRule.objects.bulk_create(
        AutomationRule(
            tenant=cast.tenant, name=f"<i>Rule</i> {number:02}", trigger={"kind": "manual"}, trigger_kind="manual",
            created_at=NOW, updated_at=NOW,
        )
        for number in range(30)
    )  # fmt: skip
    client = browse(cast.viewer)
    with django_assert_max_num_queries(20):
        page = client.get(RULES).content.decode()
    assert "Page 1 of 2" in page
    assert page.count("&lt;i&gt;Rule&lt;/i&gt; 07</a>") == 1
    found = client.get(RULES, {"q": "rule</I> 29"}).content.decode()
    assert found.count("&lt;i&gt;Rule&lt;/i&gt; 29</a>") == 1
    assert "&lt;i&gt;Rule&lt;/i&gt; 07" not in found
    assert "No rule of that name" in client.get(RULES, {"q": "x\0y"}).content.decode()


def test_a_failed_firing_is_worked_on_again(cast: Cast) -> None:
    rule, client = make_rule(cast), browse(cast.editor)
    client.post(f"{RULES}rules/{rule.uid}/act/", {"action": "run"})
    Firing.objects.update(state="failed", error="actions.0.jobs.1.payload: The payload did not fit")
    firing = Firing.objects.get()
    address = f"{RULES}firings/{firing.uid}/"
    for page in (address, f"{RULES}firings/", RULES):
        assert "Action 1, job 2, payload: The payload did not fit" in client.get(page).content.decode(), page
    assert browse(cast.viewer).post(address).status_code == 403
    client.post(address)
    firing.refresh_from_db()
    assert firing.state == "pending"


def test_viewers_look_and_change_nothing(cast: Cast) -> None:
    rule, viewer = make_rule(cast), browse(cast.viewer)
    issued = create_endpoint(tenant=cast.tenant, name="Shop", scheme="github", now=utcnow())
    hook = f"{RULES}webhooks/{issued.endpoint.uid}/"
    for address in (RULES, f"{RULES}rules/{rule.uid}/", f"{RULES}firings/", f"{RULES}webhooks/", hook):
        assert viewer.get(address).status_code == 200, address
    assert viewer.get(f"{RULES}rules/new/").status_code == 403
    assert viewer.get(f"{RULES}webhooks/new/").status_code == 403
    for address, body in (
        (f"{RULES}rules/new/", FORM),
        (f"{RULES}rules/preview/", FORM),
        (f"{RULES}rules/try/", FORM),
        (f"{RULES}rules/{rule.uid}/", FORM | {"revision": "1"}),
        (f"{RULES}rules/{rule.uid}/act/", {"action": "delete"}),
        (f"{RULES}webhooks/new/", {"name": "Mine", "scheme": "github"}),
        (f"{hook}act/", {"action": "rotate"}),
    ):
        assert viewer.post(address, body).status_code == 403, address
    assert AutomationRule.objects.get().revision == 1
    assert WebhookEndpoint.objects.get().sealed == issued.endpoint.sealed


def test_the_operators_rules_are_superusers_alone(cast: Cast) -> None:
    make_cast("other")
    everybodys = make_rule(None, name="For everybody")
    own = make_rule(cast, name="Of acme")
    root = browse(make_user("root@acme.test", is_superuser=True))
    text = root.get(RULES).content.decode()
    assert "For everybody" in text
    assert "Of acme" in text
    made = root.post(
        f"{RULES}rules/new/?for=all", FORM | {"for": "all", "whom.for_each_tenant": "tenant.plan == 'pro'"}
    )
    assert made.status_code == 302
    assert AutomationRule.objects.get(name="Nightly").for_each_tenant == "tenant.plan == 'pro'"
    owner = browse(cast.owner)
    assert "For everybody" not in owner.get(RULES).content.decode()
    assert owner.get(f"{RULES}rules/{everybodys.uid}/").status_code == 404
    assert owner.post(f"{RULES}rules/{everybodys.uid}/act/", {"action": "delete"}).status_code == 404
    assert owner.post(f"{RULES}rules/preview/", FORM | {"for": "all"}).status_code == 403
    assert owner.get(f"{RULES}rules/{own.uid}/").status_code == 200


def test_a_webhooks_secret_is_shown_once_and_rotated(cast: Cast) -> None:
    client = browse(cast.editor)
    bad = client.post(f"{RULES}webhooks/new/", {"name": " ", "scheme": "carrier-pigeon"})
    assert bad.status_code == 400
    assert "Must be one of" in bad.content.decode()
    shown = client.post(f"{RULES}webhooks/new/", {"name": "Shop", "scheme": "github"})
    endpoint = WebhookEndpoint.objects.get()
    assert "/api/v1/events/webhook/" in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    page = f"{RULES}webhooks/{endpoint.uid}/"
    assert "/api/v1/events/webhook/" not in client.get(page).content.decode()
    again = client.post(f"{page}act/", {"action": "rotate"}).content.decode()
    assert 'id="issued-secret"' in again
    assert "Drop the previous secret" in client.get(page).content.decode()
    client.post(f"{page}act/", {"action": "drop"})
    assert "Drop the previous secret" not in client.get(page).content.decode()
    client.post(f"{page}act/", {"action": "disable"})
    endpoint.refresh_from_db()
    assert not endpoint.enabled


def test_an_endpoint_gets_another_name_and_tolerance_or_is_told_why_not(cast: Cast) -> None:
    client = browse(cast.editor)
    endpoint = create_endpoint(tenant=cast.tenant, name="Shop", scheme="standard", now=utcnow()).endpoint
    page = f"{RULES}webhooks/{endpoint.uid}/"
    for tolerance in ("5", "five", "²"):
        bad = client.post(f"{page}act/", {"action": "settings", "name": "<b>Store</b>", "tolerance": tolerance})
        text = bad.content.decode()
        assert bad.status_code == 400
        assert "Must be 30 to 86400 seconds." in text
        assert f'value="{tolerance}"' in text
        assert 'value="&lt;b&gt;Store&lt;/b&gt;"' in text
    wrong = client.post(f"{page}act/", {"action": "rotate", "secret": "short"})
    assert wrong.status_code == 400
    assert 'id="rotate-secret-problem" class="au-problem" role="alert">It ' in wrong.content.decode()
    client.post(f"{page}act/", {"action": "settings", "name": " Store ", "tolerance": "60"})
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.tolerance) == ("Store", 60)
    assert "may be off by 60 s" in client.get(page).content.decode()


def test_a_stored_message_is_looked_at_and_told_again(cast: Cast) -> None:
    client = browse(cast.editor)
    endpoint = create_endpoint(tenant=cast.tenant, name="Shop", scheme="github", now=utcnow()).endpoint
    make_rule(cast, trigger={"kind": "webhook", "endpoint": str(endpoint.uid)})
    row = WebhookDelivery.objects.create(
        tenant=cast.tenant, endpoint=endpoint, delivery_id="d-1", event_type="push", headers={"x": "y"},
        body=b'{"text": "<script>alert(1)</script>"}' + b" " * 30_000, payload={"text": "x"}, state="fired",
        received_at=utcnow(),
    )  # fmt: skip
    page = f"{RULES}webhooks/{endpoint.uid}/deliveries/{row.uid}/"
    text = client.get(page).content.decode()
    assert "&lt;script&gt;alert(1)" in text
    assert "more bytes are not shown" in text
    assert browse(cast.viewer).post(f"{page}replay/").status_code == 403
    client.post(f"{page}replay/")
    firing = Firing.objects.get()
    assert firing.delivery == row
    assert f"{RULES}firings/{firing.uid}/" in client.get(page).content.decode()
    WebhookDelivery.objects.update(state="refused", payload=None)
    told = client.post(f"{page}replay/", follow=True).content.decode()
    assert "could not be read" in told


def test_a_job_page_leads_to_the_firing_that_made_it(cast: Cast) -> None:
    workflow = make_workflow(cast.tenant, "letters")
    action = {"kind": "create_jobs", "jobs": [{"workflow": workflow.slug}]}
    rule, client = make_rule(cast, actions=[action]), browse(cast.editor)
    client.post(f"{RULES}rules/{rule.uid}/act/", {"action": "run"})
    fire()
    job, firing = Job.objects.get(), Firing.objects.get()
    address = reverse("automation_firing", args=[firing.uid])
    assert address in client.get(f"/admin/jobs/job/{job.uid}/change/").content.decode()
    assert str(job.uid) in client.get(address).content.decode()
