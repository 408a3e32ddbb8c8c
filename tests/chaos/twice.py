"""The project's Celery application, but that every message it sends is sent twice."""

from typing import Any

from taskflow.celery import app

_send = app.amqp.send_task_message


def send_twice(*arguments: Any, **options: Any) -> Any:
    """Send a message, and the same again."""
    _send(*arguments, **options)
    return _send(*arguments, **options)


app.amqp.send_task_message = send_twice
