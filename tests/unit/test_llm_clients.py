"""The clients of language models, against a stand-in that speaks the providers' protocols."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from tenants.domain.connections import Connection
from tests.llm_server import Answer, Cut, Failure, Raw
from workflows.domain.outcomes import PermanentError, Usage
from workflows.llm import ContentRefused, Message, ModelRefused, ModelTimeout, ModelUnavailable, Request, ask_model
from workflows.llm import openai as openai_module
from workflows.llm.calling import forget_unknown
from workflows.llm.prices import cost_of
from workflows.llm.schemas import plain_schema

SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["a", "b"]}, "score": {"type": "number", "minimum": 0}},
    "required": ["label"],
}


@pytest.fixture(params=["openai", "anthropic"])
def kind(request):
    return request.param


@pytest.fixture(autouse=True)
def _nothing_is_known():
    forget_unknown()


def connection(llm, kind="openai", **config):
    return Connection("main", kind, {"base_url": llm.url} | config, {"api_key": "sk-secret"})


def request(**fields):
    messages = (Message("system", "be brief"), Message("user", "hello"))
    return Request(**{"model": "gpt-4o-mini", "messages": messages, "max_tokens": 50, "timeout": 5.0} | fields)


def test_a_text_is_answered_with_its_tokens_and_model(llm, kind):
    llm.script(Answer("good day", tokens=(7, 3)))
    reply = ask_model(connection(llm, kind), request(temperature=0.5))
    assert (reply.text, reply.model, reply.cut) == ("good day", "gpt-4o-mini", False)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (7, 3)
    (seen,) = llm.requests
    assert (seen.system, seen.user, seen.body["temperature"], seen.body["max_tokens"]) == ("be brief", "hello", 0.5, 50)


def test_an_answer_by_a_schema_is_json_and_the_provider_is_held_to_it(llm, kind):
    llm.script(Answer({"label": "a", "score": 1}))
    reply = ask_model(connection(llm, kind), request(schema=SCHEMA))
    assert reply.text.replace(" ", "") == '{"label":"a","score":1}'
    body = llm.requests[0].body
    form = body["output_config"]["format"] if kind == "anthropic" else body["response_format"]["json_schema"]
    sent = form["schema"]
    assert sent == plain_schema(SCHEMA)
    assert sent["required"] == ["label", "score"]
    assert sent["additionalProperties"] is False


def test_the_key_goes_in_the_header(llm, kind):
    llm.script(Answer("x"))
    ask_model(connection(llm, kind), request())
    assert llm.requests[0].headers["authorization"] == "Bearer sk-secret"


def test_log_probabilities_come_with_the_answer(llm):
    llm.script(Answer("a b", sure=0.5))
    reply = ask_model(connection(llm), request(logprobs=True))
    assert [token.text for token in reply.tokens] == ["a", " ", "b"]
    assert reply.tokens[0].logprob == pytest.approx(-0.693, abs=0.001)


@pytest.mark.parametrize(("status", "passes"), [(429, True), (500, True), (503, True), (408, True), (529, True)])
def test_what_may_pass_is_transient(llm, kind, status, passes):
    llm.script(Failure(status, "too busy", {"Retry-After": "7"}))
    with pytest.raises(ModelUnavailable, match="too busy") as caught:
        ask_model(connection(llm, kind), request())
    assert (caught.value.status, caught.value.retry_after, caught.value.permanent) == (status, 7.0, not passes)
    assert len(llm.requests) == 1  # the library does not try again by itself


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_will_not_pass_is_permanent_with_the_providers_words(llm, kind, status):
    llm.script(Failure(status, "no model 'gpt-9' for key sk-secret"))
    with pytest.raises(ModelRefused) as caught:
        ask_model(connection(llm, kind), request())
    assert str(caught.value) == f"The model provider of 'main' answered {status}: no model 'gpt-9' for key ***"


def test_milliseconds_to_wait_are_read_too(llm):
    llm.script(Failure(429, "slow down", {"Retry-After-Ms": "1500"}))
    with pytest.raises(ModelUnavailable) as caught:
        ask_model(connection(llm), request())
    assert caught.value.retry_after == 1.5


def test_a_slow_answer_is_a_timeout_after_exactly_that_time(llm, kind):
    llm.script(Answer("late", delay=30))
    start = time.monotonic()
    with pytest.raises(ModelTimeout, match=r"did not answer within 0\.2 seconds"):
        ask_model(connection(llm, kind), request(timeout=0.2))
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "act",
    [Cut(), Raw("<html>gateway</html>", "text/html"), Raw("{not json"), Raw("{}"), Raw('{"choices": []}'), Raw("[1]")],
    ids=["cut", "html", "not json", "empty", "no choices", "a list"],
)
def test_a_broken_answer_is_transient(llm, kind, act):
    llm.script(act)
    with pytest.raises(ModelUnavailable):
        ask_model(connection(llm, kind), request())


def test_an_empty_answer_is_transient(llm, kind):
    llm.script(Answer(""))
    with pytest.raises(ModelUnavailable, match="empty"):
        ask_model(connection(llm, kind), request())


def test_nobody_listening_is_transient(llm, kind):
    nowhere = Connection("main", kind, {"base_url": "http://127.0.0.1:1/v1"}, {"api_key": "k"})
    with pytest.raises(ModelUnavailable, match="could not be reached"):
        ask_model(nowhere, request())


def test_a_refusal_is_permanent_in_the_models_words(llm):
    llm.script(Answer("", refusal="I can't help with that."), Answer("", finish="content_filter"))
    with pytest.raises(ContentRefused, match=r"I can't help with that\.") as caught:
        ask_model(connection(llm), request())
    assert (caught.value.permanent, caught.value.usage.input_tokens) == (True, 100)
    with pytest.raises(ContentRefused, match="content filter"):
        ask_model(connection(llm), request())


def test_anthropics_refusal_is_permanent_too(llm):
    llm.script(Answer("I would rather not.", finish="refusal"))
    with pytest.raises(ContentRefused, match="I would rather not"):
        ask_model(connection(llm, "anthropic"), request())


def test_an_answer_that_reached_its_limit_says_so(llm, kind):
    llm.script(Answer("and then", finish="length"))
    assert ask_model(connection(llm, kind), request()).cut


def test_a_private_address_is_refused_unless_the_operator_allows_it(llm, kind, settings):
    settings.OUTGOING_HTTP_ALLOW = []
    with pytest.raises(ModelRefused, match="not in the public internet"):
        ask_model(connection(llm, kind), request())
    assert llm.requests == []


def test_a_name_that_leads_to_a_private_address_is_refused(llm, kind, settings):
    settings.OUTGOING_HTTP_ALLOW = []
    named = connection(llm, kind, base_url=llm.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(ModelRefused, match="not in the public internet"):
        ask_model(named, request())
    assert llm.requests == []


def test_a_redirect_is_not_followed(llm, kind):
    llm.script(Failure(302, "elsewhere", {"Location": f"{llm.root}/other"}))
    with pytest.raises(ModelRefused, match="302"):
        ask_model(connection(llm, kind), request())
    assert len(llm.requests) == 1


def test_what_a_server_does_not_know_is_left_out_and_remembered(llm):
    llm.script(
        Failure(400, "Unsupported parameter: 'logprobs'"), Failure(400, "response_format is unknown"), Answer("{}")
    )
    assert ask_model(connection(llm), request(schema=SCHEMA, logprobs=True)).text == "{}"
    llm.script(Answer("{}"))
    ask_model(connection(llm), request(schema=SCHEMA, logprobs=True))
    assert len(llm.requests) == 4
    assert not {"logprobs", "response_format"} & llm.requests[-1].body.keys()


def test_an_older_model_of_anthropic_is_asked_without_a_schema(llm):
    llm.script(Failure(400, "output_config: Extra inputs are not permitted"), Answer("{}"))
    assert ask_model(connection(llm, "anthropic"), request(schema=SCHEMA)).text == "{}"
    assert "output_config" not in llm.requests[-1].body


def test_the_limit_has_the_name_that_openai_itself_wants(llm):
    options = openai_module._options(openai_module.OPENAI_URL, request())
    assert options == {"max_completion_tokens": 50}


def test_a_connection_to_something_else_is_refused(llm):
    with pytest.raises(PermanentError, match="not one to a language model"):
        ask_model(Connection("crm", "http", {}), request())


def test_the_list_knows_prices_and_a_connection_may_set_its_own():
    assert cost_of(Connection("m", "openai", {}), "gpt-4o-mini", 1_000_000, 0) == pytest.approx(0.15)
    assert cost_of(Connection("m", "openai", {}), "no-such-model", 1_000_000, 0) == 0
    assert cost_of(Connection("m", "ollama", {}), "gpt-4o-mini", 1_000_000, 0) == 0
    own = {"input_price": 2.0, "output_price": 4.0}
    assert cost_of(Connection("m", "ollama", own), "any", 500_000, 250_000) == pytest.approx(2.0)
    assert cost_of(Connection("m", "openai", {"input_price": 0.0, "output_price": None}), "gpt-4o-mini", 10, 10) == 0


def test_an_answer_without_usage_costs_nothing():
    answer = SimpleNamespace(usage=None, model="gpt-4o-mini")
    assert openai_module._usage(Connection("m", "openai", {}), answer) == Usage()


@pytest.mark.slow
def test_nothing_loads_the_libraries_before_a_model_is_asked():
    code = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'taskflow.settings'; django.setup();"
        "import sys, taskflow.urls, jobs.tasks, workflows.kinds.registry;"
        "print([name for name in ('openai', 'anthropic', 'genai_prices') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
