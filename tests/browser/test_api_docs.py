"""The page that shows the REST API, in a real browser under the real content security policy."""

from playwright.sync_api import BrowserContext, expect
from pytest_django.live_server_helper import LiveServer

from jobs.models import Job
from tests.factories import make_job, make_tenant, make_workflow
from tests.journeys.api.client import Api


def test_a_developer_tries_the_api_from_its_own_page(
    transactional_db: None, live_server: LiveServer, context: BrowserContext
) -> None:
    tenant = make_tenant()
    job: Job = make_job(make_workflow(tenant, "receipts"))
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))

    page.goto("/api/docs/")
    page.locator(".authorize").first.click()
    page.fill(".modal-ux input", Api(tenant).key)
    page.locator(".modal-ux button.authorize").click()
    page.locator(".modal-ux .btn-done").click()
    operation = page.locator("#operations-jobs-list_jobs")
    operation.click()
    operation.locator(".try-out__btn").click()
    operation.locator(".execute").click()
    expect(operation.locator(".live-responses-table tbody .response-col_status")).to_have_text("200")
    expect(operation.locator(".live-responses-table")).to_contain_text(str(job.uid))

    assert complaints == []
    assert all(address.startswith(live_server.url) for address in asked if not address.startswith("data:"))
