"""A wrong value in the environment is a sentence that names the variable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from taskflow.environment import Environment, database, kept_secret_key, writable_folder


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (Environment.int, "abc", "SIZE='abc' is not a whole number"),
        (Environment.int, "1.5", "SIZE='1.5' is not a whole number"),
        (Environment.float, "5s", "SIZE='5s' is not a number"),
        (Environment.bool, "ture", "SIZE='ture' is neither true nor false"),
    ],
)
def test_a_value_of_the_wrong_type_names_its_variable(monkeypatch, read, value: str, message: str) -> None:
    monkeypatch.setenv("SIZE", value)
    with pytest.raises(ImproperlyConfigured, match=message):
        read(Environment(), "SIZE", default=1)


@pytest.mark.parametrize(
    ("value", "meaning"), [("true", True), ("YES", True), ("1", True), ("off", False), ("", False)]
)
def test_a_boolean_is_read_in_the_usual_words(monkeypatch, value: str, meaning: bool) -> None:
    monkeypatch.setenv("SIZE", value)
    assert Environment().bool("SIZE", default=not meaning) is meaning


@pytest.mark.filterwarnings("ignore:Engine not recognized")
@pytest.mark.parametrize("url", ["postgres://u:p@h/d", "wibble"])
def test_a_database_that_is_not_supported_is_refused(monkeypatch, tmp_path: Path, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match="must begin with sqlite:/// or mysql://"):
        database(Environment(), tmp_path)


def test_sqlite_in_the_given_folder_is_the_default(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    config = database(Environment(), tmp_path)
    assert config["NAME"] == str(tmp_path / "taskflow.sqlite3")
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_mysql_without_its_driver_says_what_to_install(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://u:p@h/d")
    monkeypatch.setattr("taskflow.environment.find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match="uv sync --extra mysql"):
        database(Environment(), tmp_path)


def test_a_folder_that_cannot_be_made_names_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match="VAR_DIR: cannot make the folder"):
        writable_folder("VAR_DIR", tmp_path / "file" / "below")


def test_the_kept_secret_key_is_used_when_there_is_one(tmp_path: Path) -> None:
    assert kept_secret_key(tmp_path) == ""
    (tmp_path / "secret_key").write_text("kept\n")
    assert kept_secret_key(tmp_path) == "kept"


def test_a_command_ends_with_the_sentence_and_without_a_traceback() -> None:
    command = [sys.executable, "manage.py", "check"]
    env = os.environ | {"WORKER_SLOTS": "abc"}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("TaskFlow cannot start: WORKER_SLOTS='abc' is not a whole number.")
    assert "Traceback" not in ended.stderr
