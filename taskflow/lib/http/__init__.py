"""Outgoing HTTP: the guarded client, its calls, answers and errors."""

from taskflow.lib.http.client import Answer, Call, HttpClient, get_client
from taskflow.lib.http.errors import AnswerTooLarge, CallRefused, CallTimeout, HttpError, Unreachable

__all__ = [
    "Answer",
    "AnswerTooLarge",
    "Call",
    "CallRefused",
    "CallTimeout",
    "HttpClient",
    "HttpError",
    "Unreachable",
    "get_client",
]
