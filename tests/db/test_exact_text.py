"""What programs compare is equal only to itself, on every database."""

import pytest
from django.db import connection, transaction

from jobs.domain.job_filter import JobFilter
from jobs.models import Queue
from jobs.queries.job_pages import get_page
from taskflow.checks import check_characters
from tenants.models import Tenant
from tenants.queries import get_tenant
from tests.factories import Cast, make_job, make_queue, make_tenant, make_workflow
from workflows.models import Step
from workflows.queries import WorkflowNotFound, get_live

pytestmark = pytest.mark.django_db


def test_a_correlation_id_finds_only_what_has_exactly_it(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant)
    ids = ("order-a", "Order-A", "ordér-a")
    jobs = {text: make_job(workflow, correlation_id=text) for text in ids}
    for text in ids:
        assert get_page(acme.tenant.pk, JobFilter(correlation_id=text)).jobs == [jobs[text]]


def test_slugs_are_found_as_they_are_written(acme: Cast) -> None:
    make_workflow(acme.tenant, "receipts")
    make_queue("express")
    with pytest.raises(WorkflowNotFound):
        get_live(acme.tenant.pk, "RECEIPTS")
    with pytest.raises(Tenant.DoesNotExist):
        get_tenant("ACME")
    assert not Queue.objects.filter(slug="Express").exists()


def test_names_that_differ_in_case_do_not_collide(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant)
    draft = workflow.draft
    with transaction.atomic():
        Step.objects.create(version=draft, position=7, key="Sort", name="Sort", kind="route")
        Step.objects.create(version=draft, position=8, key="sort", name="Sort", kind="route")
        make_queue("Express")
        make_queue("express")
    assert make_tenant("acme-2") != acme.tenant


def test_a_database_without_unicode_is_found_out() -> None:
    assert not list(check_characters(None, databases=["default"]))
    # MySQL lets only administrators set this.
    if connection.vendor == "mysql" and connection.mysql_is_mariadb:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@character_set_database")
            usual = cursor.fetchone()[0]
            cursor.execute("SET character_set_database = 'latin1'")
            assert [found.id for found in check_characters(None, databases=["default"])] == ["taskflow.E011"]
            cursor.execute("SET character_set_database = %s", [usual])
