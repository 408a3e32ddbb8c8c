"""Uploading a list and saying which column is what, in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from jobs.models import Job, ListImport
from jobs.runtime.intake import run_list_import
from tests.factories import make_cast, make_queue, make_workflow

LogIn = Callable[[str], Page]
FIELDS = [{"key": "text", "label": "Question", "required": True, "in_list": True}, {"key": "total", "type": "number"}]


@pytest.fixture
def page(transactional_db: None, log_in: LogIn) -> Page:
    make_queue()
    cast = make_cast("acme")
    make_workflow(cast.tenant, "tickets", version={"fields": FIELDS}, label_singular="Ticket", label_plural="Tickets")
    return log_in("operator@acme.test")


def test_a_list_is_uploaded_mapped_imported_and_its_wrong_rows_downloaded(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "week 9.csv"
    path.write_bytes("Anfrage;Betrag\nWie geht das?;1,50\nWo?;viel\n;2\n".encode("cp1252"))
    page.get_by_role("link", name="Tickets").first.click()
    page.get_by_role("link", name="Upload a list").first.click()
    page.get_by_label("File").set_input_files(path)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("Wie geht das?")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Question is required")).to_be_visible()
    page.get_by_label("Column Anfrage goes into").select_option(label="Question *")
    page.get_by_label("Column Betrag goes into").select_option(label="Total")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    run_list_import(ListImport.objects.get().pk)
    expect(page.locator("#made")).to_have_text("1")
    expect(page.locator("#wrong")).to_have_text("2")
    expect(page.locator("#live .tf-badge").first).to_have_text("Done")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download the wrong rows").click()
    assert "Wo?,viel" in Path(downloading.value.path()).read_text("utf-8-sig")
    page.get_by_role("link", name="See what was made").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert Job.objects.get().payload == {"text": "Wie geht das?", "total": 1.5}


def test_the_mapping_is_remembered_and_the_same_list_makes_nothing_twice(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Was,Wieviel\na,1\nb,2\n")
    for expected in (("2", "0"), ("0", "2")):
        page.goto("/admin/jobs/listimport/of/tickets/")
        page.get_by_label("File").set_input_files(path)
        page.get_by_role("button", name="Upload").click()
        if expected[0] == "2":
            page.get_by_label("Column Was goes into").select_option(label="Question *")
        expect(page.get_by_label("Column Was goes into")).to_have_value("text")
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.get_by_text(re.compile("Waits for a worker"))).to_be_visible()
        run_list_import(ListImport.objects.latest("pk").pk)
        expect(page.locator("#already")).to_have_text(expected[1])
        expect(page.locator("#made")).to_have_text(expected[0])
