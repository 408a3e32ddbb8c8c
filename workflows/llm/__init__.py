"""Asking language models: one small port, and the providers behind it."""

from workflows.llm.errors import ContentRefused, ModelError, ModelRefused, ModelTimeout, ModelUnavailable
from workflows.llm.port import Message, Reply, Request, Token
from workflows.llm.providers import ask_model, load_client

__all__ = [
    "ContentRefused",
    "Message",
    "ModelError",
    "ModelRefused",
    "ModelTimeout",
    "ModelUnavailable",
    "Reply",
    "Request",
    "Token",
    "ask_model",
    "load_client",
]
