"""The builder in a real browser: a workflow from nothing, by mouse and by keyboard."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import APIResponse, BrowserContext, Locator, Page, Route, expect

from taskflow.lib.clock import utcnow
from tests.browser.axe import grave_problems
from tests.factories import PASSWORD, make_cast, make_workflow
from workflows.models import Workflow
from workflows.queries import content_of, get_draft
from workflows.services import publish

LogIn = Callable[[str], Page]
MAKE = {"fields": [{"name": "x", "template": "y"}]}
STEPS = [{"key": key, "kind": "transform", "config": MAKE} for key in "abc"]


@pytest.fixture
def page(transactional_db: None, log_in: LogIn) -> Page:
    make_cast("acme")
    return log_in("editor@acme.test")


def add(page: Page, kind: str) -> None:
    page.get_by_role("link", name="Add a step").click()
    page.locator(".bd-kindcard", has_text=kind).click()
    expect(page.locator("#step-form")).to_be_visible()


def save(page: Page, told: str) -> None:
    page.keyboard.press("Control+s")
    expect(page.locator("#told")).to_contain_text(told)


def names(page: Page) -> Locator:
    return page.locator(".bd-stepname")


def stored(slug: str = "sort-tickets") -> Any:
    draft = get_draft(Workflow.objects.get(slug=slug))
    assert draft is not None
    return content_of(draft)


def test_a_workflow_of_three_steps_is_built_from_nothing(page: Page) -> None:
    page.goto("/admin/workflows/workflow/")
    page.get_by_role("link", name="New workflow").first.click()
    page.get_by_label("Name").fill("Sort tickets")
    page.get_by_label("One item is called").fill("Ticket")
    page.get_by_label("Many are called").fill("Tickets")
    page.get_by_role("radio", name="Support").check(force=True)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("What is to happen next?")).to_be_visible()

    # Its field, by keyboard where it is quicker.
    page.get_by_role("link", name="Fields").click()
    page.get_by_role("button", name="Add a field").click()
    page.keyboard.type("Text")
    page.get_by_label("Required").check()
    save(page, "Fields: added text.")

    # A step that sorts by words. It is wrong until it has labels, and says so at once.
    add(page, "Classify")
    expect(page.get_by_text("1 thing to fix before publishing")).to_be_visible()
    page.get_by_label("Name", exact=True).first.fill("Find the topic")
    expect(page.locator("#step-key")).to_have_value("find_the_topic")
    for label, words in (("billing", "invoice"), ("technical", "crash")):
        page.get_by_role("button", name="Add label").click()
        page.locator('[name^="config.labels."][name$=".name"]').last.fill(label)
        page.get_by_role("button", name="Add words").last.click()
        page.locator('[name^="config.labels."][name$=".words"]').last.fill(words)
    page.locator('[name="config.by"]').select_option("rules")
    save(page, "of 'Find the topic' changed.")
    expect(page.get_by_text("Nothing to fix")).to_be_visible()

    # A step that makes a field. A misspelt step is told where it stands, and is gone once it is put right.
    add(page, "Make fields")
    page.get_by_role("button", name="Add field").first.click()
    page.locator('[name^="config.fields."][name$=".name"]').first.fill("team")
    template = page.locator('[name^="config.fields."][name$=".template"]').first
    template.fill("{{ steps.find_the_tropic.label }}")
    expect(page.locator("#step-form")).to_contain_text("there is no step 'find_the_tropic'")
    expect(page.locator('[data-count="make_fields"]')).to_be_visible()
    template.fill("{{ steps.find_the_topic.label }}")
    expect(page.locator("#step-form")).not_to_contain_text("there is no step")
    expect(page.locator('[data-count="make_fields"]')).to_be_hidden()
    save(page, "of 'Make fields' changed.")

    # A route, added as the last and dragged before the step that makes the field.
    add(page, "Choose a route")
    page.get_by_role("button", name="Add route").click()
    page.locator('[name^="config.routes."][name$=".to"]').first.fill("billing")
    route = page.locator("[data-row]").first
    route.get_by_role("button", name="Write it as an expression").click()
    page.locator('[name^="config.routes."][name$=".when"]').first.fill("record.label == 'billing'")
    save(page, "of 'Choose a route' changed.")
    expect(page.get_by_text("1 thing to look at")).to_be_visible()
    page.locator('[data-step="choose_a_route"] .bd-handle').drag_to(page.locator('[data-step="make_fields"]'))
    expect(names(page)).to_have_text(["Find the topic", "Choose a route", "Make fields"])
    expect(page.locator("#told")).to_contain_text("moved to place 2")

    # And back by keyboard: the focus stays with the step.
    page.locator("#open-choose_a_route").focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(names(page)).to_have_text(["Find the topic", "Make fields", "Choose a route"])
    expect(page.locator("#open-choose_a_route")).to_be_focused()
    page.keyboard.press("Alt+ArrowUp")
    expect(names(page)).to_have_text(["Find the topic", "Choose a route", "Make fields"])

    content = stored()
    assert content.keys == ["find_the_topic", "choose_a_route", "make_fields"]
    assert content.step("make_fields").config["fields"] == [
        {"name": "team", "template": "{{ steps.find_the_topic.label }}"}
    ]
    assert content.step("choose_a_route").config["routes"] == [{"to": "billing", "when": "record.label == 'billing'"}]
    assert publish(workflow=Workflow.objects.get(), now=utcnow()).number == 1


@pytest.fixture
def workflow(page: Page) -> Workflow:
    from tenants.models import Tenant

    return make_workflow(Tenant.objects.get(slug="acme"), "w", steps=STEPS)


def test_a_deleted_step_comes_back_and_the_address_names_what_is_open(page: Page, workflow: Workflow) -> None:
    page.goto("/admin/build/w/?step=b")
    expect(page.get_by_label("Name", exact=True).first).to_have_value("B")
    page.get_by_label("More for B").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#told")).to_contain_text("Step 'B' deleted.")
    expect(names(page)).to_have_text(["A", "C"])
    page.locator("#told").get_by_role("button", name="Undo").click()
    expect(names(page)).to_have_text(["A", "B", "C"])
    assert page.url.endswith("/admin/build/w/?step=b")
    page.get_by_role("link", name="C Make fields").click()
    expect(page.get_by_label("Name", exact=True).first).to_have_value("C")
    assert page.url.endswith("?step=c")
    page.go_back()
    expect(page.get_by_label("Name", exact=True).first).to_have_value("B")
    page.reload()
    expect(page.get_by_label("Name", exact=True).first).to_have_value("B")


def test_two_people_see_one_another_and_nothing_typed_is_lost(
    page: Page, workflow: Workflow, context: BrowserContext, log_in: LogIn
) -> None:
    page.goto("/admin/build/w/?step=a")
    page.get_by_label("Name", exact=True).first.fill("Mine")
    other = context.browser.new_context(base_url=page.url.partition("/admin")[0])  # type: ignore[union-attr]
    hers = other.new_page()
    hers.goto("/admin/login/")
    hers.fill("[name=username]", "owner@acme.test")
    hers.fill("[name=password]", "correct horse")
    hers.click("button[type=submit]")
    hers.goto("/admin/build/w/?step=a")
    expect(hers.locator("#news")).to_contain_text("editor@acme.test (at “A”) has this draft open too.")
    hers.get_by_label("Name", exact=True).first.fill("Hers")
    save(hers, "Name of 'Hers' changed.")
    expect(page.locator("#news")).to_contain_text("Name of 'Hers' changed", timeout=20_000)
    expect(page.get_by_label("Name", exact=True).first).to_have_value("Mine")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing of yours is saved yet, and nothing is lost.")
    expect(page.get_by_label("Name", exact=True).first).to_have_value("Mine")
    page.get_by_role("button", name="Save mine").click()
    expect(names(page)).to_have_text(["Mine", "B", "C"])
    expect(hers.locator(".bd-stepname").first).to_have_text("Mine", timeout=20_000)
    other.close()


def test_news_that_come_before_the_answer_to_an_edit_do_not_take_one_back(page: Page, workflow: Workflow) -> None:
    page.goto(f"/admin/build/{workflow.slug}/?panel=add")
    held: list[tuple[Route, APIResponse]] = []
    renewals: list[Route] = []
    page.route("**/edit/", lambda route: held.append((route, route.fetch())))
    page.route("**/?panel=add", lambda route: renewals.append(route))
    page.locator(".bd-kindcard", has_text="Make fields").click()
    page.evaluate("htmx.trigger('#presence', 'load')")
    expect(page.locator("#news [data-moved]")).to_be_attached()
    (route, answer), *_ = held
    route.fulfill(response=answer)
    expect(page.locator("#step-form")).to_be_visible()
    assert renewals == []


def test_who_is_logged_out_meanwhile_loses_nothing(page: Page, workflow: Workflow) -> None:
    page.goto("/admin/build/w/?step=b")
    page.locator("#step-name").fill("Precious words")
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("Control+s")
    expect(page.locator("#trouble")).to_contain_text("You are logged out. What you typed is still here")
    expect(page.locator("#step-name")).to_have_value("Precious words")
    with page.context.expect_page() as opened:
        page.locator("#trouble").get_by_role("link", name="Log in").click()
    other = opened.value
    other.fill("[name=username]", "editor@acme.test")
    other.fill("[name=password]", PASSWORD)
    other.click("button[type=submit]")
    other.wait_for_url("**/admin/build/**")
    other.close()
    page.locator("#step-name").press("Control+s")
    expect(page.locator("#told")).to_contain_text("changed")
    assert stored("w").steps[1].name == "Precious words"


def test_leaving_what_is_not_saved_is_asked_about(page: Page, workflow: Workflow) -> None:
    page.goto("/admin/build/w/?step=a")
    page.get_by_label("Name", exact=True).first.fill("Mine")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("link", name="B Make fields").click()
    expect(page.get_by_label("Name", exact=True).first).to_have_value("Mine")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="B Make fields").click()
    expect(page.get_by_label("Name", exact=True).first).to_have_value("B")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(page: Page, workflow: Workflow, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for query in ("", "?step=a", "?panel=fields", "?panel=settings", "?panel=add", "?panel=import"):
        page.goto(f"/admin/build/w/{query}")
        assert grave_problems(page) == [], query
    page.goto("/admin/build/new/")
    assert grave_problems(page) == []
    page.goto("/admin/build/w/delete/")
    assert grave_problems(page) == []


def test_it_works_on_a_phone(page: Page, workflow: Workflow) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/build/w/")
    page.get_by_role("link", name="B Make fields").click()
    expect(page.get_by_label("Name", exact=True).first).to_have_value("B")
    expect(page.locator(".bd-steps")).to_be_hidden()
    page.get_by_role("link", name="All steps").click()
    page.get_by_label("Move B up").click()
    expect(names(page)).to_have_text(["B", "A", "C"])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
