"""The dashboards: numbers that add up, and lists behind them that agree."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.domain.states import State
from jobs.models import Job
from jobs.services.figures import count_figures
from taskflow.lib.clock import utcnow
from tenants.models import ConnectionSpend
from tenants.services.gate import note_spend
from tests.browser.scene_jobs import log
from tests.factories import Cast, make_connection, make_job, make_review, make_user, make_workflow
from workflows.models import Workflow

pytestmark = pytest.mark.django_db
LINE = re.compile(r'<a href="([^"]+)"><strong[^>]*>([\d,]+)</strong>')
TOTAL = re.compile(r'<a class="td-number" href="([^"]+)" data-ledger="in">([\d,]+)</a>')
OLDER = re.compile(r'href="\?([^"]*before=\d+[^"]*)"')
PAGE = "/admin/build/bills/dashboard/"


def login(user: User) -> Client:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def text_of(client: Client, url: str) -> str:
    answer = client.get(url, follow=True)
    assert answer.status_code == 200, url
    return answer.content.decode()


@pytest.fixture
def bills(acme: Cast) -> Workflow:
    """A workflow with jobs in every state, some of today and some older, half of them counted."""
    workflow = make_workflow(acme.tenant, "bills", label_plural="Bills")
    now = utcnow()
    for came in (now - timedelta(days=3), now - timedelta(hours=1)):
        for place, state in enumerate(State):
            for number in range(place // 2 + 1):
                job = make_job(workflow, state, now=came)
                if state is State.WAITING and number % 2:
                    make_review(job)
        count_figures(now=now - timedelta(days=2))
    return workflow


def numbers(text: str) -> list[tuple[str, int]]:
    """Return address and number of each line of the ledger."""
    return [(unescape(url), int(number.replace(",", ""))) for url, number in LINE.findall(text)]


def listed(client: Client, url: str) -> int:
    """Count the rows of a list, on all its pages."""
    text = text_of(client, url)
    count = text.count("tf-rowlink")
    further = OLDER.search(text)
    return count + (listed(client, f"{url.split('?')[0]}?{unescape(further[1])}") if further else 0)


OTHER_PERIODS = ("?period=7d", "?period=all", "?period=now", "?period=custom&from=2020-01-01&to=2020-01-02")


@pytest.mark.parametrize("query", ["", *(pytest.param(each, marks=pytest.mark.slow) for each in OTHER_PERIODS)])
def test_the_ledger_adds_up_and_every_number_leads_to_a_list_of_as_many(
    acme: Cast, bills: Workflow, query: str
) -> None:
    client = login(acme.viewer)
    for page in (PAGE, "/admin/"):
        text = text_of(client, page + query)
        lines = numbers(text)
        ((total_url, total),) = [(unescape(url), int(number)) for url, number in TOTAL.findall(text)]
        assert len(lines) == (5 if "now" in query else 9)
        assert sum(number for _, number in lines) == total
        assert total == listed(client, total_url)
        for url, number in lines:
            assert listed(client, url) == number, url


def test_what_is_asked_for_again_is_only_that_part(acme: Cast, bills: Workflow) -> None:
    client = login(acme.viewer)
    ledger, figures = (client.get(PAGE, {"part": part}) for part in ("1", "figures"))
    assert ledger.content.decode().lstrip().startswith('<div id="live"')
    assert figures.content.decode().lstrip().startswith('<div id="figures"')
    assert "no-store" in ledger["Cache-Control"]
    assert "no-store" in figures["Cache-Control"]


def test_a_period_that_makes_no_sense_is_named_and_the_usual_one_shown(acme: Cast, bills: Workflow) -> None:
    client = login(acme.viewer)
    for query, said in (
        ("period=soon", "There is no period &#x27;soon&#x27;."),
        ("period=custom&from=x&to=2026-01-01", "From: &#x27;x&#x27; is not a day."),
        ("from=2026-02-01&to=2026-01-01", "From: must not be after To."),
        ("from=0001-01-01&to=9999-12-31", "must be in the years"),
    ):
        text = text_of(client, f"{PAGE}?{query}")
        assert said in text
        assert numbers(text)
    assert client.get("/admin/jobs/job/", {"from": "2026-01-01T99", "waits": "x"}).status_code == 200


def test_a_workflow_of_another_tenant_has_no_dashboard(globex: Cast, bills: Workflow) -> None:
    assert login(globex.owner).get(PAGE).status_code == 404


def test_a_finished_job_is_in_the_figures_with_why_it_failed(acme: Cast) -> None:
    steps = [{"key": "post", "name": "Send to accounting", "kind": "python", "config": {"function": "echo"}}]
    workflow, came = make_workflow(acme.tenant, "bills", steps=steps), utcnow() - timedelta(hours=2)
    for number in range(3):
        told = {"error_class": "HttpError", "error_message": f"answered 503 after {number} s", "finished_at": came}
        ended = {"error": told["error_class"], "message": told["error_message"], "step": "post"}
        log(make_job(workflow, State.DEAD, now=came, **told), came, [("dead", "DEAD", "", ended)])
    make_job(workflow, State.SUCCEEDED, now=came)
    count_figures(now=utcnow())
    text = text_of(login(acme.viewer), PAGE)
    assert "answered … after … s" in text
    assert '<td data-label="Step">Send to accounting</td>' in text
    assert "75 %" in text


def test_a_spent_budget_is_told_on_the_dashboard(acme: Cast, bills: Workflow) -> None:
    now = utcnow()
    model = make_connection(acme.tenant, slug="default", monthly_budget=5)
    note_spend(acme.tenant.pk, model.pk, now, tokens=1, cost=6.0)
    ConnectionSpend.objects.update(paused_at=now)
    assert "has spent its budget" in text_of(login(acme.viewer), PAGE)


def test_where_nothing_came_in_the_page_says_what_to_do(acme: Cast) -> None:
    make_workflow(acme.tenant, "bills")
    text = text_of(login(acme.owner), PAGE)
    assert "/api/v1/jobs" in text
    assert "&quot;workflow&quot;: &quot;bills&quot;" in text or '"workflow": "bills"' in text
    assert "Connect a mailbox" in text


def test_who_runs_the_deployment_sees_the_sum_of_all_tenants(acme: Cast, globex: Cast, bills: Workflow) -> None:
    make_job(make_workflow(globex.tenant), State.SUCCEEDED, now=utcnow())
    root = make_user("root@x.test", is_superuser=True)
    text = text_of(login(root), "/admin/?period=all")
    assert f'<span class="td-number">{Job.objects.count()}</span>' in text
    assert "/admin/?tenant=globex&amp;period=all" in text


def test_the_cost_of_a_page_does_not_grow_with_the_jobs(
    acme: Cast, bills: Workflow, django_assert_max_num_queries: object
) -> None:
    client = login(acme.viewer)
    client.get(PAGE)
    with django_assert_max_num_queries(34):  # type: ignore[operator]
        client.get(PAGE)
