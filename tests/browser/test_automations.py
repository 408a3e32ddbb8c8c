"""Rules and webhooks in a real browser, by mouse and keyboard."""

import re
import subprocess
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from automations.models import AutomationRule, Firing, WebhookDelivery
from automations.services.endpoints import create_endpoint
from automations.services.rules import create_rule
from taskflow.lib.clock import utcnow
from tests.browser.axe import grave_problems
from tests.factories import PASSWORD, Cast, make_cast, make_queue, make_workflow

LogIn = Callable[[str], Page]


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    make_queue()
    cast = make_cast("acme")
    make_workflow(cast.tenant, "letters", name="Letters")
    return cast


def accessible(page: Page) -> None:
    """Check the page in both themes."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        assert grave_problems(page) == []


def test_a_rule_for_every_morning_is_made_tried_and_switched_on(cast: Cast, log_in: LogIn) -> None:
    page = log_in(cast.editor.username)
    page.goto("/admin/automations/")
    accessible(page)
    page.get_by_role("link", name="Every morning").click()
    page.get_by_label("Name").first.fill("Morning letters")
    page.get_by_label("How often").select_option("Monday to Friday")
    page.locator(".au-clock input[type=time]").fill("08:30")
    page.get_by_label("Workflow").first.select_option(label="Letters")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("08:30")
    expect(preview).to_contain_text("create letters.")
    expect(preview.locator("time")).to_have_count(10)
    expect(preview).to_contain_text("It can be saved.")
    accessible(page)
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#trial")).to_contain_text("It would act")
    expect(page.locator("#trial")).to_contain_text("Make a job of letters")
    accessible(page)
    page.get_by_label("Switched on").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("switched off until you switch it on")).to_be_visible()
    rule = AutomationRule.objects.get()
    assert rule.trigger == {"kind": "cron", "expression": "30 8 * * 1-5"}
    assert not rule.enabled
    page.get_by_role("link", name="Back to the rules").click()
    switch = page.get_by_role("switch", name="Morning letters")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("switch", name="Morning letters")).to_have_attribute("aria-checked", "true")
    accessible(page)
    rule.refresh_from_db()
    assert rule.enabled
    assert rule.next_at is not None


def test_what_is_missing_is_told_at_its_field_while_one_types(cast: Cast, log_in: LogIn) -> None:
    page = log_in(cast.editor.username)
    page.goto("/admin/automations/rules/new/?with=failed")
    expect(page.locator("#preview")).to_contain_text("When a job fails for good or is out of retries")
    page.get_by_label("Name").first.fill("")
    expect(page.locator("#rule-name-problem")).to_have_text("is missing")
    page.get_by_label("Name").first.fill("Failures")
    expect(page.locator("#rule-name-problem")).to_be_hidden()
    page.get_by_label("Set going by").select_option("Somebody who runs it")
    expect(page.locator("#preview")).to_contain_text("When somebody runs it")
    accessible(page)


def test_the_editor_offers_what_the_trigger_brings_and_the_fields_of_the_workflow(cast: Cast, log_in: LogIn) -> None:
    fields = [{"key": "subject", "type": "text", "required": True}, {"key": "total", "type": "number"}]
    make_workflow(cast.tenant, "orders", name="Orders", version={"fields": fields})
    page = log_in(cast.editor.username)
    page.goto("/admin/automations/rules/new/")
    page.get_by_label("Name").first.fill("Large orders")
    page.get_by_label("Set going by").select_option("job")
    page.get_by_label("It succeeds").check()
    page.get_by_role("button", name="Add workflow").click()
    page.locator("select[name^='when.trigger.workflows']").select_option(label="Orders")
    expect(page.locator("#preview")).to_contain_text("When a job of orders succeeds")
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Row 1: field").select_option(label="Total")
    page.get_by_label("Row 1: test").select_option(label="is more than")
    page.get_by_label("Row 1: value").fill("100")
    page.get_by_role("button", name="Add action").click()
    page.get_by_role("button", name="Add job").click()
    page.locator("select[name^='then'][name$='.workflow']").select_option(label="Orders")
    offered = page.get_by_role("group", name="Fields of the workflow").get_by_role("button")
    expect(offered).to_have_text(["+ Subject * (required)", "+ Total"])
    offered.first.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Look at this")
    expect(offered).to_have_text(["+ Total"])
    expect(page.locator("#preview")).to_contain_text("It can be saved.")
    accessible(page)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is made and works from now on")).to_be_visible()
    rule = AutomationRule.objects.get()
    assert "payload.total > 100" in rule.condition
    assert rule.actions[0]["jobs"] == [{"workflow": "orders", "payload": {"subject": "Look at this"}}]


def test_what_was_typed_outlives_a_login_that_ran_out(cast: Cast, log_in: LogIn) -> None:
    # What the browser says of the refusals in between is expected on this page.
    page = log_in(cast.editor.username).context.new_page()
    page.goto("/admin/automations/rules/new/?with=failed")
    expect(page.locator("#preview")).to_contain_text("It can be saved.")
    page.context.clear_cookies(name="sessionid")
    page.get_by_label("Name").first.fill("Typed in vain?")
    lost = page.get_by_text("You are not logged in any more.")
    expect(lost).to_be_visible()
    accessible(page)
    expect(page.locator("#preview")).to_contain_text("It can be saved.")
    page.get_by_role("button", name="Save").click()
    expect(lost).to_be_visible()
    assert not AutomationRule.objects.exists()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Log in in another window").click()
    opened.value.fill("[name=username]", cast.editor.username)
    opened.value.fill("[name=password]", PASSWORD)
    opened.value.click("button[type=submit]")
    opened.value.wait_for_url("**/admin/")
    page.get_by_role("button", name="Go on").click()
    expect(lost).to_be_hidden()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is made and works from now on")).to_be_visible()
    assert AutomationRule.objects.get().name == "Typed in vain?"


def test_a_form_is_not_left_with_what_was_typed_by_mistake(cast: Cast, log_in: LogIn) -> None:
    page = log_in(cast.editor.username)
    page.goto("/admin/automations/rules/new/?with=failed")
    page.get_by_label("Name").first.fill("Nearly lost")
    page.once("dialog", lambda asked: asked.dismiss())
    page.get_by_role("link", name="Back to the rules").click()
    expect(page.get_by_label("Name").first).to_have_value("Nearly lost")
    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("link", name="Back to the rules").click()
    expect(page.get_by_text("No rules yet")).to_be_visible()


def test_a_message_is_looked_at_and_replayed(cast: Cast, log_in: LogIn) -> None:
    page = log_in(cast.editor.username)
    page.goto("/admin/automations/webhooks/")
    page.get_by_role("link", name="New webhook").click()
    page.get_by_label("Name").fill("Shop")
    accessible(page)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_label("Secret", exact=True)).not_to_have_value("")
    accessible(page)
    endpoint = create_endpoint(tenant=cast.tenant, name="Bank", scheme="github", now=utcnow()).endpoint
    values = {
        "name": "Paid",
        "trigger": {"kind": "webhook", "endpoint": str(endpoint.uid)},
        "actions": [{"kind": "create_jobs", "jobs": [{"workflow": "letters"}]}],
    }
    create_rule(tenant=cast.tenant, values=values, now=utcnow())
    delivery = WebhookDelivery.objects.create(
        tenant=cast.tenant, endpoint=endpoint, delivery_id="d-1", event_type="paid", body=b'{"total": 5}',
        payload={"total": 5}, state="fired", received_at=utcnow(),
    )  # fmt: skip
    page.goto(f"/admin/automations/webhooks/{endpoint.uid}/")
    accessible(page)
    page.locator(f"a[href$='{delivery.uid}/']").click()
    accessible(page)
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("It was told to 1 rule again.")).to_be_visible()
    page.get_by_role("link", name="Paid", exact=True).click()
    accessible(page)
    assert Firing.objects.get().delivery == delivery


@pytest.mark.parametrize("scheme", ["standard", "github", "stripe", "slack", "plain"])
def test_the_commands_shown_with_a_secret_really_send_a_message(cast: Cast, log_in: LogIn, scheme: str) -> None:
    page = log_in(cast.editor.username)
    page.goto("/admin/automations/webhooks/new/")
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Who sends to it").select_option(scheme)
    page.get_by_label("Secret").fill("whsec_" + "QUJD" * 8)
    page.get_by_role("button", name="Make it").click()
    page.get_by_text("Try it from a shell").click()
    accessible(page)
    commands = page.get_by_label("Commands for a shell").input_value()
    answer = subprocess.run(["sh", "-c", commands], capture_output=True, text=True, timeout=30, check=True).stdout
    assert re.match(r"HTTP/1.1 202 ", answer), answer
    assert WebhookDelivery.objects.get().payload["type"] == "test"
