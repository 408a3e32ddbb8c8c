"""One line of JSON an event, from our own code, Django, Celery and every library alike.

`logging_config` is the LOGGING setting. Each line carries the ids of what it is about: request, correlation, tenant,
job, attempt and step, where they are known. Payloads and secrets are never written: a field whose name says it holds
one is filtered, and so is anything that looks like a key wherever it stands in the line.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware
from structlog.typing import EventDict, Processor, WrappedLogger

from taskflow.lib import telemetry

FILTERED = "[filtered]"
#: A field is filtered when its name, split at underscores and hyphens, has one of these words.
_SECRET_WORDS = frozenset(
    {"payload", "payloads", "input", "inputs", "output", "outputs", "result", "body", "data", "headers", "cookie"}
    | {"authorization", "auth", "key", "keys", "secret", "secrets", "token", "tokens", "password", "passwd", "cookies"}
    | {"credential", "credentials"}
)
_WORD = re.compile(r"[_\-. ]+")
_SECRET_TEXT = re.compile(
    r"(\btf_[0-9a-f]{8}_)[0-9a-f]{64}|(\bbearer\s+)[^\s\"'\\]+|(://[^/\s:@\"']*:)[^/\s@\"']+(?=@)", re.I
)
#: Asked every few seconds by machines; written down only when the answer is not good.
_PROBES = frozenset({"/health", "/ready", "/metrics"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def add_bound_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the ids of what this thread or request works on; the line's own fields win."""
    return {**telemetry.bound_ids(), **event}


def filter_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out every field whose name says that it holds a payload or a secret, however deep."""
    return {name: _filtered(name, value) for name, value in event.items()}


def _filtered(name: object, value: Any) -> Any:
    if _is_secret(str(name)):
        return FILTERED
    if isinstance(value, Mapping):
        return {inner: _filtered(inner, deeper) for inner, deeper in value.items()}
    if isinstance(value, list | tuple):
        return [_filtered("", item) for item in value]
    return value


def _is_secret(name: str) -> bool:
    return not _SECRET_WORDS.isdisjoint(_WORD.split(name.lower()))


def hide_keys(text: str) -> str:
    """Cut API keys, bearer tokens and passwords in URLs out of a finished line."""
    return _SECRET_TEXT.sub(lambda match: f"{match[1] or match[2] or match[3]}{FILTERED}", text)


def _render_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return hide_keys(str(_JSON(logger, method, event)))


def _render_console(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return hide_keys(str(_CONSOLE(logger, method, event)))


_JSON = structlog.processors.JSONRenderer(default=str)
_CONSOLE = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())

_COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    add_bound_ids,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def logging_config(*, form: str, level: str, stream: str) -> dict[str, Any]:
    """Return the LOGGING setting: one handler on `stream` for everything, in the form `json` or `console`.

    Also sets structlog up to go through it. Raises ImproperlyConfigured for a form or level that there is not.
    """
    if form not in {"json", "console"}:
        raise ImproperlyConfigured(f"LOG_FORMAT={form!r} is neither json nor console.")
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"LOG_LEVEL={level!r} is none of DEBUG, INFO, WARNING, ERROR, CRITICAL.")
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_COMMON,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "taskflow.logs.make_formatter", "form": form}},
        "handlers": {"line": {"class": "logging.StreamHandler", "stream": stream, "formatter": "line"}},
        "root": {"handlers": ["line"], "level": level},
        "loggers": {name: {"level": lowest} for name, lowest in _QUIETER.items()} | _ROUTED,
    }


#: What these say at INFO is a line a message, a second or a request; we say it ourselves, or it is of no use.
_QUIETER = {
    "celery.worker.strategy": "WARNING",
    "celery.app.trace": "WARNING",
    "celery.beat": "WARNING",
    "django.request": "CRITICAL",
    "kombu.connection": "ERROR",
    "httpx": "WARNING",
    "httpx2": "WARNING",
}
#: Loggers that libraries give handlers of their own.
_ROUTED: dict[str, dict[str, Any]] = {
    name: {"handlers": ["line"], "level": "INFO", "propagate": False} for name in ("gunicorn.error", "django.server")
}


def make_formatter(*, form: str) -> logging.Formatter:
    """Return what turns a record, from structlog or from the standard library, into a line."""
    console = form == "console"
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, filter_secrets]
    if not console:
        last.append(structlog.processors.format_exc_info)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_COMMON, structlog.stdlib.ExtraAdder()],
        processors=[*last, _render_console if console else _render_json],
    )


def chosen_form(asked: str) -> str:
    """Return `json` or `console`: what was asked for, else console where a person looks at the output."""
    return asked or ("console" if sys.stdout.isatty() else "json")


def chosen_stream(program: str) -> str:
    """Return where `program` (argv[0]) logs to: stdout, but stderr for commands, whose stdout is their answer."""
    return "ext://sys.stderr" if program.endswith("manage.py") else "ext://sys.stdout"


#: Below these, an address is its own key.
_KEYED = ("/api/v1/inbound-mail/", "/api/v1/events/webhook/")


class RequestLog(RequestMiddleware):
    """Gives each request an id, in every line and in the answer's `X-Request-ID`, and logs how it ended."""

    async_capable = False

    def __call__(self, request: HttpRequest) -> Any:
        _drop_bad_request_id(request)
        with telemetry.bound():
            return super().__call__(request)

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id:
            response.headers["X-Request-ID"] = request_id
        if request.path in _PROBES and response.status_code < 400:
            structlog.contextvars.clear_contextvars()
        else:
            super().handle_response(request, response)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Return method and path; a query may hold what somebody searched for, and some paths end in a key."""
        keyed = next((beginning for beginning in _KEYED if request.path.startswith(beginning)), None)
        return f"{request.method} {request.path if keyed is None else f'{keyed}…'}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Leave the user alone: asking for one costs queries. Who is known is bound where they are let in."""


def _drop_bad_request_id(request: HttpRequest) -> None:
    given = request.META.get("HTTP_X_REQUEST_ID")
    if given is not None and not _REQUEST_ID.fullmatch(given):
        del request.META["HTTP_X_REQUEST_ID"]
        request.__dict__.pop("headers", None)


_log = structlog.stdlib.get_logger("taskflow.engine")
_engine_logger = logging.getLogger("taskflow.engine")

#: The level of each telemetry event. What happens for every chunk or request is for debugging; metrics count it.
_LEVELS = {
    "engine.submit": logging.DEBUG,
    "connection.limited": logging.DEBUG,
    "engine.claim": logging.DEBUG,
    "engine.start": logging.DEBUG,
    "engine.steps": logging.DEBUG,
    "engine.flush": logging.DEBUG,
    "engine.finish": logging.DEBUG,
    "engine.wake": logging.DEBUG,
    "engine.tick": logging.DEBUG,
    "figures.count": logging.DEBUG,
    "automations.tick": logging.DEBUG,
    "automations.fire": logging.DEBUG,
    "automations.fired": logging.DEBUG,
    "automations.due": logging.INFO,
    "automations.firing_failed": logging.WARNING,
    "automations.notice_failed": logging.WARNING,
    "automations.notice": logging.DEBUG,
    "webhook.received": logging.DEBUG,
    "engine.drain": logging.INFO,
    "engine.step_failed": logging.WARNING,
    "engine.retry": logging.INFO,
    "engine.rescue": logging.WARNING,
    "engine.lease_lost": logging.WARNING,
    "engine.database_away": logging.ERROR,
    "engine.heartbeat_failed": logging.ERROR,
    "cache.unreachable": logging.WARNING,
}


def log_telemetry(name: str, fields: dict[str, Any]) -> None:
    """Write an event down; lists become their lengths, and work that raised is an error."""
    level = _level(name, fields)
    if not _engine_logger.isEnabledFor(level):
        return
    _log.log(level, name, **{key: _brief(value) for key, value in fields.items()})


def _level(name: str, fields: Mapping[str, Any]) -> int:
    level = _LEVELS.get(name, logging.INFO)
    if "error" in fields and level < logging.WARNING:
        return logging.ERROR
    if name == "engine.drain" and not fields.get("jobs"):
        return logging.DEBUG
    return level


def _brief(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    return len(value) if isinstance(value, list | tuple | set) else value
