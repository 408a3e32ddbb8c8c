"""Who may do what: roles of members, scopes of API keys."""

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """What a member may do in a tenant, from most to least."""

    OWNER = "owner"
    EDITOR = "editor"
    OPERATOR = "operator"
    REVIEWER = "reviewer"
    VIEWER = "viewer"


class Permission(StrEnum):
    """Something a member may or may not do."""

    VIEW_JOBS = "view jobs"
    VIEW_WORKFLOWS = "view workflows"
    ANSWER_REVIEWS = "answer reviews"
    ACT_ON_JOBS = "submit, retry and cancel jobs"
    PAUSE_LANES = "pause lanes and set their caps"
    EDIT_WORKFLOWS = "edit workflows"
    MANAGE_TENANT = "manage the tenant, its members and its keys"


_VIEWER = frozenset({Permission.VIEW_JOBS, Permission.VIEW_WORKFLOWS})
_REVIEWER = _VIEWER | {Permission.ANSWER_REVIEWS}
_OPERATOR = _REVIEWER | {Permission.ACT_ON_JOBS, Permission.PAUSE_LANES}
_EDITOR = _OPERATOR | {Permission.EDIT_WORKFLOWS}
_OWNER = _EDITOR | {Permission.MANAGE_TENANT}

#: What each role may do; each role includes those below it.
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _OWNER,
    Role.EDITOR: _EDITOR,
    Role.OPERATOR: _OPERATOR,
    Role.REVIEWER: _REVIEWER,
    Role.VIEWER: _VIEWER,
}


def allows(role: Role | None, permission: Permission) -> bool:
    """Say whether `role` grants `permission`; no role grants nothing."""
    return role is not None and permission in PERMISSIONS[role]


_ORDER = list(Role)


def at_least(role: Role, least: Role) -> bool:
    """Say whether `role` is `least` or one above it."""
    return _ORDER.index(role) <= _ORDER.index(least)


class Scope(StrEnum):
    """What an API key may do. `FLEET` reaches beyond its tenant: whole queues, for the operator of the deployment."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    WORKFLOWS_READ = "workflows:read"
    WORKFLOWS_WRITE = "workflows:write"
    CONNECTIONS_READ = "connections:read"
    CONNECTIONS_WRITE = "connections:write"
    REVIEWS_READ = "reviews:read"
    REVIEWS_WRITE = "reviews:write"
    AUTOMATIONS_READ = "automations:read"
    AUTOMATIONS_WRITE = "automations:write"
    EVENTS_WRITE = "events:write"
    QUEUES_READ = "queues:read"
    QUEUES_WRITE = "queues:write"
    FLEET = "fleet"


TENANT_SCOPES = tuple(scope for scope in Scope if scope is not Scope.FLEET)


def parse_scopes(names: Iterable[str], *, allowed: Iterable[Scope] = TENANT_SCOPES) -> list[Scope]:
    """Return the scopes named, each once, in the order of `allowed`. Raises ValueError, naming what is allowed."""
    wanted, known = set(names), list(allowed)
    unknown = sorted(wanted.difference(known))
    if unknown:
        raise ValueError(f"Unknown scope: {', '.join(unknown)}. Allowed: {', '.join(known)}.")
    return [scope for scope in known if scope in wanted]
