"""The metrics of a worker's host, where no web process of ours runs."""

import threading

from django.conf import settings
from prometheus_client import start_http_server

from taskflow.metrics.store import host_registry

_lock = threading.Lock()
_started: list[int] = []


def serve_worker_metrics() -> None:
    """Serve the counts of this host on WORKER_METRICS_PORT of WORKER_METRICS_HOST; nothing without a port.

    Raises OSError where the port is taken.
    """
    port = settings.WORKER_METRICS_PORT
    with _lock:
        if port and not _started:
            start_http_server(port, settings.WORKER_METRICS_HOST, host_registry(settings.METRICS_DIR))
            _started.append(port)
