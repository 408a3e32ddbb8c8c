"""How requests are logged, and the id that ties an answer to its lines."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from taskflow.lib import telemetry
from taskflow.logs import make_formatter
from tenants.services import create_api_key
from tests.factories import make_tenant
from tests.journeys.test_api_keys import WhoView


def boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


def probe(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=503 if "down" in request.GET else 200)


urlpatterns = [path("who", WhoView.as_view()), path("boom", boom), path("ready", probe)]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class Log:
    def __init__(self) -> None:
        self.text = StringIO()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.getvalue().splitlines()]

    def line(self, event: str) -> dict[str, Any]:
        (found,) = [line for line in self.lines() if line["event"] == event]
        return found


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    handler = logging.StreamHandler(log.text)
    handler.setFormatter(make_formatter(form="json"))
    logging.getLogger().addHandler(handler)
    yield log
    logging.getLogger().removeHandler(handler)


def test_a_request_is_one_line_with_who_asked_and_how_it_ended(client: Client, log: Log) -> None:
    key, clear = create_api_key(tenant=make_tenant("acme"), name="shop")
    answer = client.get("/who?text=classified", HTTP_AUTHORIZATION=f"Bearer {clear}")
    line = log.line("request_finished")
    assert (line["request"], line["code"], line["level"]) == ("GET /who", 200, "info")
    assert (line["tenant"], line["api_client"]) == ("acme", key.prefix)
    assert line["request_id"] == answer["X-Request-ID"]
    assert "classified" not in log.text.getvalue()
    assert clear not in log.text.getvalue()


def test_two_requests_have_two_ids_and_share_no_tenant(client: Client, log: Log) -> None:
    _, clear = create_api_key(tenant=make_tenant("acme"), name="shop")
    first = client.get("/who", HTTP_AUTHORIZATION=f"Bearer {clear}")
    second = client.get("/who")
    assert first["X-Request-ID"] != second["X-Request-ID"]
    assert "tenant" not in log.lines()[-1]
    assert dict(telemetry.bound_ids()) == {}


def test_an_error_is_logged_once_with_its_traceback(client: Client, log: Log) -> None:
    client.raise_request_exception = False
    answer = client.get("/boom?text=classified")
    assert answer.status_code == 500
    (line,) = log.lines()
    assert line["event"] == "request_failed"
    assert line["request_id"] == answer["X-Request-ID"]
    assert "broken on purpose" in line["exception"]
    assert "classified" not in log.text.getvalue()


def test_a_probe_is_written_down_only_when_the_answer_is_not_good(client: Client, log: Log) -> None:
    assert client.get("/ready")["X-Request-ID"]
    assert log.lines() == []
    client.get("/ready?down")
    assert log.line("request_finished")["code"] == 503


def test_an_id_from_outside_is_ignored_unless_it_is_trusted(client: Client, settings: Any) -> None:
    assert client.get("/who", HTTP_X_REQUEST_ID="from-outside")["X-Request-ID"] != "from-outside"
    settings.DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
    assert client.get("/who", HTTP_X_REQUEST_ID="from-outside")["X-Request-ID"] == "from-outside"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\nb", "ü", "<script>"])
def test_a_trusted_id_that_is_none_is_replaced(client: Client, settings: Any, given: str) -> None:
    settings.DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
    answer = client.get("/who", HTTP_X_REQUEST_ID=given)
    assert len(answer["X-Request-ID"]) == 36
