from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from tenants.domain.keys import Refusal, hash_key, new_key
from tenants.domain.roles import TENANT_SCOPES, Permission, Role, Scope
from tenants.models import ApiKey, Membership, Tenant
from tenants.queries import get_tenant, may, role_of, tenants_of
from tenants.services import add_member, authenticate, create_api_key, create_tenant, revoke_api_key, rotate_api_key
from tests.factories import Cast, make_tenant, make_user

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


def test_a_tenant_is_made_with_what_was_given() -> None:
    tenant = create_tenant(slug="acme", name="Acme", plan="pro", time_zone="Europe/Berlin", attributes={"size": 3})
    stored = get_tenant("acme")
    assert stored == tenant
    assert (stored.name, stored.plan, stored.time_zone, stored.attributes) == (
        "Acme",
        "pro",
        "Europe/Berlin",
        {"size": 3},
    )
    assert stored.active


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "Acme"),
        ("slug", "a b"),
        ("slug", "-acme"),
        ("slug", "acme\n"),
        ("slug", "ácme"),
        ("slug", "a" * 64),
        ("slug", ""),
        ("name", ""),
        ("time_zone", "Europe/Atlantis"),
        ("time_zone", "../etc/passwd"),
        ("plan", "p" * 51),
        ("attributes", {"x": float("nan")}),
    ],
)
def test_a_wrong_tenant_is_refused_by_field_and_nothing_is_written(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        create_tenant(**{"slug": "acme", "name": "Acme"} | {field: value})
    assert list(caught.value.message_dict) == [field]
    assert not Tenant.objects.exists()


def test_a_taken_slug_is_refused() -> None:
    make_tenant("acme")
    with pytest.raises(ValidationError, match="already exists"):
        create_tenant(slug="acme", name="Another")


def test_an_unknown_tenant_is_named_in_the_error() -> None:
    with pytest.raises(Tenant.DoesNotExist, match="There is no tenant 'nobody'"):
        get_tenant("nobody")


def test_a_member_has_one_role_the_latest() -> None:
    tenant, user = make_tenant(), make_user()
    add_member(tenant=tenant, user=user, role=Role.VIEWER)
    add_member(tenant=tenant, user=user, role=Role.EDITOR)
    assert Membership.objects.get(tenant=tenant, user=user).role == Role.EDITOR
    assert role_of(user, tenant) is Role.EDITOR


def test_a_user_sees_the_active_tenants_they_are_a_member_of(acme: Cast, globex: Cast) -> None:
    closed = make_tenant("closed", active=False)
    add_member(tenant=closed, user=acme.viewer, role=Role.OWNER)
    assert list(tenants_of(acme.viewer)) == [acme.tenant]
    assert role_of(acme.viewer, closed) is None
    assert role_of(acme.viewer, globex.tenant) is None
    assert may(acme.viewer, acme.tenant, Permission.VIEW_JOBS)
    assert not may(acme.viewer, acme.tenant, Permission.ACT_ON_JOBS)
    assert not may(acme.owner, globex.tenant, Permission.VIEW_JOBS)


def test_a_superuser_is_an_owner_everywhere(acme: Cast, globex: Cast) -> None:
    chief = make_user(is_superuser=True)
    assert set(tenants_of(chief)) == {acme.tenant, globex.tenant}
    assert may(chief, globex.tenant, Permission.MANAGE_TENANT)


def test_a_superuser_who_left_is_nothing(acme: Cast) -> None:
    gone = make_user(is_superuser=True, is_active=False)
    assert role_of(gone, acme.tenant) is None


def test_a_key_opens_the_door_of_its_tenant_and_only_its_hash_is_stored() -> None:
    tenant = make_tenant()
    api_key, clear = create_api_key(tenant=tenant, name="shop")
    assert authenticate(clear, now=NOW) == api_key
    stored = ApiKey.objects.get()
    assert stored.key_hash == hash_key(clear)
    assert clear.split("_")[2] not in str(vars(stored))
    assert stored.scopes == [scope.value for scope in TENANT_SCOPES]


def test_a_key_has_the_scopes_it_was_given() -> None:
    api_key, _ = create_api_key(tenant=make_tenant(), name="reader", scopes=["jobs:read"])
    assert api_key.scopes == ["jobs:read"]


def test_the_fleet_scope_is_not_given_unless_it_is_allowed() -> None:
    tenant = make_tenant()
    with pytest.raises(ValueError, match="fleet"):
        create_api_key(tenant=tenant, name="ops", scopes=["fleet"])
    assert create_api_key(tenant=tenant, name="ops", scopes=["fleet"], allowed=Scope).api_key.scopes == ["fleet"]


def test_a_key_needs_a_name() -> None:
    with pytest.raises(ValidationError, match="name"):
        create_api_key(tenant=make_tenant(), name="")


@pytest.mark.parametrize("text", ["", "tf_", "x" * 100_000, "пароль", "tf_00000000_" + "0" * 64])
def test_what_is_no_stored_key_is_unknown(text: str) -> None:
    assert authenticate(text, now=NOW) is Refusal.UNKNOWN


def test_text_that_is_no_key_is_refused_without_asking_the_database(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        authenticate("Bearer nonsense", now=NOW)


def test_a_revoked_key_is_refused() -> None:
    api_key, clear = create_api_key(tenant=make_tenant(), name="shop")
    authenticate(clear, now=NOW)
    assert revoke_api_key(api_key=api_key, now=NOW)
    assert authenticate(clear, now=NOW) is Refusal.REVOKED
    assert not revoke_api_key(api_key=api_key, now=NOW + MINUTE)
    assert ApiKey.objects.get().revoked_at == NOW


def test_an_expired_key_is_refused_at_the_very_instant() -> None:
    _, clear = create_api_key(tenant=make_tenant(), name="shop", expires_at=NOW + SECOND)
    assert isinstance(authenticate(clear, now=NOW), ApiKey)
    assert authenticate(clear, now=NOW + SECOND) is Refusal.EXPIRED


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda key: ApiKey.objects.update(revoked_at=NOW), Refusal.REVOKED),
        (lambda key: Tenant.objects.update(active=False), Refusal.TENANT_INACTIVE),
        (lambda key: ApiKey.objects.all().delete(), Refusal.UNKNOWN),
    ],
)
def test_what_another_process_changed_holds_after_the_cache_time(
    change: Callable[[ApiKey], Any], refusal: Refusal, settings: Any
) -> None:
    settings.API_KEY_CACHE_SECONDS = 5.0
    api_key, clear = create_api_key(tenant=make_tenant(), name="shop")
    authenticate(clear, now=NOW)
    change(api_key)
    assert isinstance(authenticate(clear, now=NOW + 4 * SECOND), ApiKey)
    assert authenticate(clear, now=NOW + 5 * SECOND) is refusal


def test_a_key_costs_one_query_when_cold_and_none_when_hot(django_assert_num_queries: Any) -> None:
    _, clear = create_api_key(tenant=make_tenant(), name="shop")
    authenticate(clear, now=NOW)
    with django_assert_num_queries(0):
        key = authenticate(clear, now=NOW + SECOND)
        assert isinstance(key, ApiKey)
        assert key.tenant.active
    with django_assert_num_queries(1):
        authenticate(clear, now=NOW + 20 * SECOND)


def test_the_last_use_is_stored_once_a_minute_at_most() -> None:
    _, clear = create_api_key(tenant=make_tenant(), name="shop")
    seen = []
    for offset in (0, 1, 30, 59, 60, 100, 121):
        authenticate(clear, now=NOW + offset * SECOND)
        used_at = ApiKey.objects.get().last_used_at
        assert used_at is not None
        seen.append((used_at - NOW).total_seconds())
    assert seen == [0, 0, 0, 0, 60, 60, 121]


def test_an_older_use_never_takes_the_place_of_a_newer_one() -> None:
    """Two processes read the key before its first use; the slower one comes second with the earlier instant."""
    api_key, clear = create_api_key(tenant=make_tenant(), name="shop")
    ApiKey.objects.update(last_used_at=NOW + 30 * SECOND)
    authenticate(clear, now=NOW)
    api_key.refresh_from_db()
    assert api_key.last_used_at == NOW + 30 * SECOND


def test_a_rotated_key_lets_both_in_until_the_overlap_is_over() -> None:
    old, old_clear = create_api_key(tenant=make_tenant(), name="shop", scopes=["jobs:read"])
    new, new_clear = rotate_api_key(api_key=old, now=NOW, overlap=MINUTE)
    assert (new.name, new.scopes, new.tenant) == ("shop", ["jobs:read"], old.tenant)
    assert authenticate(old_clear, now=NOW) == old
    assert authenticate(old_clear, now=NOW + MINUTE) is Refusal.EXPIRED
    assert authenticate(new_clear, now=NOW + MINUTE) == new


def test_rotation_never_makes_an_old_key_live_longer() -> None:
    old, _ = create_api_key(tenant=make_tenant(), name="shop", expires_at=NOW + SECOND)
    rotate_api_key(api_key=old, now=NOW, overlap=MINUTE)
    old.refresh_from_db()
    assert old.expires_at == NOW + SECOND


def test_a_revoked_key_cannot_be_rotated_back_to_life() -> None:
    key, _ = create_api_key(tenant=make_tenant(), name="shop")
    revoke_api_key(api_key=key, now=NOW)
    key.refresh_from_db()
    with pytest.raises(ValueError, match="revoked"):
        rotate_api_key(api_key=key, now=NOW)
    assert ApiKey.objects.count() == 1


def test_a_well_formed_key_of_nobody_is_unknown_every_time() -> None:
    clear = new_key().clear
    assert [authenticate(clear, now=NOW), authenticate(clear, now=NOW)] == [Refusal.UNKNOWN] * 2
