"""The Celery application. A message is a hint that work may be due; it carries no work and no state."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_ready
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskflow.settings")

TRANSPORT_ALIASES["filesystem"] = "taskflow.lib.mailbox:Transport"

app = Celery("taskflow")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def _keep_our_logging(**_signal: Any) -> None:
    """Celery leaves logging alone when somebody listens here; the LOGGING setting holds for its processes too."""


@worker_ready.connect
def _serve_metrics(**_signal: Any) -> None:
    """The parent of the pool hands out what its children count."""
    from taskflow.metrics.server import serve_worker_metrics

    serve_worker_metrics()
