"""The dashboards, in a real browser: numbers that move by themselves, lists that agree, a phone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from jobs.domain.states import State
from jobs.models import Job, ReportSubscription
from jobs.services.figures import count_figures
from taskflow.lib.clock import utcnow
from tests.browser.axe import grave_problems
from tests.browser.scene_figures import build_posts
from tests.factories import Cast, make_cast, make_job, make_queue, make_review
from workflows.models import Workflow

LogIn = Callable[[str], Page]
PAGE = "/admin/build/posts/dashboard/"


@pytest.fixture
def acme(transactional_db: None) -> Cast:
    make_queue()
    return make_cast("acme")


@pytest.fixture
def posts(acme: Cast) -> Workflow:
    now = utcnow()
    workflow = build_posts(acme, now, jobs=60)
    count_figures(now=now)
    return workflow


def line(page: Page, label: str) -> str:
    """Return the number of one line of the ledger."""
    found = page.locator(".td-line", has=page.get_by_text(label, exact=True)).locator("strong")
    return found.inner_text()


def test_numbers_change_without_a_reload_and_lead_to_lists_that_agree(
    acme: Cast, posts: Workflow, log_in: LogIn
) -> None:
    now = utcnow()
    job = make_job(posts, State.RUNNING, now=now)
    make_review(make_job(posts, State.WAITING, now=now))
    page = log_in("viewer@acme.test")
    page.goto(PAGE)
    page.evaluate("window.stayed = true")
    total, done = page.locator("[data-ledger=in]").inner_text(), int(line(page, "done"))
    assert (line(page, "running"), line(page, "wait for a review")) == ("1", "1")
    Job.objects.filter(pk=job.pk).update(state="SUCCEEDED", finished_at=now, result={})
    expect(page.locator(".td-line").first.locator("strong")).to_have_text(str(done + 1))
    expect(page.locator("[data-ledger=in]")).to_have_text(total)
    assert page.evaluate("window.stayed")
    page.get_by_role("link", name="1 wait for a review").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.go_back()
    failed = int(line(page, "failed"))
    page.locator(".td-line", has=page.get_by_text("failed", exact=True)).locator("a").click()
    expect(page.locator("tbody tr.tf-none, .tf-rowlink")).to_have_count(failed)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_are_for_everybody(acme: Cast, posts: Workflow, log_in: LogIn, theme: str) -> None:
    page = log_in("owner@acme.test")
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for url in (f"{PAGE}?period=7d", "/admin/", "/admin/reports/"):
        page.goto(url)
        for fold in page.locator("details.td-table, details.td-offer").all():
            fold.locator("summary").click()
        assert grave_problems(page) == [], url


def test_a_chart_is_a_table_too_and_stays_open(acme: Cast, posts: Workflow, log_in: LogIn) -> None:
    page = log_in("viewer@acme.test")
    page.goto(f"{PAGE}?period=7d")
    page.locator("#table-throughput summary").click()
    expect(page.locator("#table-throughput tbody tr")).to_have_count(7)
    with page.expect_response("**/*part=figures", timeout=15_000):
        pass
    page.wait_for_load_state("networkidle")
    expect(page.locator("#table-throughput tbody tr").first).to_be_visible()


def test_on_a_phone_the_numbers_come_first_and_nothing_is_wider_than_it(
    acme: Cast, posts: Workflow, log_in: LogIn
) -> None:
    page = log_in("viewer@acme.test")
    Workflow.objects.update(label_plural="W" * 60, name="N" * 80)
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto("/admin/")
    table = page.locator(".tf-scroll:has(> .td-rowtable)")
    assert table.evaluate("(box) => box.scrollWidth - box.clientWidth") <= 1  # half of a collapsed border
    page.set_viewport_size({"width": 390, "height": 844})
    for url in (PAGE, "/admin/", "/admin/reports/"):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, url
    page.goto(PAGE)
    box = page.locator("[data-ledger=in]").bounding_box()
    assert box is not None
    assert box["y"] < 400


def test_a_report_is_subscribed_to_on_the_dashboard(acme: Cast, posts: Workflow, log_in: LogIn) -> None:
    page = log_in("viewer@acme.test")
    page.goto(PAGE)
    page.get_by_text("Have these numbers sent by mail").click()
    page.get_by_label("How often").select_option("weekly")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_text("gets a weekly report about Moderate posts")).to_be_visible()
    row = ReportSubscription.objects.get()
    assert (row.user, row.workflow) == (acme.viewer, posts)
    assert row.next_at > utcnow() + timedelta(minutes=1) - timedelta(days=7)
