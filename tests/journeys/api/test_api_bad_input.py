"""Bad input: 2xx or 4xx with a reason, never a 5xx, and what is stored reads back the same.

Runs over the project's own short lists, and over JSONTestSuite and the Big List of Naughty Strings where they lie
in `../shared/data` beside the checkout.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse

from jobs.domain.states import State
from jobs.models import Job
from tests.factories import make_job
from tests.journeys.api.client import PROBLEM, Api, faults, read
from workflows.models import Workflow

SHARED = Path(settings.BASE_DIR).parent / "shared" / "data"
GOOD = (
    "0", "-0", "-0.0", "1.5", "1e300", "5e-324", "1e-400", "0.1", "123456789012345678901234567890",
    "9007199254740993", "null", "true",
    '""', '" "', '"\\u0000"', '"\\ud83d\\ude00"', '"😀é\u2028\ufeff\u202e"', '"\\\\ud800"', '"</script>"',
    "[]", "{}", '[{"":""}]', '{"__proto__":1,"$ref":2}', '"%s %(a)s {0} {{ x }}"', "[" * 90 + "]" * 90, '{"a":1,"A":2}',
)  # fmt: skip
BAD = {
    b"": "the text is empty",
    b" ": "the text is empty",
    b"{": "not JSON",
    b"{'a':1}": "not JSON",
    b'{"a":1,}': "not JSON",
    b"{} {}": "not JSON",
    b"\xff\xfe{\x00}\x00": "not UTF-8",
    b"\xef\xbb\xbf{}": "not JSON",
    b'{"a":"\xed\xa0\x80"}': "not UTF-8",
    b'{"a":"\t"}': "not JSON",
    b'{"a":NaN}': "NaN is not a JSON value",
    b'{"a":-Infinity}': "-Infinity is not a JSON value",
    b'{"a":1e400}': "1e400 is too large for a 64-bit float",
    b'{"a":"\\ud800"}': "half of a surrogate pair",
    b'{"\\udc00":1}': "half of a surrogate pair",
    b'{"a":1,"b":2,"a":3}': 'The key "a" appears twice',
    b"[" * 100_000: "more than 100 levels deep",
    b'{"a":' * 5000 + b"1" + b"}" * 5000: "more than 100 levels deep",
    b"[" * 101 + b"]" * 101: "more than 100 levels deep",
    b"1" * 5000: "5000 digits is too long",
}

pytestmark = pytest.mark.django_db


def json_suite() -> list[Path]:
    return sorted((SHARED / "json-test-suite").glob("test_*/*.json"))


def naughty_strings() -> list[str]:
    found: list[str] = []
    for path in sorted((SHARED / "naughty-strings").glob("*.json")):
        found += json.loads(path.read_text(encoding="utf-8"))
    return found


def check(answer: HttpResponse, what: object) -> None:
    """An answer is a success, or a problem with a reason that a person can read."""
    assert answer.status_code in (200, 201) or 400 <= answer.status_code < 500, (
        what,
        answer.status_code,
        answer.content,
    )
    if answer.status_code >= 400:
        assert answer["Content-Type"] == PROBLEM, what
        document = json.loads(answer.content)
        assert document["detail"], what
        assert all(fault["reason"] for fault in document.get("errors", ())), what


def check_kept(api: Api, answer: HttpResponse, payload: Any, what: object) -> None:
    """A job that was taken in holds the payload that was sent, in the answer, in the database and when read again."""
    check(answer, what)
    if answer.status_code == 201:
        job = json.loads(answer.content)
        again = read(api.get(f"jobs/{job['id']}"))
        stored = Job.objects.get(uid=job["id"]).payload
        assert [repr(each) for each in (job["payload"], again["payload"], stored)] == [repr(payload)] * 3, what


def embedded(value: bytes) -> bytes:
    return b'{"workflow":"receipts","payload":{"value":' + value + b"}}"


@pytest.mark.parametrize("value", GOOD)
def test_every_json_value_is_taken_in_and_read_back_the_same(api: Api, workflow: Workflow, value: str) -> None:
    answer = api.post("jobs", raw=embedded(value.encode()))
    assert answer.status_code == 201
    check_kept(api, answer, {"value": json.loads(value)}, value)


@pytest.mark.parametrize("raw", BAD, ids=lambda raw: repr(raw[:20]))
def test_what_is_not_json_is_refused_with_the_reason(api: Api, workflow: Workflow, raw: bytes) -> None:
    for body in (raw, embedded(raw)) if raw.strip() else (b" ",):
        document = read(api.post("jobs", raw=body), 400)
        assert document["type"] == "urn:taskflow:problem:not-json"
        expected = BAD[raw]
        assert expected in document["detail"] or (body != raw and "not JSON" in document["detail"])
    assert not Job.objects.exists()


def test_half_a_surrogate_pair_is_refused_by_the_name_of_its_field(api: Api, workflow: Workflow) -> None:
    answer = api.post("jobs", raw=embedded(b'["a", {"b": "\\ud800"}]'))
    assert set(faults(answer)) == {"payload.value.1.b"}


@pytest.mark.slow
@pytest.mark.skipif(not json_suite(), reason="JSONTestSuite is not beside the checkout")
def test_every_file_of_the_json_test_suite_is_taken_in_or_refused(api: Api, workflow: Workflow) -> None:
    for path in json_suite():
        raw = path.read_bytes()
        check(api.post("jobs", raw=raw), path.name)
        answer = api.post("jobs", raw=embedded(raw))
        if answer.status_code == 201:
            check_kept(api, answer, {"value": json.loads(raw)}, path.name)
        check(answer, path.name)
        if path.name.startswith("n_"):
            assert answer.status_code == 400, path.name
        if path.name.startswith("y_") and "duplicated_key" not in path.name:
            assert answer.status_code == 201, path.name


@pytest.mark.skipif(not naughty_strings(), reason="the naughty strings are not beside the checkout")
def test_every_naughty_string_is_kept_in_a_payload(api: Api, workflow: Workflow) -> None:
    payloads = [{"text": text, text: [text]} for text in naughty_strings()]
    jobs = [{"workflow": "receipts", "payload": payload} for payload in payloads]
    created = read(api.post("jobs/bulk", {"jobs": jobs}), 201)["results"]
    assert [result["job"]["payload"] for result in created] == payloads
    assert [job["payload"] for job in everything(api)] == payloads[::-1]


def everything(api: Api) -> Iterator[dict[str, Any]]:
    """All jobs by the list, newest first."""
    cursor: dict[str, str] = {}
    while True:
        page = read(api.get("jobs", {"page_size": 200} | cursor))
        yield from page["results"]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.slow
@pytest.mark.skipif(not naughty_strings(), reason="the naughty strings are not beside the checkout")
def test_every_naughty_string_is_taken_in_or_refused_in_every_field(api: Api, workflow: Workflow) -> None:
    for text in naughty_strings():
        names = ("workflow", "queue", "correlation_id", "run_at", "priority", "retry_policy", "payload", text)
        jobs: list[Any] = [{"workflow": "receipts", "payload": {}} | {name: text} for name in names]
        answer = api.post("jobs/bulk", {"jobs": [*jobs, text]})
        assert answer.status_code in (207, 400), text
        for result in json.loads(answer.content)["results"]:
            assert result["status"] == 201 or all(fault["reason"] for fault in result["errors"]), text


@pytest.mark.slow
@pytest.mark.skipif(not naughty_strings(), reason="the naughty strings are not beside the checkout")
def test_every_naughty_string_is_an_answer_or_a_refusal_wherever_text_goes(api: Api, workflow: Workflow) -> None:
    job = make_job(workflow, State.FAILED)
    for text in naughty_strings():
        check(api.post("jobs", raw=text.encode()), text)
        check(api.post(f"jobs/{job.uid}/retry", {"from_step": text}), text)
        for name in ("state", "workflow", "correlation_id", "cursor", text):
            check(api.get("jobs", {name: text}), (name, text))


def test_every_naughty_string_of_our_own_is_kept_as_a_correlation_id(api: Api, workflow: Workflow) -> None:
    for text in own_strings():
        job = read(api.post("jobs", {"workflow": "receipts", "payload": {}, "correlation_id": text}), 201)
        assert job["correlation_id"] == text
        found = read(api.get("jobs", {"correlation_id": text}))["results"]
        assert job["id"] in [each["id"] for each in found]


def own_strings() -> Iterator[str]:
    yield from (
        "undefined",
        "1;DROP TABLE jobs",
        "' OR 1=1 --",
        "😀",
        "Ω≈ç√",
        "田中さん",
        "<script>",
        "${7*7}",
        "../../etc/passwd",
    )
