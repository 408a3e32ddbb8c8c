"""The `http` step: what it sends, what it takes from the answer, and which errors may pass."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl

import pytest
from werkzeug import Response

from workflows.domain.outcomes import Done, PermanentError, TransientError
from workflows.kinds.answers import HttpTimeout, HttpUnreachable, retry_after
from workflows.kinds.base import ConfigError, Effect, StepContext
from workflows.kinds.registry import make_runner

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CONTEXT = StepContext(
    payload={"id": "a/b ?c", "n": 5, "tags": ["x", "y"], "none": None},
    steps={},
    job={"id": "j1"},
    tenant={"slug": "acme"},
    now=NOW,
    idempotency_key="j1:call:1",
)


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1/32"]


def run(config):
    return make_runner("http", config).run(CONTEXT)


def test_a_call_is_filled_in_from_the_job(httpserver):
    seen = {}

    def note(request):
        seen.update(
            headers=dict(request.headers), body=request.get_data(), query=parse_qsl(request.query_string.decode())
        )
        return Response('{"score": {"value": 0.75, "labels": ["a", "b"]}}', content_type="application/json")

    httpserver.expect_request("/score/a/b ?c", method="POST").respond_with_handler(note)
    outcome = run(
        {
            "method": "POST",
            "url": httpserver.url_for("/score/") + "{{ payload.id }}?fixed=1",
            "query": {
                "n": {"expression": "payload.n"},
                "tag": {"expression": "payload.tags"},
                "none": {"expression": "payload.none"},
            },
            "headers": {"X-Tenant": "{{ tenant.slug }}"},
            "body": {
                "content": {
                    "n": {"expression": "payload.n + 1"},
                    "text": "é {{ payload.id }}",
                    "list": ["{{ job.id }}", 1.5, None],
                }
            },
            "fields": [
                {"name": "score", "path": "score.value"},
                {"name": "first", "path": "score.labels[0]"},
                {"name": "gone", "path": "score.gone.x"},
            ],
        }
    )
    assert outcome == Done({"score": 0.75, "first": "a", "gone": None})
    assert seen["query"] == [("fixed", "1"), ("n", "5"), ("tag", "x"), ("tag", "y")]
    assert json.loads(seen["body"]) == {"n": 6, "text": "é a/b ?c", "list": ["j1", 1.5, None]}
    assert seen["headers"]["X-Tenant"] == "acme"
    assert seen["headers"]["Content-Type"] == "application/json"
    assert seen["headers"]["Idempotency-Key"] == "j1:call:1"


def test_a_trace_is_sent_on_where_there_is_one_and_the_step_names_none(httpserver):
    httpserver.expect_request("/").respond_with_handler(
        lambda request: Response(request.headers.get("traceparent", "-"))
    )
    own = {"url": httpserver.url_for("/"), "headers": {"TraceParent": "its own"}}
    traced = replace(CONTEXT, job={"id": "j1", "traceparent": "the job's"})
    found = [
        make_runner("http", config).run(context).output["body"]
        for config in ({"url": httpserver.url_for("/")}, own)
        for context in (CONTEXT, traced)
    ]
    assert found == ["-", "the job's", "its own", "its own"]


def test_a_form_and_a_text_are_sent_as_such(httpserver):
    httpserver.expect_request("/form", method="POST", data="a=x+y&b=5&c=1&c=2").respond_with_data("ok")
    httpserver.expect_request("/text", method="PUT", data="n is 5").respond_with_data("ok")
    form = {"a": "x y", "b": {"expression": "payload.n"}, "c": [1, 2], "d": None}
    run({"method": "POST", "url": httpserver.url_for("/form"), "body": {"format": "form", "content": form}})
    run(
        {
            "method": "PUT",
            "url": httpserver.url_for("/text"),
            "body": {"format": "text", "content": "n is {{ payload.n }}"},
        }
    )


def test_without_fields_the_whole_answer_is_the_output(httpserver):
    httpserver.expect_request("/json").respond_with_json({"a": 1})
    httpserver.expect_request("/problem").respond_with_data('{"b": 2}', content_type="application/problem+json")
    httpserver.expect_request("/text").respond_with_data("hello", content_type="text/plain")
    httpserver.expect_request("/none").respond_with_data("", status=204)
    assert run({"url": httpserver.url_for("/json")}).output == {"status": 200, "body": {"a": 1}}
    assert run({"url": httpserver.url_for("/problem")}).output == {"status": 200, "body": {"b": 2}}
    assert run({"url": httpserver.url_for("/text")}).output == {"status": 200, "body": "hello"}
    assert run({"url": httpserver.url_for("/none")}).output == {"status": 204, "body": None}


def test_reading_carries_no_idempotency_key_and_it_can_be_left_out(httpserver):
    seen = []

    def note(request):
        seen.append("Idempotency-Key" in request.headers)
        return Response("ok")

    httpserver.expect_request("/a").respond_with_handler(note)
    run({"url": httpserver.url_for("/a")})
    run({"method": "POST", "url": httpserver.url_for("/a"), "idempotency_header": None})
    run({"method": "POST", "url": httpserver.url_for("/a")})
    assert seen == [False, False, True]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_status_that_may_pass_is_transient(httpserver, status):
    httpserver.expect_request("/a").respond_with_data("come back", status=status, headers={"Retry-After": "7"})
    with pytest.raises(TransientError) as caught:
        run({"url": httpserver.url_for("/a?token=secret")})
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)
    assert str(caught.value) == f"GET {httpserver.url_for('/a')} answered {status}: come back"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 304])
def test_another_status_is_permanent_and_brings_the_first_words(httpserver, status):
    httpserver.expect_request("/a").respond_with_data("no\n such   thing " + "x" * 500, status=status)
    with pytest.raises(PermanentError) as caught:
        run({"url": httpserver.url_for("/a")})
    assert caught.value.status == status
    assert len(str(caught.value)) < 300
    assert status == 304 or "no such thing" in str(caught.value)


def test_the_statuses_of_success_can_be_chosen(httpserver):
    httpserver.expect_request("/a").respond_with_data("gone", status=404, content_type="text/plain")
    assert run({"url": httpserver.url_for("/a"), "success": [200, 404]}).output == {"status": 404, "body": "gone"}


def test_secrets_are_kept_out_of_errors(httpserver):
    httpserver.expect_request("/a").respond_with_handler(
        lambda request: Response(f"bad {request.headers['Authorization']}", status=401)
    )
    with pytest.raises(PermanentError) as caught:
        run({"url": httpserver.url_for("/a?api_key=hunter2"), "headers": {"Authorization": "Bearer s3cr3t-t0ken"}})
    assert "s3cr3t-t0ken" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_lost_connection_and_a_late_answer_are_transient(httpserver):
    with pytest.raises(HttpUnreachable):
        run({"url": "http://127.0.0.1:1/"})

    def sleep(request):
        import time

        time.sleep(0.6)
        return Response("late")

    httpserver.expect_request("/a").respond_with_handler(sleep)
    with pytest.raises(HttpTimeout):
        run({"url": httpserver.url_for("/a"), "timeout": 0.2})


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://{{ tenant.slug }}:99999/", "ftp://{{ tenant.slug }}/", "{{ payload.n }}"]
)
def test_a_forbidden_or_broken_url_is_permanent(url):
    with pytest.raises(PermanentError):
        run({"url": url})


@pytest.mark.parametrize("body", ["not json", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 5000, ""])
def test_an_answer_that_cannot_be_read_is_permanent(httpserver, body):
    httpserver.expect_request("/a").respond_with_data(body, content_type="application/json")
    with pytest.raises(PermanentError, match="cannot be read"):
        run({"url": httpserver.url_for("/a"), "fields": [{"name": "a", "path": "a"}]})


def test_a_required_field_that_is_missing_is_permanent(httpserver):
    httpserver.expect_request("/a").respond_with_json({"b": 1})
    with pytest.raises(PermanentError, match="nothing at a"):
        run({"url": httpserver.url_for("/a"), "fields": [{"name": "a", "path": "a", "required": True}]})


def test_a_dry_run_says_what_it_would_send_and_hides_secrets():
    runner = make_runner(
        "http",
        {
            "method": "POST",
            "url": "https://example.com/a?api_key=hunter2&b=1",
            "headers": {"Authorization": "Bearer x", "X-Plain": "p"},
            "body": {"content": {"n": {"expression": "payload.n"}}},
        },
    )
    assert runner.dry_run(CONTEXT).output == {
        "would_send": {
            "method": "POST",
            "url": "https://example.com/a?api_key=***&b=1",
            "headers": {
                "Authorization": "***",
                "X-Plain": "p",
                "Content-Type": "application/json",
                "Idempotency-Key": "j1:call:1",
            },
            "body": '{"n": 5}',
        }
    }
    assert "would_send" in make_runner("http", {"url": "https://example.com/"}).dry_run(CONTEXT).output
    assert runner.effect is Effect.EXTERNAL


def test_what_cannot_be_sent_is_permanent():
    with pytest.raises(PermanentError, match="cannot be sent as json"):
        run({"method": "POST", "url": "https://example.com/", "body": {"content": {"a": float("nan")}}})


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"url": "http://user:pass@x"}, "url"),
        ({"url": "https://x/{{ foo }}"}, "url"),
        ({"url": "https://x", "headers": {"Host": "y"}}, "headers.Host"),
        ({"url": "https://x", "headers": {"a b": "y"}}, "headers.a b"),
        ({"url": "https://x", "headers": {"A": "{{ foo }}"}}, "headers.A"),
        ({"url": "https://x", "query": {"a": {"expression": "1 +"}}}, "query.a.expression"),
        ({"url": "https://x", "body": {"content": ["{{ foo }}"]}}, "body.content.0"),
        ({"url": "https://x", "body": {"format": "form", "content": "x"}}, "body"),
        ({"url": "https://x", "body": {"format": "text", "content": {}}}, "body"),
        ({"url": "https://x", "fields": [{"name": "a", "path": "a b"}]}, "fields.0.path"),
        ({"url": "https://x", "success": [1000]}, "success"),
        ({"url": "https://x", "method": "BREW"}, "method"),
        ({"url": "https://x", "timeout": 0}, "timeout"),
        ({"url": "https://x", "idempotency_header": "a b"}, "idempotency_header"),
    ],
)
def test_a_wrong_config_is_refused_with_its_place(config, place):
    with pytest.raises(ConfigError) as caught:
        make_runner("http", config)
    assert caught.value.field == place


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        (" 120 ", 120.0),
        ("999999999999", 999999999.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("Mon, 02 Mar 2026 09:00:10", 10.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_seconds_or_as_a_date(header, seconds):
    assert retry_after(header, NOW) == seconds


def test_the_output_is_described():
    assert make_runner("http", {"url": "https://x"}).output_schema()["required"] == ["status"]
    config = {"url": "https://x", "fields": [{"name": "a", "path": "a"}]}
    assert list(make_runner("http", config).output_schema()["properties"]) == ["a"]
