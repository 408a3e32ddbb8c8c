"""The project package: settings, the Celery application, urls and what the apps share."""

from taskflow.celery import app as celery_app

__all__ = ["celery_app"]
