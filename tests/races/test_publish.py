"""Publishing at the same time: every version gets its own number, and none is lost."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from taskflow.lib.clock import utcnow
from tests.factories import make_tenant
from workflows.models import Workflow, WorkflowVersion
from workflows.services import check_definition, import_workflow, publish

PUBLISHERS = 8
STEP = {"key": "a", "kind": "transform", "config": {"fields": [{"name": "x", "template": "y"}]}}
DATA = {"slug": "w", "name": "W", "steps": [STEP]}


@pytest.mark.django_db(transaction=True)
def test_people_who_publish_at_once_get_different_numbers():
    workflow = import_workflow(tenant=make_tenant(), definition=check_definition(DATA)).workflow
    together = Barrier(PUBLISHERS)

    def publish_one(_):
        try:
            together.wait()
            return publish(workflow=Workflow.objects.get(pk=workflow.pk), now=utcnow()).number
        finally:
            connection.close()

    with ThreadPoolExecutor(PUBLISHERS) as pool:
        numbers = list(pool.map(publish_one, range(PUBLISHERS)))
    assert sorted(numbers) == list(range(1, PUBLISHERS + 1))
    workflow.refresh_from_db()
    assert workflow.live_version.number == PUBLISHERS
    assert all(version.steps.count() == 1 for version in WorkflowVersion.objects.filter(workflow=workflow))
