"""A place for the fleets of these tests, and a database they share with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from redis import Redis

from tests.chaos.fleet import Fleet, environment, fleet
from tests.conftest import url_of_test_database


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """One database for all tests of a module, emptied after the last.

    Not after each one as elsewhere: worker processes remember published versions by id, which must not be given again.
    """
    with django_db_blocker.unblock():
        yield
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, db: None) -> Path:
    """A folder, with an empty database and broker, that all tests of a module share with the fleet they started."""
    empty_broker()
    return tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="module")
def env(place: Path) -> dict[str, str]:
    """The environment of the module's processes."""
    return environment(place, database=url_of_test_database(), broker=settings.BROKER_URL)


@pytest.fixture(scope="module")
def workers(env: dict[str, str], place: Path) -> Iterator[Fleet]:
    """A module's fleet, which its tests fill."""
    with fleet(env, place) as found:
        yield found


def empty_broker() -> None:
    """Forget the messages of tests that ran before."""
    with Redis.from_url(settings.BROKER_URL) as client:
        client.flushdb()
