"""What rules, endpoints and conditions do at their edges."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from automations.domain.endpoints import MOST_HEADERS, kept_headers, plain_of
from automations.domain.sentence import sentence
from automations.domain.signatures import signed_time
from automations.domain.states import Scheme
from automations.domain.triggers import has_labels, read_trigger
from jobs.domain.figures import Added, JobFacts, quantile, seconds_of
from workflows.domain.expressions.explain import parts_of


def test_of_many_headers_the_first_are_kept_and_none_that_proves_something() -> None:
    sent = {"X-Plain-Signature": "s"} | {f"X-Number-{n}": "a\tb" for n in range(MOST_HEADERS + 5)}
    kept = kept_headers(sent, plain_of({}))
    assert list(kept.items()) == [(f"x-number-{n}", "a b") for n in range(MOST_HEADERS)]


def test_a_standard_webhook_signs_its_time() -> None:
    assert signed_time(Scheme.STANDARD, {"Webhook-Timestamp": "1700000000"}) == "1700000000"


def test_a_threshold_is_not_resolved_above_itself() -> None:
    with pytest.raises(ValidationError, match="must not be more than"):
        read_trigger({"kind": "measure", "measure": "open_reviews", "above": 3, "below": 4})


def test_a_label_may_stand_inside_of_an_object() -> None:
    assert has_labels({"a": {"b": 1}}, {"a.b": 1})
    assert not has_labels({"a": 1}, {"a.b": 1})
    assert not has_labels({}, {"a": 1})


def test_a_rule_without_a_trigger_that_can_be_read_never_happens() -> None:
    told = sentence(None, zone="UTC", for_operator=False, tenants="", condition="", actions=[])
    assert told.startswith("Never")


def test_a_share_of_more_than_all_is_the_largest() -> None:
    assert quantile({3: 1.0, 7: 1.0}, 1.5) == seconds_of(7)


@pytest.mark.parametrize("source", ["", "  ", "()"])
def test_nothing_has_no_parts(source: str) -> None:
    assert parts_of(source) == []


def test_times_end_where_they_are_asked_to() -> None:
    from automations.domain.cron import due_between

    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    assert due_between("0 7 * * *", "UTC", begin, end) == [datetime(2026, 1, day, 7, tzinfo=UTC) for day in (1, 2)]


def test_a_job_that_was_never_started_waited_for_nothing() -> None:
    at, added = datetime(2026, 1, 1, tzinfo=UTC), Added()
    added.add(JobFacts(1, "SUCCEEDED", "", at, at, None, at))
    (figures,) = added.figures.values()
    assert not [name for name in figures if name.startswith("wait")]
    assert [name for name in figures if name.startswith("took")]
