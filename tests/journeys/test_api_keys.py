"""A key at the door, seen through a small view; and the commands that make keys."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from taskflow.lib.clock import utcnow
from tenants.api import ApiKeyAuthentication, HasScope
from tenants.domain.keys import new_key
from tenants.domain.roles import Scope
from tenants.models import ApiKey
from tenants.services import create_api_key, revoke_api_key
from tests.factories import make_tenant


class WhoView(APIView):
    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (HasScope,)
    required_scopes = {"GET": Scope.JOBS_READ, "POST": Scope.JOBS_WRITE}

    def get(self, request: Request) -> Response:
        user = request.user
        return Response({"tenant": user.tenant.slug, "actor": str(user), "pk": user.pk, "key": request.auth.pk})

    def post(self, request: Request) -> Response:
        return Response({"written": True})


class CarelessView(WhoView):
    required_scopes = {}


urlpatterns = [path("who", WhoView.as_view()), path("careless", CarelessView.as_view())]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def bearer(clear: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {clear}"}


def test_a_good_key_speaks_for_its_tenant(client: Client) -> None:
    api_key, clear = create_api_key(tenant=make_tenant("acme"), name="shop")
    answer = client.get("/who", **bearer(clear))
    assert answer.status_code == 200
    assert answer.json() == {
        "tenant": "acme",
        "actor": f"key:{api_key.prefix}",
        "pk": f"key-{api_key.pk}",
        "key": api_key.pk,
    }


@pytest.mark.parametrize("form", ["bearer {}", "BEARER {}", "Bearer   {}", " Bearer {} "])
def test_the_scheme_is_read_as_http_reads_it(client: Client, form: str) -> None:
    _, clear = create_api_key(tenant=make_tenant(), name="shop")
    assert client.get("/who", HTTP_AUTHORIZATION=form.format(clear)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer x y",
        "Bearer " + "x" * 200_000,
        "Bearer \xff\xfe",
        "Bearer ключ",
        "Bearer tf_00000000_" + "0" * 64,
        "Bearer tf_00000000_" + "\u0660" * 64,
        "Basic dXNlcjpwYXNz",
        "Token abc",
        "\x00",
    ],
)
def test_a_header_that_is_no_key_gets_401_and_the_scheme_to_use(client: Client, header: str) -> None:
    answer = client.get("/who", HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"


def test_no_header_gets_401(client: Client) -> None:
    answer = client.get("/who")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_revoked_key_is_told_so(client: Client) -> None:
    api_key, clear = create_api_key(tenant=make_tenant(), name="shop")
    revoke_api_key(api_key=api_key, now=utcnow())
    answer = client.get("/who", **bearer(clear))
    assert answer.status_code == 401
    assert "revoked" in answer.json()["detail"]


def test_a_key_without_the_scope_gets_403_and_its_name(client: Client) -> None:
    _, clear = create_api_key(tenant=make_tenant(), name="reader", scopes=["jobs:read"])
    assert client.get("/who", **bearer(clear)).status_code == 200
    assert client.head("/who", **bearer(clear)).status_code == 200
    answer = client.post("/who", **bearer(clear))
    assert answer.status_code == 403
    assert "jobs:write" in answer.json()["detail"]


def test_a_method_that_is_not_served_gets_405_not_403(client: Client) -> None:
    _, clear = create_api_key(tenant=make_tenant(), name="reader", scopes=["jobs:read"])
    assert client.delete("/who", **bearer(clear)).status_code == 405


def test_a_view_that_names_no_scope_fails_loudly(client: Client) -> None:
    _, clear = create_api_key(tenant=make_tenant(), name="shop")
    with pytest.raises(ImproperlyConfigured, match="CarelessView serves GET"):
        client.get("/careless", **bearer(clear))


def test_the_header_is_not_shown_when_a_key_is_wrong(client: Client) -> None:
    clear = new_key().clear
    assert clear not in client.get("/who", **bearer(clear)).content.decode()


def test_a_hot_key_costs_no_query(client: Client, django_assert_num_queries: Any) -> None:
    _, clear = create_api_key(tenant=make_tenant(), name="shop")
    client.get("/who", **bearer(clear))
    assert ApiKey.objects.get().last_used_at is not None
    with django_assert_num_queries(0):
        client.get("/who", **bearer(clear))
