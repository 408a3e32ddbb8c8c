"""Testing a draft on samples, in a real browser, with a worker beside it."""

import re
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from jobs.models import Trial
from jobs.runtime.trials import run_trial
from tests.browser.axe import grave_problems
from tests.factories import make_cast, make_queue, make_workflow
from workflows.models import Step, Workflow

LogIn = Callable[[str], Page]
FIELDS = [{"key": "text", "label": "Question", "required": True}, {"key": "team", "role": "output"}]
STEP = {"kind": "python", "config": {"function": "echo", "params": {"team": "Fees"}}}


@pytest.fixture
def workflow(transactional_db: None) -> Workflow:
    make_queue()
    cast = make_cast("acme")
    found = make_workflow(cast.tenant, "tickets", steps=[STEP], version={"fields": FIELDS}, name="Tickets")
    step = Step.objects.get(version__draft_of=found)
    step.config = {"function": "echo", "params": {"team": "Cards"}}
    step.save()
    return found


@pytest.fixture
def worker(workflow: Workflow) -> Iterator[threading.Event]:
    """Work on whatever test is started, once it may: the page is there before the first row."""
    may, over = threading.Event(), threading.Event()

    def work() -> None:
        while not over.wait(0.1):
            if may.is_set():
                for pk in Trial.objects.filter(state="running").values_list("pk", flat=True):
                    run_trial(pk, slots=1)
        connection.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield may
    over.set()
    thread.join()


def test_samples_are_pasted_run_over_and_judged_by_keys(
    workflow: Workflow, worker: threading.Event, log_in: LogIn
) -> None:
    page = log_in("editor@acme.test")
    page.goto("/admin/build/tickets/test/")
    page.get_by_role("link", name="Add samples").first.click()
    page.get_by_role("textbox", name="Samples").fill("one\ntwo\nthree\nfour\nfive")
    assert grave_problems(page) == []
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("5 samples added.")).to_be_visible()
    assert grave_problems(page) == []

    page.get_by_role("button", name="Run the test").click()
    expect(page.get_by_text("The first rows come soon")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    worker.set()
    expect(page.locator("[data-row]")).to_have_count(5)
    expect(page.locator("#live .tf-badge", has_text="Done")).to_be_visible()
    assert page.evaluate("window.notReloaded")
    assert grave_problems(page) == []

    page.keyboard.press("j")
    page.keyboard.press("d")
    expect(page.get_by_text("the draft is right")).to_be_visible()
    expect(page.get_by_role("link", name="Fixed 1")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("l")
    expect(page.get_by_role("link", name="Broken 1")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_role("link", name="Broken 0")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.locator("#expected-dialog").get_by_label("Team").fill("Cards")
    assert grave_problems(page) == []
    page.locator("#expected-dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Fixed 2")).to_be_visible()
    assert page.evaluate("window.notReloaded")

    page.get_by_role("link", name="Fixed 2").click()
    expect(page).to_have_url(re.compile("show=fixed"))
    expect(page.locator("[data-row]")).to_have_count(2)
    golden = [sample.expected for sample in workflow.samples.order_by("pk")]
    assert golden == [{"team": "Cards"}, None, {"team": "Cards"}, None, None]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_tests_hold_nobody_up(
    workflow: Workflow, worker: threading.Event, log_in: LogIn, scheme: str
) -> None:
    workflow.samples.create(input={"text": "one"}, expected={"team": "Fees"}, name="A question")
    worker.set()
    page = log_in("editor@acme.test")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/admin/build/tickets/test/")
    page.get_by_role("button", name="Run the test").click()
    expect(page.locator("[data-row]")).to_have_count(1)
    base, run = "/admin/build/tickets/test/", page.url
    ways = [f"{base}samples/add/?way={way}" for way in ("paste", "form", "upload", "jobs")]
    for address in [run, base, f"{base}samples/{workflow.samples.get().pk}/", *ways]:
        page.goto(address)
        assert grave_problems(page) == [], address
