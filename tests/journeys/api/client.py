"""A REST client with a key, as another system would use it."""

import json
from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tenants.domain.roles import Scope
from tenants.models import Tenant
from tenants.services import create_api_key

JSON = "application/json"
PROBLEM = "application/problem+json"


class Api:
    """Calls below /api/v1/ with a fresh key of `tenant`; without scopes, with all that a tenant can have."""

    def __init__(self, tenant: Tenant, scopes: Iterable[str] = ()) -> None:
        issued = create_api_key(tenant=tenant, name="test", scopes=scopes, allowed=Scope)
        self.key = issued.clear
        self.api_key = issued.api_key
        self.client = Client()

    def get(self, path: str, query: Any = None, **headers: str) -> HttpResponse:
        return self.client.get(f"/api/v1/{path}", query, headers=self._headers(headers))  # type: ignore[return-value]

    def post(
        self, path: str, body: Any = None, *, raw: bytes | None = None, kind: str = JSON, **headers: str
    ) -> HttpResponse:
        """Send `body` as JSON, or `raw` as it is."""
        data = json.dumps({} if body is None else body).encode() if raw is None else raw
        url = f"/api/v1/{path}"
        return self.client.post(url, data, content_type=kind, headers=self._headers(headers))  # type: ignore[return-value]

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} | {name.replace("_", "-"): value for name, value in more.items()}


def read(answer: HttpResponse, status: int = 200) -> Any:
    """Return the JSON of an answer that has `status`."""
    assert answer.status_code == status, answer.content.decode()
    assert answer["Content-Type"] == (PROBLEM if status >= 400 else JSON)
    return json.loads(answer.content)


def faults(answer: HttpResponse, status: int = 400) -> dict[str, str]:
    """Return the reasons by field of a refusal."""
    return {fault["field"]: fault["reason"] for fault in read(answer, status)["errors"]}
