"""Which language model a step uses, and what is said where there is none."""

from datetime import UTC, datetime

import pytest

from tenants.domain.connections import Connection, ConnectionUnusable, find_connection, llm_connection
from workflows.domain.outcomes import PermanentError
from workflows.kinds.base import StepContext


def make(slug, kind="openai", **fields):
    return Connection(slug, kind, {"model": "m"}, **{"id": 1} | fields)


def choice(*connections, slug=None):
    return llm_connection({each.slug: each for each in connections}, slug)


OWN = make("default", id=0)
OFF = {"enabled": False, "problem": "it is switched off"}


def test_a_step_that_names_one_gets_it():
    assert choice(make("a"), make("b", "gemini"), slug="b").slug == "b"


def test_the_tenants_default_goes_before_its_others():
    assert choice(make("a"), make("default")).slug == "default"


def test_the_first_that_is_switched_on_stands_in_for_a_default():
    assert choice(make("z"), make("b"), make("a", **OFF), make("aa", "http"), OWN).slug == "b"


def test_a_default_that_is_switched_off_is_passed_over():
    assert choice(make("default", **OFF), make("b")).slug == "b"


def test_the_deployments_own_comes_last():
    assert choice(OWN, make("h", "http")).id == 0


@pytest.mark.parametrize("connections", [(), (make("h", "http"),), (make("a", **OFF),)])
def test_without_any_the_reason_says_what_to_add(connections):
    with pytest.raises(ConnectionUnusable, match="no connection to a language model: add one"):
        choice(*connections)


def test_one_of_another_kind_is_refused():
    with pytest.raises(ConnectionUnusable, match="'h' leads to no language model: its kind is http"):
        choice(make("h", "http"), slug="h")


def test_a_choice_whose_secrets_do_not_open_is_not_silently_replaced():
    with pytest.raises(ConnectionUnusable, match="'a' cannot be used: no key opens"):
        choice(make("a", problem="no key opens"), make("b"))


def test_a_missing_one_and_one_with_a_problem_say_so():
    with pytest.raises(ConnectionUnusable, match="There is no connection 'x'"):
        find_connection({}, "x")
    with pytest.raises(ConnectionUnusable, match="'a' cannot be used: it is switched off"):
        find_connection({"a": make("a", **OFF)}, "a")


def test_to_a_step_that_is_a_permanent_error():
    context = StepContext(payload={}, steps={}, job={}, tenant={}, now=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(PermanentError, match="There is no connection 'x'"):
        context.connection("x")
