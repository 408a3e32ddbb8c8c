"""What ops do in the admin, in a real browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from jobs.domain.states import State
from jobs.models import BulkAction, Job, Lane
from jobs.runtime.bulk import run_bulk_action
from tests.browser.scene import Scene, build_scene
from tests.factories import make_cast, make_job

LogIn = Callable[[str], Page]


@pytest.fixture
def scene(transactional_db: None) -> Scene:
    return build_scene(make_cast("acme"), jobs=12)


@pytest.fixture
def page(scene: Scene, log_in: LogIn) -> Page:
    return log_in("operator@acme.test")


def test_the_start_page_leads_to_the_work(page: Page) -> None:
    page.get_by_role("link", name="Receipts").first.click()
    expect(page.get_by_role("heading", name="Receipts")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Company")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Total")).to_be_visible()
    page.get_by_role("link", name="Tickets", exact=True).first.click()
    expect(page.get_by_role("columnheader", name="Question")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Company")).to_have_count(0)


def test_a_list_is_filtered_by_state_and_queue(page: Page, scene: Scene) -> None:
    page.goto("/admin/jobs/job/of/receipts/")
    page.get_by_role("link", name="Dead 1").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_text("ConnectTimeout")).to_be_visible()
    page.locator("summary", has_text="Queue and days").click()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Queue", exact=True)).to_be_hidden()
    page.keyboard.press("Enter")
    page.get_by_label("Queue", exact=True).select_option("express")
    expect(page.get_by_role("heading", name="No receipts match")).to_be_visible()
    page.get_by_role("link", name="Remove: Queue is express").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("summary", has_text="Queue and days").click()
    page.get_by_label("Queue", exact=True).select_option("express")
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("tbody tr")).not_to_have_count(1)


def test_a_dead_job_is_read_and_retried(page: Page, scene: Scene) -> None:
    page.goto("/admin/jobs/job/of/receipts/?state=dead")
    page.locator("tbody tr").first.click()
    expect(page.get_by_text("It was given up")).to_be_visible()
    page.get_by_text("Attempt 3", exact=True).click()
    expect(page.get_by_text("Traceback (most recent call last)").first).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Retried: it is due now.")).to_be_visible()
    expect(page.locator("#live .tf-badge").first).to_have_text(re.compile("Pending"))
    scene.failed.refresh_from_db()
    assert scene.failed.state == State.PENDING


def test_a_job_is_retried_with_another_payload_from_the_first_step(page: Page, scene: Scene) -> None:
    page.goto(f"/admin/jobs/job/{scene.failed.uid}/change/")
    page.get_by_role("link", name="Retry with changes").click()
    page.get_by_label("Payload").fill("{")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("This is not JSON")).to_be_visible()
    page.get_by_label("Payload").fill('{"text": "TOTAL 9.90"}')
    page.get_by_label("Go on from").select_option("extract")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Retried: it is due now.")).to_be_visible()
    scene.failed.refresh_from_db()
    assert (scene.failed.payload, scene.failed.position) == ({"text": "TOTAL 9.90"}, 0)


def test_all_that_match_are_retried_in_the_background_with_progress(page: Page, scene: Scene) -> None:
    for _ in range(60):
        make_job(scene.receipts, State.FAILED)
    failed = Job.objects.filter(workflow=scene.receipts, state=State.FAILED).count()
    page.goto("/admin/jobs/job/of/receipts/?state=failed")
    page.get_by_label("Select all on this page").check()
    expect(page.get_by_text("50 selected")).to_be_visible()
    page.get_by_label("all that match this list").check()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("heading", name=f"Retry up to {failed} jobs?")).to_be_visible()
    page.get_by_role("button", name="Retry the jobs").click()
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    run_bulk_action(BulkAction.objects.latest("pk").pk)
    expect(page.locator("#changed")).to_have_text(str(failed))
    expect(page.locator("#live .tf-badge").first).to_have_text("Done")


def test_a_selection_is_kept_while_the_list_would_refresh(page: Page, scene: Scene) -> None:
    page.goto("/admin/jobs/job/of/receipts/")
    page.get_by_label(f"Select job {scene.failed.uid}").check()
    new = make_job(scene.receipts)
    with page.expect_response("**part=1"):
        page.evaluate("htmx.trigger('#live', 'refresh')")
    expect(page.get_by_label(f"Select job {scene.failed.uid}")).to_be_checked()
    expect(page.get_by_label(f"Select job {new.uid}")).to_have_count(0)
    page.get_by_label(f"Select job {scene.failed.uid}").uncheck()
    expect(page.get_by_label(f"Select job {new.uid}")).to_have_count(1)


def test_a_list_and_a_job_page_refresh_themselves(page: Page, scene: Scene) -> None:
    page.goto("/admin/jobs/job/of/receipts/")
    new = make_job(scene.receipts)
    expect(page.get_by_label(f"Select job {new.uid}")).to_have_count(1)
    page.goto(f"/admin/jobs/job/{scene.running.uid}/change/")
    page.locator("#payload summary").click()
    Job.objects.filter(pk=scene.running.pk).update(state=State.SUCCEEDED, position=3, result={"company": "Gardenia"})
    expect(page.locator("#live .tf-badge").first).to_have_text(re.compile("Succeeded"))
    expect(page.locator("#payload")).to_have_attribute("open", "")


def test_a_page_asks_for_the_login_when_its_session_is_over(page: Page, scene: Scene) -> None:
    page.goto("/admin/jobs/queue/")
    page.context.clear_cookies()
    page.wait_for_url("**/admin/login/**")
    expect(page.locator("[name=username]")).to_be_visible()


def test_an_operator_pauses_the_own_share_of_a_queue_and_caps_it(page: Page, scene: Scene) -> None:
    page.goto("/admin/jobs/queue/")
    page.get_by_role("button", name="Pause Default").click()
    expect(page.get_by_text("Paused for you")).to_be_visible()
    page.get_by_label("Cap of Default", exact=True).fill("4")
    page.get_by_role("button", name="Set the cap of Default").click()
    expect(page.get_by_text("may run 4 jobs at once")).to_be_visible()
    lane = Lane.objects.get(queue=scene.queue, tenant=scene.cast.tenant)
    assert lane.cap == 4
    assert lane.paused_at is not None
    page.get_by_role("button", name="Resume Default").click()
    expect(page.get_by_text("Paused for you")).to_have_count(0)


def test_what_people_type_never_runs(page: Page, scene: Scene) -> None:
    text = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    scene.receipts.label_plural = text[:60]
    scene.receipts.save()
    job = make_job(scene.receipts, State.DEAD, payload={"text": text}, result={"company": text}, error_message=text)
    for url in ("/admin/", "/admin/jobs/job/", "/admin/jobs/job/of/receipts/", f"/admin/jobs/job/{job.uid}/change/"):
        page.goto(url)
        page.wait_for_load_state("networkidle")
        assert "owned" not in page.title().replace(text[:60], "")
        assert page.locator("img[src=x]").count() == 0
