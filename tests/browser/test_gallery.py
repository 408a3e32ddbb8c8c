"""The gallery, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from jobs.models import Job
from tests.factories import make_cast, make_queue
from workflows.models import Workflow

LogIn = Callable[[str], Page]


@pytest.fixture
def page(transactional_db: None, log_in: LogIn) -> Page:
    make_queue()
    make_cast("acme")
    return log_in("editor@acme.test")


def test_a_starter_is_looked_at_installed_and_tried(page: Page) -> None:
    page.get_by_role("link", name="Gallery", exact=True).click()
    page.get_by_role("link", name="Invoice Processing").click()
    expect(page.get_by_text("Read the invoice")).to_be_visible()
    expect(page.get_by_text("Harbour Stationery Ltd").first).to_be_visible()
    page.get_by_role("textbox", name="Short name").fill("Not Good")
    page.get_by_role("button", name="Install").click()
    expect(page.get_by_text("Use small letters")).to_be_visible()
    page.get_by_role("textbox", name="Short name").fill("bills")
    page.get_by_role("button", name="Install").click()
    expect(page.get_by_text("is installed and live")).to_be_visible()
    page.get_by_role("button", name="Send the samples through").click()
    expect(page.get_by_text("4 samples sent.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(4)
    assert Job.objects.filter(workflow__slug="bills").count() == 4


def test_a_second_one_is_installed_beside_the_first(page: Page) -> None:
    for _ in range(2):
        page.goto("/admin/gallery/resumes/")
        page.get_by_role("button", name="Install").click()
        expect(page.get_by_text("is installed and live")).to_be_visible()
    assert set(Workflow.objects.values_list("slug", flat=True)) == {"resumes", "resumes-2"}
