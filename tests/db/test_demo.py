"""The demo: made once, from the files that ship, and nobody's changes are undone."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from jobs.domain.states import State
from jobs.models import Job
from taskflow.demo.tenant import demo_password, login_lines
from tenants.domain.roles import Role
from tenants.models import Tenant
from tests.factories import NOW
from workflows.models import Workflow
from workflows.runtime import get_plan, run_plan

pytestmark = pytest.mark.django_db


def demo() -> str:
    output = StringIO()
    call_command("demo", stdout=output)
    return output.getvalue()


def test_it_makes_a_tenant_with_a_user_for_each_role() -> None:
    demo()
    tenant = Tenant.objects.get(slug="demo")
    roles = dict(tenant.memberships.values_list("user__username", "role"))
    assert roles == {role.value: role.value for role in Role}
    assert list(User.objects.filter(is_superuser=True).values_list("username", flat=True)) == ["admin"]


def test_its_jobs_wait_in_two_published_workflows() -> None:
    output = demo()
    for slug in ("receipts", "tickets"):
        workflow = Workflow.objects.get(tenant__slug="demo", slug=slug)
        assert workflow.live_version is not None
        count = Job.objects.filter(workflow=workflow, state=State.PENDING.value, source="demo").count()
        assert count >= 20
        assert f"Made the workflow '{slug}' and {count} jobs." in output


def test_a_second_time_changes_nothing() -> None:
    demo()
    Workflow.objects.filter(slug="receipts").update(name="Mine")
    counts = [model.objects.count() for model in (User, Tenant, Workflow, Job)]
    assert "Made" not in demo()
    assert [model.objects.count() for model in (User, Tenant, Workflow, Job)] == counts
    assert Workflow.objects.get(slug="receipts").name == "Mine"


def test_what_was_removed_is_made_again_and_the_rest_is_left() -> None:
    demo()
    User.objects.get(username="viewer").delete()
    demo()
    assert User.objects.get(username="viewer").memberships.get().role == "viewer"


def test_the_password_works_is_printed_and_differs_between_installations(settings) -> None:
    password = demo_password()
    assert f"Password: {password}" in demo()
    assert User.objects.get(username="owner").check_password(password)
    settings.SECRET_KEY = "another " * 10
    assert demo_password() != password


def test_a_changed_password_is_not_printed_over() -> None:
    demo()
    admin = User.objects.get(username="admin")
    admin.set_password("something of my own")
    admin.save()
    assert "as you have changed it" in login_lines()


def test_without_the_demo_there_is_nothing_to_log_in_with() -> None:
    assert login_lines() == ""


@pytest.mark.parametrize("slug", ["receipts", "tickets"])
def test_every_job_of_the_demo_runs_to_its_end(slug: str) -> None:
    demo()
    plan = get_plan(Workflow.objects.get(slug=slug).live_version_id)
    for job in Job.objects.filter(workflow__slug=slug):
        result = run_plan(plan, job.payload, tenant={"slug": "demo"}, now=NOW)
        assert result.error is None, job.payload
        assert result.record
