"""Making a view, keeping its address and exporting it, in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from jobs.domain.states import State
from jobs.models import IndexedField, JobExport, SavedView
from jobs.runtime.exports import run_export
from jobs.services.indexing import sync_published
from taskflow.lib.clock import utcnow
from tests.browser.axe import grave_problems
from tests.db.test_job_values import fill
from tests.factories import make_cast, make_job, make_workflow
from workflows.models import Workflow

LogIn = Callable[[str], Page]
FIELDS = [
    {"key": "question", "label": "Question", "in_list": True},
    {"key": "label", "label": "Label", "role": "output", "in_list": True},
]
LIST = "/admin/jobs/job/of/tickets/"


@pytest.fixture
def tickets(transactional_db: None) -> Workflow:
    cast = make_cast("acme")
    labels = {"label_singular": "Ticket", "label_plural": "Tickets"}
    workflow = make_workflow(cast.tenant, "tickets", version={"fields": FIELDS}, **labels)
    for number, label in enumerate(["refund", "spam", "refund", "other"]):
        result = {"label": label, "total": number * 10}
        make_job(workflow, State.SUCCEEDED, payload={"question": f"Question {number}"}, result=result)
    index(workflow)
    return workflow


def index(workflow: Workflow) -> None:
    """Do what a worker does in the background, without its waiting."""
    sync_published(now=utcnow())
    IndexedField.objects.filter(workflow=workflow).update(begins_at=utcnow().replace(year=2020))
    fill(workflow)


def test_a_view_is_made_bookmarked_changed_and_exported(tickets: Workflow, log_in: LogIn) -> None:
    page = log_in("operator@acme.test")
    page.goto(LIST)
    page.get_by_role("link", name="New view").click()
    page.get_by_label("Name").fill("Large ones")
    columns = page.locator("section", has=page.get_by_role("heading", name="Columns"))
    columns.get_by_role("button", name="Add a column").click()
    columns.get_by_label("Shows").last.select_option("result.total")
    columns.get_by_label("Heading").last.fill("Amount")
    shown = page.locator("section", has=page.get_by_role("heading", name="Which are shown"))
    shown.get_by_label("Field").first.select_option("result.total")
    shown.get_by_label("Comparison").first.select_option(label="is at least")
    shown.get_by_label("Value").first.fill("10")
    colours = page.locator("section", has=page.get_by_role("heading", name="Colours"))
    colours.get_by_label("Where").first.select_option("result.label")
    colours.get_by_label("Value").first.fill("spam")
    colours.get_by_label("Colour").first.select_option("red")
    page.get_by_label("Count the values of").select_option("result.label")
    assert grave_problems(page) == []
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("still being indexed")).to_be_visible()
    index(tickets)
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.get_by_role("columnheader", name="Amount")).to_be_visible()
    expect(page.locator("tr.tfv-red")).to_have_count(1)
    assert grave_problems(page) == []

    view = SavedView.objects.get()
    address = page.url
    assert re.search(rf"\?view={view.uid}$", address)
    page.goto("/admin/")
    page.goto(address)
    page.get_by_role("group", name="Label").get_by_role("link", name="refund").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Remove: Label is refund").click()
    expect(page.locator("tbody tr")).to_have_count(3)

    page.locator("summary", has_text="Export").click()
    page.get_by_label("Format").select_option("csv")
    page.get_by_role("button", name="Export what this list shows").click()
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    run_export(JobExport.objects.get().pk)
    with page.expect_download() as downloading:
        page.locator("#live").get_by_role("link", name="Download").click()
    lines = Path(downloading.value.path()).read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("Id,State,Question,Label,")
    assert lines[0].endswith(",Amount")
    assert [line.split(",")[2] for line in lines[1:]] == ["Question 3", "Question 2", "Question 1"]
    assert grave_problems(page) == []


def test_a_condition_is_added_on_the_list_and_kept_as_a_shared_view(tickets: Workflow, log_in: LogIn) -> None:
    page = log_in("operator@acme.test")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(LIST)
    page.locator("summary", has_text="More").last.click()
    assert grave_problems(page) == []
    page.get_by_text("Add a condition").click()
    expect(page.get_by_role("link", name="All views")).to_be_hidden()
    page.get_by_label("Field", exact=True).select_option("result.label")
    page.get_by_label("Value", exact=True).fill("spam")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert grave_problems(page) == []
    page.get_by_role("link", name="Save as view").click()
    page.get_by_label("Name").fill("Spam")
    page.get_by_label("Everybody in this tenant sees it").check()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert grave_problems(page) == []
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="Spam", exact=True)).to_have_attribute("aria-current", "page")
    assert SavedView.objects.get().shared
    for address in ("/admin/build/tickets/views/", "/admin/jobs/jobexport/"):
        page.goto(address)
        assert grave_problems(page) == []
