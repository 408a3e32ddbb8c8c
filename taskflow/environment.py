"""Reading the environment: typed, and a value that does not fit names its variable."""

from collections.abc import Iterable
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


class Environment(environ.Env):
    """django-environ, but strict: it would read a misspelt boolean as false, and "5 min" as 5."""

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False
    ) -> Any:
        given = self.ENVIRON.get(var)
        if cast is bool and given is not None and given.strip().lower() not in TRUE + FALSE:
            raise ImproperlyConfigured(f"{var}={given!r} is neither true nor false.")
        try:
            if cast is float and given is not None:
                return float(given)
            return super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        except ValueError as error:
            expected = {int: "a whole number", float: "a number"}.get(cast, "valid")
            raise ImproperlyConfigured(f"{var}={given!r} is not {expected}.") from error


def networks(variable: str, texts: Iterable[str]) -> list[IPv4Network | IPv6Network]:
    """Return addresses and CIDR blocks as networks; raises ImproperlyConfigured with the variable to change."""
    try:
        return [ip_network(text.strip()) for text in texts]
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable}: {error}.") from error


def writable_folder(variable: str, folder: Path) -> Path:
    """Return `folder`, made if it was not there; raises ImproperlyConfigured with the variable to change."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{variable}: cannot make the folder {folder}: {error.strerror}.") from error
    return folder


def kept_secret_key(folder: Path) -> str:
    """Return the key that `manage.py up` made and kept in `folder`, or nothing."""
    kept = folder / "secret_key"
    return kept.read_text().strip() if kept.exists() else ""


def database(env: Environment, folder: Path) -> dict[str, Any]:
    """Return the settings of the one database: SQLite in `folder`, or what DATABASE_URL names."""
    config: dict[str, Any] = env.db_url("DATABASE_URL", default=f"sqlite:///{folder / 'taskflow.sqlite3'}")
    engine = config.get("ENGINE", "").rpartition(".")[2]
    if engine == "sqlite3":
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
        }
    elif engine == "mysql":
        if find_spec("MySQLdb") is None:
            raise ImproperlyConfigured("DATABASE_URL names MySQL, but mysqlclient is not there: uv sync --extra mysql.")
        config["OPTIONS"] = {"charset": "utf8mb4", "isolation_level": "read committed", "connect_timeout": 5}
    else:
        raise ImproperlyConfigured("DATABASE_URL must begin with sqlite:/// or mysql:// (MySQL and MariaDB).")
    return config | {"CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=60), "CONN_HEALTH_CHECKS": True}
