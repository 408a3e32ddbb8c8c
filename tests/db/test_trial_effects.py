"""A test run does nothing outside: no connection is made and no row is written but its own, whatever the steps are."""

import socket
from typing import Any

import pytest
from django.apps import apps
from django.core import mail

from jobs.domain.would import would_words
from jobs.runtime.trials import run_trial
from jobs.services.trials import start_trial
from tests.factories import NOW, make_connection, make_lane, make_tenant, make_workflow
from workflows.domain.outcomes import Done, Outcome
from workflows.kinds.base import Effect, StepConfig, StepContext, StepKind
from workflows.kinds.python import step_function
from workflows.kinds.registry import KINDS
from workflows.models import Sample

pytestmark = pytest.mark.django_db
done: list[str] = []
#: One step of every kind, in a config with which it would act.
STEPS: dict[str, dict[str, Any]] = {
    "approve": {"fields": ["text"]},
    "classify": {"by": "rules", "labels": [{"name": "fees", "rules": [{"words": ["fee"]}]}], "otherwise": "fees"},
    "document": {"fallback": "payload.text", "into": "read"},
    "extract": {"by": "rules", "fields": [{"name": "total", "rules": [{"rule": "constant", "value": "5"}]}]},
    "generate": {"instruction": "Answer it."},
    "http": {"method": "POST", "url": "http://127.0.0.1:9/orders", "body": {"content": {"text": "{{ payload.text }}"}}},
    "notify": {"channel": "mail", "to": ["ann@example.com"], "subject": "Hi", "text": "{{ payload.text }}"},
    "python": {"function": "effects.act"},
    "route": {"routes": [{"to": "end", "when": "true", "goto": "last"}]},
    "score": {"instruction": "How urgent is it?"},
    "spawn": {"workflow": "other", "payload": {"text": "{{ payload.text }}"}},
    "transform": {"fields": [{"name": "made", "template": "{{ payload.text }}"}]},
    "validate": {"rules": [{"that": "true"}]},
    "webhook_out": {"connection": "out", "type": "order.done"},
}
WOULD = {
    "http": "call POST http://127.0.0.1:9/orders",
    "notify": "send mail to ann@example.com: Hi",
    "python": "call the function effects.act",
    "spawn": "create 1 sub-job",
    "webhook_out": "send a webhook order.done over 'out'",
}


@step_function("effects.act")
def act(context: StepContext) -> dict[str, Any]:
    """Do what must not be done in a test."""
    done.append("python")
    return {}


class Careless(StepKind[StepConfig]):
    """A kind with an effect outside that says nothing of dry runs."""

    name = "careless"
    title = "Careless"
    Config = StepConfig
    effect = Effect.EXTERNAL

    def run(self, context: StepContext) -> Outcome:
        done.append("careless")
        return Done({})


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail whatever opens a connection."""

    def refuse(*_: Any, **__: Any) -> None:
        done.append("network")
        raise AssertionError("A test run opened a connection.")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def rows() -> dict[str, int]:
    """Return how many rows of each model there are, but for those of test runs."""
    ours = [model for app in ("tenants", "workflows", "jobs") for model in apps.get_app_config(app).get_models()]
    return {model._meta.label: model._default_manager.count() for model in ours if "Trial" not in model._meta.label}


def test_a_kind_that_is_new_is_described_here() -> None:
    assert set(STEPS) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_a_run_over_any_kind_has_no_effect_outside(kind: str, no_network: None, settings: Any) -> None:
    done.clear()
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1/32"]  # it could be reached, were it tried
    tenant = make_tenant()
    make_lane(tenant=tenant)  # in which the run stands
    make_connection(tenant, slug="out", kind="webhook", config={"url": "http://127.0.0.1:9/out"}, secrets={})
    last = {"key": "last", "kind": "transform", "config": STEPS["transform"]}
    workflow = make_workflow(tenant, steps=[{"key": "first", "kind": kind, "config": STEPS[kind]}, last])
    sample = Sample.objects.create(workflow=workflow, input={"text": "a fee", "total": 5})
    trial = start_trial(workflow=workflow, samples=[sample], user=None, now=NOW)
    before = rows()
    run_trial(trial.pk)
    trial.refresh_from_db()
    assert (trial.state, trial.done, done, mail.outbox) == ("done", 1, [], [])
    assert rows() == before
    item = trial.items.get()
    trace = item.draft["steps"][0]
    assert would_words(trace["would"]) == WOULD.get(kind, "")
    if kind not in ("generate", "score"):  # they ask a model, and there is no connection to one
        assert item.draft["error"] == ""


def test_a_kind_that_says_nothing_of_dry_runs_is_not_run(no_network: None, monkeypatch: pytest.MonkeyPatch) -> None:
    done.clear()
    monkeypatch.setitem(KINDS, "careless", Careless)
    workflow = make_workflow(steps=[{"kind": "careless", "config": {}}])
    sample = Sample.objects.create(workflow=workflow, input={"text": "x"})
    trial = start_trial(workflow=workflow, samples=[sample], user=None, now=NOW)
    run_trial(trial.pk)
    assert done == []
    assert would_words(trial.items.get().draft["steps"][0]["would"]) == "run a step of the kind careless"
