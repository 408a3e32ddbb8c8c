"""How a REST request shows which tenant it speaks for, and what it may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import ImproperlyConfigured
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from taskflow.lib.clock import utcnow
from taskflow.lib.telemetry import bind
from tenants.domain.keys import Refusal
from tenants.domain.roles import Scope
from tenants.models import ApiKey, Tenant
from tenants.services import authenticate

if TYPE_CHECKING:
    # DRF's views import the classes named in its settings, these among them.
    from rest_framework.views import APIView


@dataclass(frozen=True, slots=True)
class ApiPrincipal:
    """Who a request with a key acts as: the key itself, no person."""

    api_key: ApiKey

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    @property
    def pk(self) -> str:
        return f"key-{self.api_key.pk}"

    @property
    def tenant(self) -> Tenant:
        return self.api_key.tenant

    def __str__(self) -> str:
        return f"key:{self.api_key.prefix}"


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer KEY`; sets `request.user` to an ApiPrincipal and `request.auth` to the ApiKey."""

    def authenticate(self, request: Request) -> tuple[ApiPrincipal, ApiKey] | None:
        scheme, _, clear = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        answer = authenticate(clear.strip(), now=utcnow())
        if isinstance(answer, Refusal):
            raise AuthenticationFailed(answer.value)
        bind(tenant=answer.tenant.slug, api_client=answer.prefix)
        return ApiPrincipal(answer), answer

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """Lets a key in that holds the scope its view names.

    `required_scopes` on the view is one Scope for everything, or a mapping from action (`"retry"`) or HTTP method
    (`"GET"`) to a Scope. A method that a view serves without naming its scope is a mistake in the view and raises.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiKey):
            return False
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method == "OPTIONS" or not hasattr(view, method.lower()):
            return True
        scope = required_scope(view, method)
        self.message = f"This API key lacks the scope {scope.value}."
        return scope.value in request.auth.scopes


def key_of(request: Request) -> ApiKey:
    """Return the key that `request` was let in with."""
    return cast(ApiKey, request.auth)


def required_scope(view: "APIView", method: str) -> Scope:
    """Return the scope that `view` asks for; raises ImproperlyConfigured where it names none."""
    scopes: Scope | Mapping[str, Scope] = getattr(view, "required_scopes", {})
    if isinstance(scopes, Scope):
        return scopes
    found = scopes.get(getattr(view, "action", None) or "") or scopes.get(method)
    if found is None:
        raise ImproperlyConfigured(
            f"{type(view).__name__} serves {method} but names no scope for it in required_scopes."
        )
    return found


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes the key."""

    target_class = ApiKeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API key of your tenant: `tf_…`"}
