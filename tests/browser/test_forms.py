"""Forms of configs, on the builder's page, by mouse and by keyboard."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import grave_problems
from tests.factories import make_cast
from workflows.domain.definition import Definition
from workflows.models import Step, Workflow
from workflows.services.files import import_workflow

LogIn = Callable[[str], Page]
FIELDS = [
    {"key": "text", "label": "Question", "required": True},
    {"key": "amount", "label": "Amount", "type": "number"},
]
MAKE = {"key": "make", "kind": "transform", "config": {"fields": [{"name": "topic", "template": "{{ payload.text }}"}]}}
ROUTES = [
    {"to": "cards", "when": 'record.topic == "cards"'},
    {"to": "large", "when": "payload.amount > 100 && payload.text.matches('x+')"},
]
ROUTE = {"key": "route", "name": "Choose", "kind": "route", "config": {"routes": ROUTES}}
LAST = {
    "key": "last",
    "name": "The last one",
    "kind": "transform",
    "config": {"fields": [{"name": "a", "template": "b"}]},
}


@pytest.fixture
def open_step(transactional_db: None, log_in: LogIn) -> Callable[..., Page]:
    """Open the builder at one step of a workflow made of the given steps."""

    def opening(key: str, *steps: dict[str, Any]) -> Page:
        cast = make_cast("acme")
        data = {"slug": "tickets", "name": "Tickets", "fields": FIELDS, "steps": steps}
        import_workflow(tenant=cast.tenant, definition=Definition.model_validate(data))
        page = log_in("editor@acme.test")
        page.goto(f"/admin/build/tickets/?step={key}")
        return page

    return opening


def config_of(key: str) -> Any:
    return Step.objects.get(version__draft_of=Workflow.objects.get(), key=key).config


def save(page: Page) -> None:
    with page.expect_response(lambda response: response.request.method == "POST" and "check" not in response.url):
        page.locator(".bd-save button[name=action]").click()
    expect(page.locator("#builder[data-unsaved]")).to_have_count(0)


def rows(page: Page, name: str) -> Locator:
    return page.locator(f"[data-list][data-name='{name}'] > [data-items] > [data-row]")


def test_rows_are_added_moved_and_removed_by_keyboard(open_step: Callable[..., Page]) -> None:
    page = open_step("route", MAKE, ROUTE, LAST)
    routes = rows(page, "config.routes")
    expect(routes).to_have_count(2)
    page.get_by_role("button", name="Add route").press("Enter")
    expect(routes).to_have_count(3)
    expect(routes.nth(2).get_by_label("row 1: field")).to_be_focused()
    routes.nth(2).get_by_label("Route", exact=False).last.fill("third")
    page.get_by_role("button", name="Move up: route 3").press("Enter")
    expect(page.get_by_role("button", name="Move up: route 2")).to_be_focused()
    page.get_by_role("button", name="Remove: route 3").press("Enter")
    expect(routes).to_have_count(2)
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(routes).to_have_count(3)
    page.get_by_role("button", name="Remove: route 1").click()
    routes.nth(0).get_by_label("row 1: field").select_option("payload.amount")
    routes.nth(0).get_by_label("row 1: test").select_option("more")
    routes.nth(0).get_by_label("row 1: value").fill("50")
    save(page)
    found = config_of("route")["routes"]
    assert [route["to"] for route in found] == ["third", "large"]
    assert found[0]["when"] == "has(payload.amount) && payload.amount != null && payload.amount > 50"
    assert found[1] == ROUTES[1]


def test_a_condition_is_changed_by_rows_and_as_an_expression(open_step: Callable[..., Page]) -> None:
    page = open_step("route", MAKE, ROUTE, LAST)
    first = rows(page, "config.routes").nth(0)
    first.locator("summary").first.click()
    expect(first.get_by_label("row 1: field")).to_have_value("record.topic")
    first.get_by_label("row 1: test").select_option("one_of")
    first.get_by_label("row 1: values").fill("cards\nfees")
    first.get_by_role("button", name="Write it as an expression").click()
    source = first.locator("textarea[name='config.routes.0.when']")
    expect(source).to_have_value('record.topic in ["cards", "fees"]')
    source.fill("")
    first.get_by_role("button", name="Insert a value").click()
    page.keyboard.type("topic")
    page.keyboard.press("Enter")
    expect(source).to_have_value("record.topic")
    source.fill("record.topic.matches('c.*')")
    first.get_by_role("button", name="Choose from lists instead").click()
    expect(first.get_by_text("This says more than rows can")).to_be_visible()
    source.fill("!(record.topic == ")
    first.get_by_role("button", name="Choose from lists instead").click()
    expect(first.get_by_text("ends too early").first).to_be_visible()
    source.fill("record.topic != 'cards'")
    first.get_by_role("button", name="Choose from lists instead").click()
    expect(first.get_by_label("row 1: test")).to_have_value("is_not")
    first.get_by_role("button", name="Add a row").click()
    first.get_by_label("row 2: field").select_option("payload.text")
    first.get_by_label("row 2: test").select_option("contains")
    first.get_by_label("row 2: value").fill("Stolen")
    first.get_by_label("how the rows go together").select_option("any")
    save(page)
    there = "has(payload.text) && payload.text != null"
    made = f'record.topic != "cards" || ({there} && lower(payload.text).contains("stolen"))'
    assert config_of("route")["routes"][0]["when"] == made
    expect(first.locator("[data-summary]")).to_contain_text("Question contains stolen")


def test_two_fields_are_compared(open_step: Callable[..., Page]) -> None:
    page = open_step("route", MAKE, ROUTE, LAST)
    first = rows(page, "config.routes").nth(0)
    first.locator("summary").first.click()
    first.get_by_label("row 1: test").select_option(label="is not the same as")
    expect(first.get_by_text("Choose the field to compare with.")).to_be_visible()
    first.get_by_label("row 1: field to compare with").select_option("payload.text")
    expect(first.get_by_text("Choose the field to compare with.")).to_be_hidden()
    first.get_by_role("button", name="Add a row").click()
    first.get_by_label("row 2: field", exact=False).first.select_option("payload.amount")
    first.get_by_label("row 2: test").select_option("field:more")
    first.get_by_label("row 2: field to compare with").select_option(label="Another field …")
    first.get_by_label("row 2: field to compare with").fill("record.limit")
    save(page)
    same = "!(has(payload.text) && record.topic == payload.text)"
    there = "has(payload.amount) && payload.amount != null && record.limit != null"
    assert (
        config_of("route")["routes"][0]["when"] == f"{same} && {there} && number(payload.amount) > number(record.limit)"
    )
    expect(first.locator("[data-summary]")).to_contain_text("is not the same as Question")


def test_a_value_is_inserted_by_typing_two_brackets(open_step: Callable[..., Page]) -> None:
    page = open_step("make", MAKE, ROUTE, LAST)
    text = page.locator("textarea[name='config.fields.0.template']")
    text.fill("")
    text.press_sequentially("Dear {{")
    expect(page.get_by_role("combobox", name="Search the values")).to_be_focused()
    page.keyboard.type("amou")
    expect(page.get_by_role("listbox", name="Values").get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(text).to_be_focused()
    expect(text).to_have_value("Dear {{ payload.amount }}")
    page.keyboard.type(", ")
    page.get_by_role("button", name="Insert a value").first.click()
    page.keyboard.press("ArrowDown")
    assert grave_problems(page) == []
    page.keyboard.press("Escape")
    expect(text).to_be_focused()
    expect(page.get_by_role("listbox", name="Values")).to_have_count(0)
    save(page)
    assert config_of("make")["fields"] == [{"name": "topic", "template": "Dear {{ payload.amount }}, "}]


def test_a_choice_brings_its_own_controls(open_step: Callable[..., Page]) -> None:
    rule = {"rule": "constant", "value": "x"}
    read = {"key": "read", "kind": "extract", "config": {"fields": [{"name": "code", "rules": [rule]}]}}
    page = open_step("read", read)
    only = rows(page, "config.fields.0.rules").nth(0)
    only.get_by_label("Rule", exact=True).select_option("key_value")
    only.get_by_label("Keys").fill("Order no\nOrder")
    expect(only.locator("> details > summary")).to_contain_text("Order no")
    save(page)
    wanted = [{"rule": "key_value", "keys": ["Order no", "Order"]}]
    assert config_of("read")["fields"] == [{"name": "code", "rules": wanted}]


def test_mistakes_are_told_at_their_place_also_after_moving(open_step: Callable[..., Page]) -> None:
    page = open_step("route", MAKE, ROUTE, LAST)
    page.get_by_role("button", name="Add route").click()
    page.get_by_role("button", name="Move up: route 3").click()
    blank = rows(page, "config.routes").nth(1)
    blank.get_by_label("row 1: field").select_option("record.topic")
    expect(blank.get_by_text("is missing").first).to_be_visible()
    expect(blank.get_by_label("Route", exact=False).last).to_have_attribute("aria-invalid", "true")
    expect(rows(page, "config.routes").nth(2).get_by_text("is missing")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_forms_can_be_used_by_everybody(open_step: Callable[..., Page], theme: str) -> None:
    page = open_step("route", MAKE, ROUTE, LAST)
    if theme == "dark":
        page.evaluate("document.documentElement.classList.add('dark')")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert grave_problems(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
