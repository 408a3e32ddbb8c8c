"""System checks: settings that cannot work are errors, settings that may surprise are warnings. Each says what to set.

Numbers are never reused. `manage.py check` runs those of the settings, `--database default` those of the server too,
`--deploy` those that hold for production only.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from taskflow.lib.sealing import is_key
from tenants.services.environment import environment_problems
from workflows.services.keeping import versions_are_kept

BROKER_SCHEMES = ("filesystem", "redis", "rediss")
POSITIVE = (
    "WEB_PROCESSES",
    "WEB_THREADS",
    "WORKER_PROCESSES",
    "WORKER_SLOTS",
    "DRAIN_SLICE_SECONDS",
    "HEARTBEAT_SECONDS",
    "LEASE_SECONDS",
    "STUCK_PROCESS_SECONDS",
    "STOP_GRACE_SECONDS",
    "CRASH_BUDGET",
    "STEP_TIMEOUT_SECONDS",
    "REVIEW_UNDO_SECONDS",
    "MAX_BODY_BYTES",
    "MAX_PAYLOAD_BYTES",
    "MAX_FILE_BYTES",
    "MAX_UPLOAD_BYTES",
    "MAX_FILES",
    "DOCUMENT_SECONDS",
    "DOCUMENT_MEMORY_MB",
    "MAIL_POLL_SECONDS",
)
OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 0)}


def error(number: int, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"taskflow.E{number:03}")


def warning(number: int, message: str, hint: str) -> Warning:
    return Warning(message, hint=hint, id=f"taskflow.W{number:03}")


@register(Tags.security)
def check_secret_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001: without a key nothing can be signed."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        key = ""
    if key:
        return []
    hint = "Set it to a long random text: python -c 'import secrets; print(secrets.token_urlsafe(50))'."
    return [error(1, "SECRET_KEY is not set.", hint)]


@register(Tags.security)
def check_encryption_keys(app_configs: Any, **kwargs: Any) -> Iterable[CheckMessage]:
    """E010: a key that is none would stop every use of a connection."""
    hint = "Each key is 32 bytes as URL-safe base64. Make one with: python manage.py secrets new-key"
    for position, key in enumerate(settings.ENCRYPTION_KEYS, start=1):
        if not is_key(key):
            yield error(10, f"Key {position} of ENCRYPTION_KEYS is not a key.", hint)


@register(Tags.security, deploy=True)
def check_own_encryption_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W011: secrets at rest should not hang on the key that signs sessions, which is changed for other reasons."""
    if settings.ENCRYPTION_KEYS:
        return []
    hint = "Set it to a key from: python manage.py secrets new-key. Then run: python manage.py secrets rotate"
    return [warning(11, "ENCRYPTION_KEYS is not set, so SECRET_KEY seals the secrets of connections.", hint)]


@register(Tags.security, deploy=True)
def check_hosts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W002: a deployment answers to a name of its own, and only to that."""
    if "*" in settings.ALLOWED_HOSTS:
        return [warning(2, "ALLOWED_HOSTS allows every name.", "Set it to the names people use: taskflow.example.com.")]
    return []


@register()
def check_broker(app_configs: Any, **kwargs: Any) -> Iterable[CheckMessage]:
    """E003: a broker this cannot speak to; W004: messages in files reach the workers of one machine only."""
    scheme = urlsplit(settings.BROKER_URL).scheme
    if scheme not in BROKER_SCHEMES:
        hint = "Set it to redis://HOST:6379/0, or leave it empty to keep messages in files on one machine."
        yield error(3, f"BROKER_URL has the unknown scheme '{scheme}'.", hint)
    if scheme == "filesystem" and not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        hint = "Set BROKER_URL=redis://HOST:6379/0, unless all workers run on this machine."
        yield warning(4, "The database is a server, but messages are files on this machine.", hint)


@register()
def check_engine(app_configs: Any, **kwargs: Any) -> Iterable[CheckMessage]:
    """E005 to E007: numbers that cannot work, alone or together."""
    for name in POSITIVE:
        if getattr(settings, name) <= 0:
            yield error(5, f"{name} is {getattr(settings, name)}.", f"Set {name} to a number above 0.")
    if settings.HEARTBEAT_SECONDS >= settings.LEASE_SECONDS / 2:
        hint = "Set HEARTBEAT_SECONDS below half of LEASE_SECONDS, or one late heartbeat loses the worker its jobs."
        yield error(6, "HEARTBEAT_SECONDS is too long for LEASE_SECONDS.", hint)
    if settings.MAX_PAYLOAD_BYTES > settings.MAX_BODY_BYTES:
        hint = "Set MAX_BODY_BYTES above MAX_PAYLOAD_BYTES."
        yield error(7, "MAX_PAYLOAD_BYTES is more than a request may have (MAX_BODY_BYTES).", hint)


@register()
def check_language_model(app_configs: Any, **kwargs: Any) -> Iterable[CheckMessage]:
    """E012: a language model of the deployment that is only half described."""
    for problem in environment_problems():
        yield error(12, problem, "See “language model” in docs/operations.md; unset all LLM_ variables to have none.")


@register(Tags.database)
def check_server(app_configs: Any, databases: Sequence[str] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """E008: a server without SKIP LOCKED; W009: one that answers NULL to a conversion between time zones."""
    for alias in databases or []:
        connection: Any = connections[alias]
        if connection.vendor != "mysql":
            continue
        name = "MariaDB" if connection.mysql_is_mariadb else "MySQL"
        if connection.mysql_version < OLDEST[name]:
            oldest = ".".join(map(str, OLDEST[name]))
            found = ".".join(map(str, connection.mysql_version))
            yield error(
                8, f"{name} {found} is too old: the engine needs SKIP LOCKED.", f"Use {name} {oldest} or later."
            )
        if not connection.features.has_zoneinfo_database:
            hint = (
                "Load them: mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb mysql (mysql_tzinfo_to_sql for MySQL)."
            )
            yield warning(9, "The server's time-zone tables are empty.", hint)


@register(Tags.database)
def check_characters(app_configs: Any, databases: Sequence[str] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """E011: a database that cannot keep every text."""
    for alias in databases or []:
        if connections[alias].vendor != "mysql":
            continue
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT @@character_set_database")
            (found,) = cursor.fetchone() or ("",)
        if found != "utf8mb4":
            hint = "While it is empty: ALTER DATABASE name CHARACTER SET utf8mb4."
            yield error(11, f"The database's character set is {found}, which cannot keep every text.", hint)


@register(Tags.database)
def check_versions_are_kept(app_configs: Any, databases: Sequence[str] | None, **kwargs: Any) -> Iterable[CheckMessage]:
    """W014: published versions that only our own code protects."""
    for alias in databases or []:
        if versions_are_kept(connections[alias]):
            continue
        hint = (
            "Run manage.py migrate. Where the server keeps a binary log, its user needs a right for that first: "
            "SET GLOBAL log_bin_trust_function_creators = 1 (or run migrate once as a user with SUPER)."
        )
        yield warning(14, "The triggers that keep published versions from being changed are not there.", hint)
