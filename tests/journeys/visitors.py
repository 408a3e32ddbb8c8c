"""Who visits the pages of the two tenants, and what they must not see there."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests.journeys.belongings import WORD, Belongings

MEMBERS = ("owner", "viewer")


def log_in(person: Any) -> Client:
    client = Client(raise_request_exception=True)
    client.force_login(person)
    return client


def leaks(answer: HttpResponse) -> bool:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return WORD.encode() in body.lower() or any(WORD in value.lower() for value in answer.headers.values())


def members(of: Belongings) -> Iterator[tuple[str, Client]]:
    for name in MEMBERS:
        yield name, log_in(getattr(of.cast, name))
