"""The review inbox by keyboard, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs.models import Review
from tests.browser.scene import Scene, build_scene
from tests.factories import PASSWORD, make_cast

LogIn = Callable[[str], Page]
INBOX = "/admin/jobs/review/inbox/"


@pytest.fixture
def scene(transactional_db: None) -> Scene:
    return build_scene(make_cast("acme"), jobs=6)


@pytest.fixture
def page(scene: Scene, log_in: LogIn) -> Page:
    page = log_in("reviewer@acme.test")
    with page.expect_response("**/claim/"):
        page.goto(INBOX)
    return page


def item(page: Page, review: Review) -> None:
    """Wait until the page shows this review."""
    expect(page.locator("[data-review]")).to_have_attribute("data-review", str(review.uid))


def test_reviews_are_stepped_through_and_approved_by_keys(page: Page, scene: Scene) -> None:
    first, second, third = scene.reviews
    item(page, first)
    page.keyboard.press("j")
    item(page, second)
    page.keyboard.press("j")
    item(page, third)
    page.keyboard.press("k")
    item(page, second)
    page.keyboard.press("k")
    item(page, first)
    page.keyboard.press("a")
    item(page, second)
    expect(page.get_by_text("Approved: Read the fields")).to_be_visible()
    expect(page.locator("#live").get_by_text("2 open")).to_be_visible()
    first.refresh_from_db()
    assert (first.state, first.decision, first.decided_by) == ("decided", "approve", "reviewer@acme.test")


def test_the_values_are_marked_in_the_text_they_came_from(page: Page) -> None:
    expect(page.locator("mark", has_text="BLUE ANCHOR STORES LTD")).to_be_visible()
    expect(page.locator("mark", has_text="15/01/2019")).to_be_visible()
    expect(page.locator("mark", has_text="193.00").first).to_have_attribute("title", "Total")


def test_an_edit_is_typed_refused_put_right_and_saved_by_keys(page: Page, scene: Scene) -> None:
    first = scene.reviews[0]
    page.keyboard.press("e")
    company = page.get_by_label("Company")
    expect(company).to_be_focused()
    page.keyboard.type("A job's keys are text here")
    page.get_by_label("Total").fill("a lot")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("must be a number, not text")).to_be_visible()
    expect(page.get_by_label("Company")).to_have_value("A job's keys are text here")
    page.get_by_label("Total").fill("190")
    page.keyboard.press("Control+Enter")
    item(page, scene.reviews[1])
    first.refresh_from_db()
    assert first.decision == "edit"
    assert first.seconds is not None
    assert first.output == first.proposal | {"company": "A job's keys are text here", "total": 190}


def test_a_rejection_asks_for_the_reason(page: Page, scene: Scene) -> None:
    page.keyboard.press("r")
    reason = page.get_by_label("Why is it rejected?")
    expect(reason).to_be_focused()
    page.keyboard.press("Escape")
    expect(reason).to_be_hidden()
    page.keyboard.press("r")
    page.keyboard.type("not a receipt")
    page.keyboard.press("Control+Enter")
    item(page, scene.reviews[1])
    scene.reviews[0].refresh_from_db()
    assert (scene.reviews[0].decision, scene.reviews[0].comment) == ("reject", "not a receipt")


def test_a_decision_is_undone_by_a_key(page: Page, scene: Scene) -> None:
    first, second, _ = scene.reviews
    page.keyboard.press("a")
    item(page, second)
    page.keyboard.press("u")
    item(page, first)
    first.refresh_from_db()
    assert first.state == "open"
    expect(page.locator("[data-toast]")).to_have_count(0)


def test_the_keys_are_told_and_the_last_decision_leaves_an_empty_inbox(page: Page, scene: Scene) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    for _ in scene.reviews:
        with page.expect_navigation():
            page.keyboard.press("a")
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    assert Review.objects.filter(state="open").count() == 0


def test_two_reviewers_at_once_see_each_other_and_one_decides(
    page: Page, scene: Scene, browser: Browser, live_server: LiveServer
) -> None:
    first, second, _ = scene.reviews
    item(page, first)
    other = browser.new_context(base_url=live_server.url).new_page()
    other.goto("/admin/login/")
    other.fill("[name=username]", "owner@acme.test")
    other.fill("[name=password]", PASSWORD)
    other.click("button[type=submit]")
    other.wait_for_url("**/admin/")
    with other.expect_response("**/claim/"):
        other.goto(INBOX)
    item(other, second)
    other.goto(f"{INBOX}?item={first.uid}")
    expect(other.get_by_text("reviewer@acme.test is on it")).to_be_visible()
    expect(other.get_by_role("button", name="Approve")).to_be_disabled()
    page.keyboard.press("a")
    item(page, second)
    expect(other.get_by_text("reviewer@acme.test approved it")).to_be_visible()
    other.context.close()


def test_the_count_in_the_sidebar_moves_by_itself(page: Page, scene: Scene) -> None:
    badge = page.locator("[data-count-url]").first
    expect(badge).to_have_text("3")
    Review.objects.filter(pk=scene.reviews[2].pk).update(state="cancelled")
    expect(badge).to_have_text("2")
