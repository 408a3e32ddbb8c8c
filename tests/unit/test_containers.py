"""The production form, as far as it can be proved without a container engine.

The compose file was also held against the Compose Specification's schema by hand; see docs/operations.md.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from taskflow.programs import PROGRAMS

ROOT = Path(settings.BASE_DIR)
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
KNOWN = (ROOT / "taskflow" / "settings.py").read_text() + (ROOT / "taskflow" / "environment.py").read_text()


def test_there_is_one_service_for_each_part() -> None:
    assert set(SERVICES) == {"mysql", "redis", "migrate", "web", "worker", "beat"}
    assert set(OURS) == {"migrate", *PROGRAMS}


@pytest.mark.parametrize("name", OURS)
def test_each_role_runs_a_command_that_exists(name: str) -> None:
    python, manage, command, *rest = SERVICES[name]["command"]
    assert (python, manage) == ("python", "manage.py")
    assert command in get_commands()
    if command == "start":
        assert rest == [name]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_that_is_set_is_read(name: str) -> None:
    unread = [key for key in SERVICES[name]["environment"] if f'"{key}"' not in KNOWN]
    assert unread == []


@pytest.mark.parametrize("name", OURS)
def test_every_role_waits_for_what_it_needs(name: str) -> None:
    for other, how in SERVICES[name]["depends_on"].items():
        condition = how["condition"]
        if condition == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert (other, condition) == ("migrate", "service_completed_successfully")
            assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("secret", ["SECRET_KEY", "ENCRYPTION_KEYS", "MYSQL_PASSWORD"])
def test_no_secret_has_a_default(secret: str) -> None:
    uses = re.findall(rf"\$\{{{secret}([^}}]*)\}}", (ROOT / "docker-compose.yml").read_text())
    assert uses
    assert all(use.startswith(":?") for use in uses)


def test_a_worker_has_longer_to_stop_than_its_jobs_have() -> None:
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > settings.STOP_GRACE_SECONDS + 10


def test_web_and_workers_share_the_files_of_jobs() -> None:
    volumes = {name: SERVICES[name]["volumes"] for name in ("web", "worker")}
    assert volumes["web"] == volumes["worker"] == ["files:/var/lib/taskflow/files"]
    assert "files" in COMPOSE["volumes"]
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "VAR_DIR=/var/lib/taskflow " in last_stage
    assert "install -d -o taskflow -g taskflow -m 700 /var/lib/taskflow/files" in last_stage


def test_only_the_web_is_reachable_and_only_from_this_machine() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
    assert SERVICES["web"]["ports"] == ["${PUBLISH:-127.0.0.1:8000}:8000"]


def test_the_database_lets_its_user_make_the_triggers_that_keep_versions() -> None:
    # The image of MySQL keeps a binary log, and the user that it makes has no SUPER.
    assert "--log-bin-trust-function-creators=1" in SERVICES["mysql"]["command"]


def test_the_image_does_not_run_as_root() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    user = last_stage.index("\nUSER taskflow")
    assert last_stage.index("\nCMD ") > user
    assert "USER root" not in last_stage


def test_the_commands_of_the_image_are_well_formed() -> None:
    lists = re.findall(r"^\s*(?:CMD|ENTRYPOINT) (\[.*\])$", DOCKERFILE, re.MULTILINE)
    commands = [json.loads(text) for text in lists]
    assert ["python", "manage.py", "start", "web"] in commands
    probe = next(command for command in commands if command[1] == "-c")
    compile(probe[2], "HEALTHCHECK", "exec")


def test_the_image_gets_every_folder_that_is_ours_and_nothing_else() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    apps = {app for app in settings.INSTALLED_APPS if (ROOT / app / "__init__.py").exists()}
    assert apps <= kept
    assert {"manage.py", "uv.lock", "pyproject.toml", "templates", "static"} <= kept
    assert not kept & {".env", "var", ".git", "tests", ".venv"}
