"""A product manager's way through the workbench: from an empty tenant to a workflow that was rolled back."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tenants.services import create_api_key
from tests.browser.axe import grave_problems
from tests.chaos.fleet import Fleet, environment, fleet
from tests.conftest import url_of_test_database
from tests.factories import Cast, make_cast, make_queue

pytestmark = pytest.mark.timeout(300)
LogIn = Callable[[str], Page]
#: Longer than a page renews itself, on a machine that does a dozen other things.
SOON = 45_000
SAMPLES = ["Where is my invoice?", "The app has crashed", "An invoice is wrong", "Hello", "It crashed after login"]
LABELS = {"billing": "invoice", "technical": "crashed"}


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """People of a tenant that has no workflow yet."""
    make_queue()
    return make_cast("acme")


@pytest.fixture
def worker(cast: Cast, tmp_path: Path) -> Iterator[Fleet]:
    """A real worker on the test's database, which hears what the live server sends."""
    env = environment(
        tmp_path, database=url_of_test_database(), broker=settings.BROKER_URL, VAR_DIR=str(settings.VAR_DIR)
    )
    with fleet(env, tmp_path) as workers:
        workers.worker(children=1)
        yield workers


@pytest.fixture
def send(cast: Cast, live_server: LiveServer) -> Callable[[str], dict[str, Any]]:
    """Send a job of a text by the API, as another system does."""
    key = create_api_key(tenant=cast.tenant, name="shop", scopes=["jobs:write"]).clear

    def sending(text: str) -> dict[str, Any]:
        body = json.dumps({"workflow": "order-letters", "payload": {"text": text}}).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{live_server.url}/api/v1/jobs", body, headers)  # noqa: S310 - our own address
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            assert answer.status == 201
            found: dict[str, Any] = json.loads(answer.read())
            return found

    return sending


def stop_at(page: Page) -> None:
    """Stop at a page: everybody can use it."""
    assert grave_problems(page) == [], page.url


def stay(page: Page) -> None:
    page.evaluate("window.notReloaded = true")


def stayed(page: Page) -> bool:
    return bool(page.evaluate("window.notReloaded === true"))


def add(page: Page, kind: str) -> None:
    page.get_by_role("link", name="Add a step").click()
    page.locator(".bd-kindcard", has_text=kind).click()
    expect(page.locator("#step-form")).to_be_visible()


def save(page: Page, told: str) -> None:
    page.keyboard.press("Control+s")
    expect(page.locator("#told")).to_contain_text(told)


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Order letters").get_by_role("link", name=name, exact=True).click()


def make_it(page: Page) -> None:
    """Make the workflow, its field and its three steps."""
    expect(page.get_by_role("heading", name="No workflows yet")).to_be_visible()
    stop_at(page)
    page.get_by_role("link", name="New workflow").first.click()
    page.get_by_label("Name").fill("Order letters")
    page.get_by_label("One item is called").fill("Letter")
    page.get_by_label("Many are called").fill("Letters")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("link", name="Fields").click()
    page.get_by_role("button", name="Add a field").click()
    page.keyboard.type("Text")
    page.get_by_label("Required").check()
    save(page, "Fields: added text.")

    add(page, "Classify")
    for label, words in LABELS.items():
        page.get_by_role("button", name="Add label").click()
        page.locator('[name^="config.labels."][name$=".name"]').last.fill(label)
        page.get_by_role("button", name="Add words").last.click()
        page.locator('[name^="config.labels."][name$=".words"]').last.fill(words)
    page.locator('[name="config.by"]').select_option("rules")
    save(page, "of 'Classify' changed.")

    add(page, "Choose a route")
    page.get_by_role("button", name="Add route").click()
    route = page.locator("[data-list][data-name='config.routes'] [data-row]").first
    route.get_by_label("row 1: field").select_option("record.label")
    route.get_by_label("row 1: test").select_option("is")
    route.get_by_label("row 1: value").fill("technical")
    page.locator('[name^="config.routes."][name$=".to"]').first.fill("urgent")
    page.locator('[name="config.default.to"]').fill("later")
    save(page, "of 'Choose a route' changed.")

    add(page, "Make fields")
    page.get_by_role("button", name="Add field").first.click()
    page.locator('[name^="config.fields."][name$=".name"]').first.fill("answer")
    text = page.locator('[name^="config.fields."][name$=".template"]').first
    text.press_sequentially("We look at it {{")
    page.keyboard.type("route")
    page.keyboard.press("Enter")
    expect(text).to_have_value("We look at it {{ record.route }}")
    save(page, "of 'Make fields' changed.")
    expect(page.get_by_text("Nothing to fix")).to_be_visible()
    stop_at(page)


def try_it_on_samples(page: Page) -> None:
    """Paste five samples, see the draft work on them, and judge the second, which becomes golden."""
    open_tab(page, "Test")
    page.get_by_role("link", name="Add samples").first.click()
    page.get_by_role("textbox", name="Samples").fill("\n".join(SAMPLES))
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("5 samples added.")).to_be_visible()
    page.get_by_role("button", name="Run the test").click()
    expect(page.locator("#live")).to_be_visible()
    stay(page)
    expect(page.locator("[data-row]")).to_have_count(5, timeout=SOON)
    expect(page.locator("#live .tf-badge", has_text="Done")).to_be_visible(timeout=SOON)
    crashed = page.locator("[data-row]", has_text=SAMPLES[1])
    expect(crashed).to_contain_text("We look at it urgent")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(crashed).to_be_focused()
    page.keyboard.press("d")
    expect(crashed.locator(".tf-badge", has_text="Golden")).to_be_visible()
    assert stayed(page)
    stop_at(page)


def ask_the_gate(page: Page, answer: str) -> None:
    """Have the golden samples tested on the page that publishes; the answer comes by itself."""
    page.get_by_role("button", name=re.compile("Test again|Test the golden samples")).click()
    expect(page.get_by_text("1 golden sample is being tested")).to_be_visible()
    stay(page)
    expect(page.locator("#live .tf-badge")).to_have_text(answer, timeout=SOON)
    assert stayed(page)


def publish_first(page: Page) -> None:
    open_tab(page, "Versions")
    page.get_by_role("link", name="Publish …").click()
    ask_the_gate(page, "Passed")
    page.get_by_label("What changed, for the others").fill("The first, by words.")
    stop_at(page)
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("Version 1 is published: new jobs run it.")).to_be_visible()
    expect(page.get_by_text("The first, by words.")).to_be_visible()


def watch_a_job(page: Page, send: Callable[[str], dict[str, Any]]) -> None:
    """See a job that another system sends arrive and finish, in the list and on its own page."""
    open_tab(page, "Letters")
    expect(page.get_by_role("heading", name="No letters yet")).to_be_visible()
    stop_at(page)
    stay(page)
    job = send("The shop has crashed")
    assert job["version"] == 1
    row = page.locator("tbody tr")
    expect(row).to_have_count(1, timeout=SOON)
    expect(row).to_contain_text("Succeeded", timeout=SOON)
    assert stayed(page)
    stop_at(page)
    row.get_by_role("link").click()
    expect(page.locator("dl", has_text="We look at it urgent")).to_be_visible()
    expect(page.locator(".tf-facts").first).to_contain_text("Order letters v1")
    stop_at(page)


def change_and_publish(page: Page) -> None:
    """Change what the last step says, see the difference, and publish although a golden sample breaks."""
    open_tab(page, "Steps")
    page.get_by_role("link", name="Make fields Make fields").click()
    page.locator('[name^="config.fields."][name$=".template"]').first.fill("We care for it {{ record.route }}")
    save(page, "of 'Make fields' changed.")
    page.get_by_role("link", name="Publish", exact=True).click()
    page.get_by_role("link", name="Publish …").click()
    expect(page.locator("del", has_text="look at")).to_be_visible()
    expect(page.locator("ins", has_text="care for")).to_be_visible()
    ask_the_gate(page, "Closed")
    expect(page.get_by_text("breaks golden samples")).to_be_visible()
    stop_at(page)
    page.get_by_label("What changed, for the others").fill("Sounds kinder.")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("Test it first, or say why")).to_be_visible()
    expect(page.get_by_label("What changed, for the others")).to_have_value("Sounds kinder.")
    page.get_by_label("Why it should go live all the same").fill("The new wording is what we want.")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("Version 2 is published: new jobs run it.")).to_be_visible()


def test_from_an_empty_tenant_to_a_workflow_that_was_rolled_back(
    log_in: LogIn, worker: Fleet, send: Callable[[str], dict[str, Any]]
) -> None:
    page = log_in("editor@acme.test")
    page.get_by_role("link", name="Workflows").first.click()
    make_it(page)
    try_it_on_samples(page)
    publish_first(page)
    watch_a_job(page, send)
    change_and_publish(page)
    assert send("My invoice")["version"] == 2

    expect(page.locator("#version-1")).to_contain_text("The first, by words.")
    expect(page.locator("#version-2")).to_contain_text("Sounds kinder.")
    stop_at(page)
    page.get_by_role("button", name="Roll back to version 1", exact=True).click()
    expect(page.get_by_text("New jobs run version 1.")).to_be_visible()
    expect(page.locator("#version-1 .tf-badge", has_text="Live")).to_be_visible()
    expect(page.get_by_role("button", name="Undo: back to version 2")).to_be_visible()
    stop_at(page)

    job = send("Where is my invoice?")
    assert job["version"] == 1
    page.goto(f"/admin/jobs/job/{job['id']}/change/")
    expect(page.locator(".tf-head .tf-badge", has_text="Succeeded")).to_be_visible(timeout=SOON)
    expect(page.locator("dl", has_text="We look at it later")).to_be_visible()
    open_tab(page, "Letters")
    expect(page.locator("tbody tr")).to_have_count(3)
