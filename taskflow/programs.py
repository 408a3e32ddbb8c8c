"""The programs that make up a running system; the same on one machine and in containers."""

import sys

from django.conf import settings

GRACEFUL_SECONDS = "20"


def web() -> list[str]:
    """Return the command of the web server; HOST and PORT say where it listens."""
    address = f"[{settings.HOST}]:{settings.PORT}" if ":" in settings.HOST else f"{settings.HOST}:{settings.PORT}"
    return [
        sys.executable, "-m", "gunicorn", "taskflow.wsgi", "--bind", address,
        "--worker-class", "taskflow.webworker.PatientWorker",
        "--workers", str(settings.WEB_PROCESSES), "--threads", str(settings.WEB_THREADS),
        "--graceful-timeout", GRACEFUL_SECONDS, "--log-level", "warning",
    ]  # fmt: skip


def worker() -> list[str]:
    """Return the command of a worker that serves the default pool and WORKER_POOL."""
    pools = dict.fromkeys(["default", settings.WORKER_POOL])
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "taskflow", "worker", "--pool", "prefork",
        "--concurrency", str(settings.WORKER_PROCESSES), "--queues", ",".join(f"pool.{pool}" for pool in pools),
        "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING",
    ]  # fmt: skip


def beat() -> list[str]:
    """Return the command of beat; one for the whole system, though two do no harm."""
    return [sys.executable, "-m", "celery", "--quiet", "-A", "taskflow", "beat", "--pidfile=", "--loglevel", "WARNING"]


PROGRAMS = {"web": web, "worker": worker, "beat": beat}
