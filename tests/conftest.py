"""What every test stands on: its own folder, its own database, and the environment of processes it starts.

`DATABASE_URL` and `BROKER_URL` choose the base; without them it is SQLite and files in a temporary folder. The database
of a test run is always a file or a server, never memory, so that threads and processes of a test see the same rows.
"""

import gc
import hashlib
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import django
import pytest

# A test leaves little behind that only the collector of garbage finds, which otherwise looks through all modules again
# and again.
gc.set_threshold(50_000, 20, 50)
VAR_DIR = Path(tempfile.mkdtemp(prefix="taskflow-tests-"))
os.environ |= {
    "VAR_DIR": str(VAR_DIR),
    "STATIC_ROOT": str(VAR_DIR / "static"),
    "DJANGO_SETTINGS_MODULE": "taskflow.settings",
    "HTTPS": "false",
}
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "0123456789" * 5)
os.environ.setdefault("STEP_FUNCTION_MODULES", "tests.steps")
if os.environ.get("BROKER_URL", "").startswith("redis") and (worker := os.environ.get("PYTEST_XDIST_WORKER")):
    # Each of pytest-xdist's workers has a database of its own; so it must be in Redis, which tests empty.
    server, number = os.environ["BROKER_URL"].rsplit("/", 1)
    os.environ["BROKER_URL"] = f"{server}/{int(number) + int(worker.removeprefix('gw'))}"

from django.conf import settings  # noqa: E402 - settings read the environment that was set above

# A slow hash protects real passwords; in tests it only costs time.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Files straight from the sources: nothing is collected before a test run.
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.STATIC_ROOT.mkdir()
if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(VAR_DIR / "test.sqlite3")
    # Nobody needs these rows after the machine went down.
    settings.DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
django.setup()
# pytest-xdist's workers inherit the environment; were this in it, they would load the settings before this file runs.
del os.environ["DJANGO_SETTINGS_MODULE"]

from django.core.cache import cache  # noqa: E402

from jobs.queries.facts import listed_outputs  # noqa: E402
from taskflow.lib.cache import forget_all  # noqa: E402
from tests.emptying import empty_quickly  # noqa: E402 - models need Django to be set up
from tests.factories import Cast, make_cast  # noqa: E402 - models need Django to be set up
from tests.llm_server import LlmServer  # noqa: E402
from workflows.runtime import get_plan  # noqa: E402

empty_quickly()
SERVERS_WANTED = pytest.mark.skip(
    reason="needs MariaDB and Redis: python -m tests.servers -- pytest tests/races tests/chaos"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Races and crashes mean nothing without the locks of a real server and messages between real processes."""
    if settings.DATABASES["default"]["ENGINE"].endswith("mysql") and settings.BROKER_URL.startswith("redis"):
        return
    for item in items:
        if {"races", "chaos"} & set(item.path.parts):
            item.add_marker(SERVERS_WANTED)


def pytest_collection_finish() -> None:
    """Nothing that is there before the first test is garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what no UTF-8 can hold in captured output: pytest-xdist's workers could not send it."""
    report = yield
    report.sections = [(title, text.encode("utf-8", "backslashreplace").decode()) for title, text in report.sections]
    return report


@pytest.fixture(scope="session")
def _migrated(request: pytest.FixtureRequest) -> Path | None:
    """Where an SQLite database is kept that has all migrations, which take longer than most tests; None elsewhere."""
    if not on_sqlite():
        return None
    root = request.config.rootpath
    state = hashlib.sha256((root / "uv.lock").read_bytes())
    for path in sorted(root.glob("*/migrations/*.py")):
        state.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return request.config.cache.mkdir("migrated") / f"{state.hexdigest()}.sqlite3"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, _migrated: Path | None) -> None:
    """Begin with the database that is kept; what comes after the migrations is still done anew."""
    if _migrated is not None and _migrated.exists():
        shutil.copy(_migrated, settings.DATABASES["default"]["TEST"]["NAME"])


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool) -> bool:
    return django_db_keepdb or on_sqlite()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any, _migrated: Path | None) -> None:
    """Keep the new database for later runs."""
    if _migrated is None or _migrated.exists():
        return
    from django.db import connection

    for old in _migrated.parent.glob("*.sqlite3"):
        old.unlink(missing_ok=True)
    copy = VAR_DIR / "migrated.sqlite3"
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    # Another process of the same run may do so too: whichever comes last, what is there is whole.
    fresh = _migrated.with_suffix(f".{os.getpid()}")
    shutil.copy(copy, fresh)
    fresh.replace(_migrated)


def on_sqlite() -> bool:
    return settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")


def pytest_unconfigure() -> None:
    shutil.rmtree(VAR_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def _forget_what_is_cached() -> None:
    """Published versions are cached by id for good, but a rolled-back test gives its ids to the next one."""
    get_plan.cache_clear()
    listed_outputs.cache_clear()
    forget_all()
    cache.clear()


@pytest.fixture(scope="session")
def _llm_server() -> Generator[LlmServer]:
    server = LlmServer()
    yield server
    server.close()


@pytest.fixture
def llm(_llm_server: LlmServer, settings: Any) -> LlmServer:
    """A stand-in for a provider of language models, which calls may reach; it answers by a script."""
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1"]
    _llm_server.reset()
    return _llm_server


@pytest.fixture
def acme(db: None) -> Cast:
    """A tenant with one user of each role."""
    return make_cast("acme")


@pytest.fixture
def globex(db: None) -> Cast:
    """Another tenant, whose rows the first must never see."""
    return make_cast("globex")


@pytest.fixture
def process_env(transactional_db: None) -> dict[str, str]:
    """The environment for a process that a test starts (a worker, a command): it works on the test's own database.

    It commits its rows, so the test must too: that is what `transactional_db` is for.
    """
    return os.environ | {"DATABASE_URL": url_of_test_database()}


def url_of_test_database() -> str:
    """Return the URL of the database this test runs on."""
    from django.db import connection

    base = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{base['NAME']}"
    return f"mysql://{base['USER']}:{base['PASSWORD']}@{base['HOST']}:{base['PORT']}/{base['NAME']}"
