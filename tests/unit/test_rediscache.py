"""An unreachable Redis is an empty cache: requests go on."""

import pytest

from taskflow import rediscache
from taskflow.lib import telemetry
from taskflow.rediscache import TolerantRedisCache


@pytest.fixture
def told(monkeypatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(rediscache, "emit", lambda name, **fields: names.append(f"{name} {fields['operation']}"))
    return names


@pytest.fixture
def gone() -> TolerantRedisCache:
    return TolerantRedisCache("redis://127.0.0.1:1/0", {"OPTIONS": {"socket_connect_timeout": 0.5}})


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda cache: cache.get("a", 7), 7),
        (lambda cache: cache.get("a"), None),
        (lambda cache: cache.get_many(["a"]), {}),
        (lambda cache: cache.set("a", 1), None),
        (lambda cache: cache.set_many({"a": 1}), ["a"]),
        (lambda cache: cache.add("a", 1), True),
        (lambda cache: cache.touch("a"), False),
        (lambda cache: cache.delete("a"), False),
        (lambda cache: cache.delete_many(["a"]), None),
        (lambda cache: cache.has_key("a"), False),
        (lambda cache: cache.incr("a", 3), 3),
    ],
)
def test_each_operation_answers_as_an_empty_cache_and_tells(gone, told: list[str], call, answer: object) -> None:
    assert call(gone) == answer
    assert len(told) == 1
    assert told[0].startswith("cache.unreachable ")


def test_it_is_told_to_the_telemetry_of_all() -> None:
    assert rediscache.emit is telemetry.emit
