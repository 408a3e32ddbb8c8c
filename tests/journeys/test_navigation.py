"""The sidebar: each workflow under its own icon, long lists cut, the page that is open marked, and finding by label."""

import re

import pytest
from django.test import Client

from taskflow.navigation import MOST_WORKFLOWS
from tests.factories import Cast, make_cast, make_workflow
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(acme: Cast, client: Client) -> Client:
    client.force_login(acme.viewer)
    return client


def sidebar(client: Client, address: str = "/admin/") -> str:
    text = client.get(address).content.decode()
    return text[text.index('id="nav-sidebar-apps"') :].partition("</nav>")[0]


def present(client: Client, address: str) -> list[str]:
    return re.findall(r'<a href="([^"]+)"\s+class="active"\s+aria-current="page"', sidebar(client, address))


def test_each_workflow_has_its_own_icon_or_the_usual_one(viewer: Client, acme: Cast) -> None:
    make_workflow(acme.tenant, "bills")
    Workflow.objects.filter(slug="bills").update(label_plural="Bills", icon="payments")
    assert re.search(r">payments</span>\s*<span class=\"tf-ellipsis\">Bills<", sidebar(viewer))
    make_workflow(acme.tenant, "old")
    Workflow.objects.filter(slug="old").update(label_plural="Bills", name="Old ones")
    assert "Bills · Old ones" in sidebar(viewer)


def test_of_very_many_workflows_some_are_listed_and_all_are_a_step_away(viewer: Client, acme: Cast) -> None:
    many = [Workflow(tenant=acme.tenant, slug=f"flow-{number}") for number in range(MOST_WORKFLOWS + 1)]
    Workflow.objects.bulk_create(many)
    assert sidebar(viewer).count("/admin/jobs/job/of/") == MOST_WORKFLOWS
    assert "All workflows" in sidebar(viewer)


def test_a_workflow_is_found_by_its_label_in_its_own_tenant_only(viewer: Client, acme: Cast) -> None:
    for tenant, slug in ((acme.tenant, "ours"), (make_cast("globex").tenant, "theirs")):
        make_workflow(tenant, slug)
        Workflow.objects.filter(slug=slug).update(label_plural="Überweisungen")
    found = viewer.get("/admin/search/?extended=1&s=ÜBERW").content.decode()
    assert "/admin/jobs/job/of/ours/" in found
    assert "theirs" not in found


def test_the_page_that_is_open_is_marked(viewer: Client, acme: Cast) -> None:
    make_workflow(acme.tenant, "bills")
    workflows, jobs = "/admin/workflows/workflow/", "/admin/jobs/job/of/bills/"
    assert present(viewer, "/admin/build/bills/") == [workflows]
    assert present(viewer, "/admin/build/bills/test/") == [workflows]
    assert present(viewer, "/admin/build/bills/dashboard/") == [jobs]
    assert present(viewer, "/admin/build/bills/views/") == [jobs]
    assert present(viewer, "/admin/learn/") == ["/admin/learn/"]
    assert present(viewer, "/admin/") == ["/admin/"]


def test_what_was_taught_counts_samples_and_golden_ones(viewer: Client, acme: Cast) -> None:
    workflow = make_workflow(acme.tenant, "bills")
    workflow.samples.create(input={"text": "a"})
    workflow.samples.create(input={"text": "b"}, expected={"total": 1})
    text = viewer.get("/admin/learn/").content.decode()
    assert 'data-label="Samples">2<' in text
    assert 'data-label="Golden">1<' in text
