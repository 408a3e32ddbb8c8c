import itertools

import pytest

from tenants.domain.roles import PERMISSIONS, TENANT_SCOPES, Permission, Role, Scope, allows, parse_scopes


def test_each_role_may_do_all_that_the_one_below_it_may_and_more() -> None:
    for higher, lower in itertools.pairwise(Role):
        assert PERMISSIONS[lower] < PERMISSIONS[higher]


def test_an_owner_may_do_everything() -> None:
    assert PERMISSIONS[Role.OWNER] == frozenset(Permission)


@pytest.mark.parametrize(
    ("permission", "least"),
    [
        (Permission.VIEW_JOBS, Role.VIEWER),
        (Permission.VIEW_WORKFLOWS, Role.VIEWER),
        (Permission.ANSWER_REVIEWS, Role.REVIEWER),
        (Permission.ACT_ON_JOBS, Role.OPERATOR),
        (Permission.PAUSE_LANES, Role.OPERATOR),
        (Permission.EDIT_WORKFLOWS, Role.EDITOR),
        (Permission.MANAGE_TENANT, Role.OWNER),
    ],
)
def test_a_permission_begins_at_its_role(permission: Permission, least: Role) -> None:
    granted = [role for role in Role if allows(role, permission)]
    assert granted[-1] == least
    assert granted == list(Role)[: len(granted)]


def test_who_has_no_role_may_do_nothing() -> None:
    assert not any(allows(None, permission) for permission in Permission)


def test_scopes_are_read_once_each_in_their_own_order() -> None:
    assert parse_scopes(["queues:read", "jobs:read", "queues:read"]) == [Scope.JOBS_READ, Scope.QUEUES_READ]


def test_no_scopes_are_no_scopes() -> None:
    assert parse_scopes([]) == []


@pytest.mark.parametrize("name", ["jobs", "JOBS:READ", "fleet", ""])
def test_an_unknown_scope_is_refused_and_the_allowed_ones_are_named(name: str) -> None:
    with pytest.raises(ValueError, match="Allowed: jobs:read, jobs:write"):
        parse_scopes([name])


def test_the_fleet_scope_is_only_for_those_who_allow_it() -> None:
    assert Scope.FLEET not in TENANT_SCOPES
    assert parse_scopes(["fleet"], allowed=Scope) == [Scope.FLEET]
