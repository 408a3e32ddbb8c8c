"""Two requests with one Idempotency-Key at the same moment make one job."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from jobs.models import Job
from tests.factories import make_queue, make_tenant, make_workflow
from tests.journeys.api.client import Api, read


@pytest.mark.django_db(transaction=True)
def test_requests_that_race_with_one_key_make_one_job() -> None:
    make_queue()
    tenant = make_tenant()
    make_workflow(tenant, "receipts")
    api, together, rounds = Api(tenant), Barrier(4), 10

    def send(number: int) -> list[str]:
        try:
            return [post(each) for each in range(rounds)]
        finally:
            connection.close()

    def post(key: int) -> str:
        together.wait()
        answer = api.post("jobs", {"workflow": "receipts", "payload": {"key": key}}, Idempotency_Key=f"key-{key}")
        return str(read(answer, answer.status_code if answer.status_code == 200 else 201)["id"])

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert Job.objects.count() == rounds
