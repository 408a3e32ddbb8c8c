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
def test_without_any_there_is_none(connections):
    assert choice(*connections) is None


@pytest.mark.parametrize("slug", ["h", "missing"])
def test_a_name_that_leads_to_no_language_model_is_not_replaced_by_another(slug):
    assert choice(make("h", "http"), make("default"), slug=slug) is None


def test_one_that_is_named_and_switched_off_is_refused():
    with pytest.raises(ConnectionUnusable, match="'a' cannot be used: it is switched off"):
        choice(make("a", **OFF), make("b"), slug="a")


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
