import pytest

from automations.services import receiving
from jobs.models import Queue
from taskflow.lib import throttling
from tests.factories import Cast, make_queue, make_workflow
from tests.journeys.api.client import Api
from workflows.models import Workflow


@pytest.fixture(autouse=True)
def _forget_the_counts() -> None:
    """A rolled-back test gives the ids of its keys and endpoints to the next one."""
    throttling.forget()
    receiving.tally.forget()


@pytest.fixture
def queue(db: None) -> Queue:
    return make_queue()


@pytest.fixture
def workflow(acme: Cast, queue: Queue) -> Workflow:
    """A published workflow of acme that takes any payload."""
    return make_workflow(acme.tenant, "receipts")


@pytest.fixture
def api(acme: Cast) -> Api:
    """Acme's key with every scope of a tenant."""
    return Api(acme.tenant)
