"""What a log line looks like, and what never stands in one."""

import json
import logging
from io import StringIO
from typing import Any

import pytest
import structlog
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from taskflow.lib import telemetry
from taskflow.logs import chosen_form, chosen_stream, log_telemetry, logging_config, make_formatter

KEY = "tf_0a1b2c3d_" + "e" * 64


class Line:
    """A place that logs as the product does, and gives back its lines."""

    def __init__(self, form: str, name: str) -> None:
        self.text = StringIO()
        self.handler = logging.StreamHandler(self.text)
        self.handler.setFormatter(make_formatter(form=form))
        self.logger = logging.getLogger(name)
        self.logger.addHandler(self.handler)
        self.logger.setLevel(logging.DEBUG)

    def close(self) -> None:
        self.logger.removeHandler(self.handler)
        self.logger.setLevel(logging.NOTSET)

    def json(self) -> dict[str, Any]:
        (line,) = self.text.getvalue().splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


@pytest.fixture
def line(request: pytest.FixtureRequest) -> Any:
    made = Line("json", "tests.line")
    yield made
    made.close()


@pytest.fixture
def engine() -> Any:
    made = Line("json", "taskflow.engine")
    yield made
    made.close()


def ours(**fields: Any) -> None:
    structlog.stdlib.get_logger("tests.line").info("it happened", **fields)


def test_our_line_is_one_line_of_json_with_time_level_and_fields(line: Line) -> None:
    ours(queue="default", count=3)
    found = line.json()
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "it happened", "level": "info", "logger": "tests.line", "queue": "default", "count": 3}


def test_a_line_of_the_standard_library_looks_the_same(line: Line) -> None:
    line.logger.warning("%s of %s", 1, 2, extra={"queue": "default"})
    found = line.json()
    assert (found["event"], found["level"], found["logger"], found["queue"]) == (
        "1 of 2",
        "warning",
        "tests.line",
        "default",
    )


@pytest.mark.parametrize("write", [lambda log: ours(), lambda log: log.info("x")])
def test_a_line_carries_the_ids_of_what_is_worked_on(line: Line, write: Any) -> None:
    with telemetry.bound(request_id="r", correlation_id="c", tenant="acme", job="j", attempt=2, step="extract"):
        write(line.logger)
    expected = {"request_id": "r", "correlation_id": "c", "tenant": "acme", "job": "j", "attempt": 2, "step": "extract"}
    assert expected.items() <= line.json().items()


def test_a_field_of_the_line_itself_wins_over_what_is_bound(line: Line) -> None:
    with telemetry.bound(step="one"):
        ours(step="two")
    assert line.json()["step"] == "two"


@pytest.mark.parametrize(
    "name",
    [
        "payload",
        "job_payload",
        "Authorization",
        "api_key",
        "claim_token",
        "password",
        "client-secret",
        "cookies",
        "output",
    ],
)
def test_a_field_named_for_a_secret_or_a_payload_is_filtered(line: Line, name: str) -> None:
    ours(
        **{name: "classified", "nested": {name: ["classified"]}, "listed": [{name: "classified"}], "keyboard": "shown"}
    )
    text = line.text.getvalue()
    assert "classified" not in text
    assert "shown" in text


def test_extra_fields_of_the_standard_library_are_filtered_too(line: Line) -> None:
    line.logger.info("x", extra={"payload": "classified"})
    assert "classified" not in line.text.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} was used",
        f"Authorization: Bearer {KEY}",
        "bearer abc.def-ghi",
        "mysql://root:hunter2-abc.def-ghi@db:3306/x",
        "redis://:abc.def-ghi@cache",
    ],
)
def test_a_secret_is_cut_out_wherever_it_stands(line: Line, text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        line.logger.exception("failed: %s", text)
    written = line.text.getvalue()
    assert "eeee" not in written
    assert "abc.def-ghi" not in written
    assert "hunter2" not in written
    assert "ValueError" in line.json()["exception"]


def test_a_url_without_a_password_is_left_alone(line: Line) -> None:
    line.logger.info("GET http://example.com:8000/a?b=c@d")
    assert line.json()["event"] == "GET http://example.com:8000/a?b=c@d"


@given(st.text(alphabet=st.characters()), st.text(alphabet=st.characters(categories=["Cs", "Cc", "Zl", "Zp", "So"])))
def test_whatever_is_written_stays_one_line_that_ascii_can_hold(message: str, value: str) -> None:
    line = Line("json", "tests.line")
    try:
        line.logger.info("%s", message, extra={"value": value})
    finally:
        line.close()
    written = line.text.getvalue()
    assert written.count("\n") == 1
    assert written.isascii()


def test_the_console_form_filters_as_well() -> None:
    line = Line("console", "tests.line")
    ours(payload="classified", note=KEY, queue="default")
    line.close()
    text = line.text.getvalue()
    assert "classified" not in text
    assert "eeee" not in text
    assert "default" in text


def test_the_form_is_what_was_asked_for_else_json_where_nobody_looks() -> None:
    assert chosen_form("console") == "console"
    assert chosen_form("json") == "json"


def test_commands_keep_their_stdout_for_their_answer() -> None:
    assert chosen_stream("/srv/manage.py") == "ext://sys.stderr"
    assert chosen_stream("/srv/.venv/bin/gunicorn") == "ext://sys.stdout"


@pytest.mark.parametrize(("form", "level", "name"), [("yaml", "INFO", "LOG_FORMAT"), ("json", "LOUD", "LOG_LEVEL")])
def test_a_wrong_setting_names_its_variable(form: str, level: str, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        logging_config(form=form, level=level, stream="ext://sys.stdout")


@pytest.mark.parametrize(
    ("name", "fields", "level"),
    [
        ("engine.claim", {"queue": "q", "taken": 5}, "debug"),
        ("engine.claim", {"queue": "q", "error": "OperationalError"}, "error"),
        ("engine.drain", {"queue": 1, "jobs": 0}, "debug"),
        ("engine.drain", {"queue": 1, "jobs": 7}, "info"),
        ("engine.retry", {"queue": "q", "count": 1, "error_class": "TimeoutError"}, "info"),
        ("engine.step_failed", {"error_class": "TimeoutError", "permanent": False}, "warning"),
        ("engine.lease_lost", {"jobs": 1}, "warning"),
        ("cache.unreachable", {"operation": "get", "error": "TimeoutError"}, "warning"),
        ("queue.pause", {"queue": "q", "actor": "ada"}, "info"),
    ],
)
def test_each_event_of_the_engine_has_a_sane_level(engine: Line, name: str, fields: dict[str, Any], level: str) -> None:
    log_telemetry(name, fields)
    found = engine.json()
    assert (found["event"], found["level"]) == (name, level)
    assert fields.items() <= found.items()


def test_lists_are_written_as_their_lengths_and_seconds_are_rounded(engine: Line) -> None:
    log_telemetry("engine.start", {"wait_seconds": [0.1] * 100, "seconds": 0.123456789})
    assert (engine.json()["wait_seconds"], engine.json()["seconds"]) == (100, 0.123457)


def test_what_is_below_the_level_is_not_written(engine: Line) -> None:
    engine.logger.setLevel(logging.INFO)
    log_telemetry("engine.claim", {"queue": "q"})
    assert engine.text.getvalue() == ""
