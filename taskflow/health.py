"""Whether this process lives, and whether the system is ready for work.

Every check has a time limit, and runs in one of a few threads: what hangs is down, and cannot use up the web server.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from functools import lru_cache

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.queries.workers import count_live_workers

LIMIT_SECONDS = 3.0
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="ready")


class NotReady(Exception):
    """A part of the system is down; the message says how."""


@require_safe
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """Say that this process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Say of each part whether it is ready; 503 when one is not."""
    running = {_threads.submit(in_own_connection, check): name for name, check in CHECKS.items()}
    wait_for(running, timeout=LIMIT_SECONDS)
    found = {name: result_of(future) for future, name in running.items()}
    is_ready = all(part["ok"] for part in found.values())
    return JsonResponse({"status": "ready" if is_ready else "down", "checks": found}, status=200 if is_ready else 503)


def result_of(future: "Future[None]") -> dict[str, object]:
    """Return what a check found; one that has not come back is down."""
    if not future.done():
        future.cancel()
        return {"ok": False, "reason": f"no answer within {LIMIT_SECONDS:g} s"}
    error = future.exception()
    if error is None:
        return {"ok": True}
    if isinstance(error, (NotReady, DatabaseError, RedisError, OSError)):
        return {"ok": False, "reason": str(error) if isinstance(error, NotReady) else type(error).__name__}
    raise error


def in_own_connection(check: Callable[[], None]) -> None:
    """Run a check with a database connection of its own, and close it."""
    try:
        check()
    finally:
        connection.close()


def check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@lru_cache(maxsize=1)
def newest_migrations() -> frozenset[tuple[str, str]]:
    """Return the last migration of each app, as the code has it."""
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).graph.leaf_nodes())


def check_migrations() -> None:
    missing = newest_migrations() - set(MigrationRecorder(connection).applied_migrations())
    if missing:
        raise NotReady("not applied: " + ", ".join(".".join(key) for key in sorted(missing)))


def check_broker() -> None:
    if settings.BROKER_URL.startswith("filesystem:"):
        folder = settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"]
        if not os.access(str(folder), os.W_OK):
            raise NotReady("the message folder cannot be written")
        return
    options = {"socket_connect_timeout": 1.0, "socket_timeout": 1.0, "retry": Retry(NoBackoff(), 0)}
    with Redis.from_url(settings.BROKER_URL, **options) as redis:
        redis.ping()


def check_worker() -> None:
    if not count_live_workers(lease_seconds=settings.LEASE_SECONDS):
        raise NotReady("no worker process has been heard of lately")


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "migrations": check_migrations,
    "broker": check_broker,
    "worker": check_worker,
}
