"""Every door of the admin and the API, and the least role or the scope that opens it: measured, not declared."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.test import Client

from tenants.domain.roles import Role, Scope
from tenants.models import ApiKey
from tenants.services import create_api_key
from tests.journeys.belongings import Belongings
from tests.journeys.routes import Route, addresses, all_routes, values_for
from tests.journeys.visitors import log_in

#: From least to most, as the table names them.
ROLES = tuple(reversed(Role))
REFUSED = {403, 404, 405}
OLD = "<path:object_id>/"
#: Tokens, ages and times.
CHANCE = re.compile(r"csrf[^>]*>|X-CSRFToken[^}]*}|<time.*?</time>|\d+")
CHANGING = ("INSERT", "UPDATE", "DELETE")
#: Everybody's own: logging in and out, one's password, what the frame of the pages is made of.
OWN = ("admin/login/", "admin/logout/", "admin/password_change/", "admin/jsi18n/", "admin/autocomplete/", "admin/r/")
#: What to send where an empty form would be refused for its content before the role is looked at.
BODIES: dict[str, dict[str, Any]] = {
    "admin/build/<slug:slug>/versions/act/": {"action": "rollback", "version": "1", "confirmed": "1"},
    "admin/automations/rules/<uuid:uid>/act/": {"action": "disable"},
    "admin/automations/webhooks/<uuid:uid>/act/": {"action": "disable"},
    "admin/automations/webhooks/new/": {"name": "Another", "scheme": "github"},
    "admin/gallery/<slug:slug>/": {"name": "Another", "slug": "another", "publish": "on"},
    "admin/jobs/bulkaction/start/": {"kind": "cancel", "scope": "all", "query": "", "confirmed": "1"},
    "admin/jobs/review/<path:object_id>/decide/": {"decision": "approve"},
}


@dataclass(frozen=True, slots=True)
class Door:
    """One address: who may see it, and who may do what it does; a dash for nobody but superusers, or for nothing."""

    address: str
    see: str
    do: str

    def line(self) -> str:
        return f"| `/{self.address}` | {self.see} | {self.do} |"


class Undone(Exception):
    """Ends a transaction of which nothing is to stay."""


def admin_doors(mine: Belongings) -> list[Door]:
    """Return the pages and actions of the admin that any role opens."""
    clients = {role: log_in(getattr(mine.cast, role.value)) for role in ROLES}
    doors = [_admin_door(route, address, clients) for route, address in _admin_addresses(mine, clients)]
    return sorted((door for door in doors if (door.see, door.do) != ("–", "–")), key=lambda door: door.address)


def _admin_addresses(mine: Belongings, clients: Mapping[Role, Client]) -> Iterator[tuple[Route, str]]:
    """Yield each route with an address that is there; of several ids the one by which the owner finds most."""
    owner = clients[Role.OWNER]
    for route in all_routes():
        # Django keeps an older address for each object, which leads to its page.
        if not route.text.startswith("admin/") or route.text.startswith(OWN) or route.text.endswith(OLD):
            continue
        if "(?P<" in route.text:
            continue
        known = addresses(route)
        tried = [route.fill(values) for values in values_for(route, mine)] if known is None else known
        found = {a: _try(owner, "get", a, {}).opened + _try(owner, "post", a, _body(route)).opened for a in tried}
        if any(found.values()):
            yield route, max(found, key=lambda address: found[address])


def _admin_door(route: Route, address: str, clients: Mapping[Role, Client]) -> Door:
    body = _body(route)
    seen = {role: _try(client, "get", address, {}) for role, client in clients.items()}
    done = {role: _try(client, "post", address, body) for role, client in clients.items()}
    see = _least({role for role, answer in seen.items() if answer.opened}, address)
    able = {role for role, answer in done.items() if answer.opened}
    # A page that takes no orders answers a POST as it does a GET, or changes nothing for anybody.
    unchanged = not any(answer.wrote for answer in done.values())
    as_read = all(done[role].text == seen[role].text and done[role].status == 200 for role in able)
    form = route.text.endswith(("/add/", "/delete/"))
    idle = unchanged and (able == set(ROLES) or (as_read and not form))
    return Door(route.text, see, "–" if idle else _least(able, address))


def _body(route: Route) -> dict[str, Any]:
    return {"post": "yes"} if route.text.endswith("/delete/") else BODIES.get(route.text, {})


def _least(roles: set[Role], address: str) -> str:
    """Return the least of the roles; whatever one role may, those above it may too."""
    if not roles:
        return "–"
    least = min(roles, key=ROLES.index)
    assert roles == set(ROLES[ROLES.index(least) :]), (roles, address)
    return least.value


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request, and whether a row changed for it. `text` leaves out what differs each time."""

    status: int = 0
    wrote: bool = False
    text: str = ""

    @property
    def opened(self) -> bool:
        return self.status not in REFUSED


def _try(client: Client, method: str, address: str, body: Mapping[str, Any], **headers: Any) -> Answer:
    """Send a request of which nothing stays."""
    found, statements = Answer(), []

    def watching(execute: Any, sql: str, *args: Any) -> Any:
        statements.append(sql)
        return execute(sql, *args)

    client.raise_request_exception = False
    try:
        with transaction.atomic():
            with connection.execute_wrapper(watching):
                answer = getattr(client, method)(address, body, follow=method == "get", **headers)
            wrote = any(sql.startswith(CHANGING) and "django_session" not in sql for sql in statements)
            body_sent = b"".join(answer.streaming_content) if answer.streaming else answer.content
            text = CHANCE.sub("", body_sent.decode(errors="replace"))
            found = Answer(answer.status_code, wrote, text)
            raise Undone
    except Undone:
        return found


def api_doors(mine: Belongings) -> list[Door]:
    """Return the API's endpoints with the scope that reading, and that writing, asks for."""
    keys = {
        scope: create_api_key(tenant=mine.cast.tenant, name=scope, scopes=[scope], allowed=Scope).clear
        for scope in Scope
    }
    assert ApiKey.objects.filter(tenant=mine.cast.tenant).count() > len(keys)
    doors = []
    for route in all_routes():
        if not route.text.startswith("api/v1/") or "(?P<" in route.text:
            continue
        known = addresses(route)
        address = route.fill(values_for(route, mine)[0]) if known is None else known[0]
        doors.append(Door(route.text, _scope(address, ("get",), keys), _scope(address, WRITING, keys)))
    return sorted(doors, key=lambda door: door.address)


WRITING = ("post", "put", "patch", "delete")


def _scope(address: str, methods: Iterable[str], keys: Mapping[Scope, str]) -> str:
    """Return the scopes that open an address by one of the methods."""
    opened: dict[str, None] = {}
    client = Client()
    for method in methods:
        if _ask(client, method, address, "") == 405:
            continue
        for scope, key in keys.items():
            if _ask(client, method, address, key) not in {401, 403, 405}:
                opened[scope.value] = None
    if len(opened) == len(keys):
        return "no scope"
    return ", ".join(opened) or "–"


def _ask(client: Client, method: str, address: str, key: str) -> int:
    headers = {"HTTP_AUTHORIZATION": f"Bearer {key}"} if key else {}
    if method != "get":
        headers["content_type"] = "application/json"
    return _try(client, method, address, {}, **headers).status
