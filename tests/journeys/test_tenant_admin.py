"""The admin of tenants and keys, as members of two tenants see it."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from taskflow.lib.clock import utcnow
from tenants.domain.roles import TENANT_SCOPES, Role
from tenants.models import ApiKey, Membership, Tenant
from tenants.queries import role_of
from tenants.services import add_member, authenticate, create_api_key
from tests.factories import Cast, make_tenant, make_user

pytestmark = pytest.mark.django_db

KEYS = "/admin/tenants/apikey/"
TENANTS = "/admin/tenants/tenant/"


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, (url, answer.status_code)
    return answer.content.decode()


def test_a_member_sees_their_tenant_and_no_other(acme: Cast, globex: Cast) -> None:
    text = page(log_in(acme.viewer), TENANTS)
    assert "acme" in text
    assert "globex" not in text.lower()


def test_a_superuser_sees_all_tenants(acme: Cast, globex: Cast) -> None:
    text = page(log_in(make_user(is_superuser=True)), TENANTS)
    assert "acme" in text
    assert "globex" in text


@pytest.mark.parametrize("what", ["change", "delete", "history"])
@pytest.mark.parametrize("role", list(Role))
def test_the_pages_of_another_tenant_do_not_exist(acme: Cast, globex: Cast, what: str, role: Role) -> None:
    client = log_in(getattr(acme, role.value))
    key, _ = create_api_key(tenant=globex.tenant, name="theirs")
    for url in (
        reverse(f"admin:tenants_tenant_{what}", args=[globex.tenant.pk]),
        reverse(f"admin:tenants_apikey_{what}", args=[key.pk]),
    ):
        assert client.get(url).status_code == 404
        assert client.post(url, {"post": "yes"}).status_code == 404


def test_a_row_that_nobody_has_is_404_for_a_superuser_too(db: None) -> None:
    client = log_in(make_user(is_superuser=True))
    assert client.get(f"{TENANTS}999/change/").status_code == 404
    assert client.get(f"{TENANTS}nonsense/change/").status_code == 404


def test_only_an_owner_may_see_keys(acme: Cast) -> None:
    create_api_key(tenant=acme.tenant, name="shop")
    assert "shop" in page(log_in(acme.owner), KEYS)
    for role in (Role.EDITOR, Role.OPERATOR, Role.REVIEWER, Role.VIEWER):
        assert log_in(getattr(acme, role.value)).get(KEYS).status_code == 403


def test_an_owner_makes_a_key_and_is_shown_it_once(acme: Cast, globex: Cast) -> None:
    client = log_in(acme.owner)
    form = page(client, f"{KEYS}add/")
    assert "Globex" not in form
    assert "fleet" not in form
    answer = client.post(
        f"{KEYS}add/", {"tenant": acme.tenant.pk, "name": "shop", "scopes": ["jobs:read"]}, follow=True
    )
    clear = re.search(r"tf_[0-9a-f]{8}_[0-9a-f]{64}", answer.content.decode())
    assert clear is not None
    key = authenticate(clear[0], now=utcnow())
    assert isinstance(key, ApiKey)
    assert (key.name, key.scopes, key.tenant) == ("shop", ["jobs:read"], acme.tenant)
    assert clear[0] not in page(client, KEYS)
    shown = page(client, f"{KEYS}{key.pk}/change/")
    assert key.key_hash not in shown
    assert clear[0] not in shown


@pytest.mark.parametrize("scopes", [["fleet"], ["nonsense"], []])
def test_a_scope_that_is_not_offered_is_refused(acme: Cast, scopes: list[str]) -> None:
    answer = log_in(acme.owner).post(f"{KEYS}add/", {"tenant": acme.tenant.pk, "name": "x", "scopes": scopes})
    assert answer.status_code == 200
    assert not ApiKey.objects.exists()


def test_a_key_cannot_be_made_for_another_tenant(acme: Cast, globex: Cast) -> None:
    form = {"tenant": globex.tenant.pk, "name": "x", "scopes": ["jobs:read"]}
    assert log_in(acme.owner).post(f"{KEYS}add/", form).status_code == 200
    assert not ApiKey.objects.exists()


def test_a_key_cannot_be_made_where_one_is_only_a_viewer(acme: Cast, globex: Cast) -> None:
    add_member(tenant=globex.tenant, user=acme.owner, role=Role.VIEWER)
    form = {"tenant": globex.tenant.pk, "name": "x", "scopes": ["jobs:read"]}
    assert log_in(acme.owner).post(f"{KEYS}add/", form).status_code == 200
    assert not ApiKey.objects.exists()


def test_a_key_is_never_edited(acme: Cast) -> None:
    key, _ = create_api_key(tenant=acme.tenant, name="shop")
    client = log_in(make_user(is_superuser=True))
    assert client.post(f"{KEYS}{key.pk}/change/", {"name": "other"}).status_code == 403


def test_chosen_keys_are_revoked_but_not_those_of_others(acme: Cast, globex: Cast) -> None:
    mine, _ = create_api_key(tenant=acme.tenant, name="mine")
    theirs, _ = create_api_key(tenant=globex.tenant, name="theirs")
    form = {"action": "revoke", "_selected_action": [mine.pk, theirs.pk]}
    answer = log_in(acme.owner).post(KEYS, form, follow=True)
    assert "1 key is revoked." in answer.content.decode()
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert mine.revoked_at is not None
    assert theirs.revoked_at is None


def test_the_hash_of_a_key_cannot_be_searched_by_url(acme: Cast) -> None:
    create_api_key(tenant=acme.tenant, name="shop")
    answer = log_in(acme.owner).get(f"{KEYS}?key_hash__startswith=a")
    assert answer.status_code in {302, 400}


def tenant_form(tenant: Tenant, members: list[Membership], **changes: Any) -> dict[str, Any]:
    form: dict[str, Any] = {"name": tenant.name, "time_zone": tenant.time_zone, "attributes": "{}"}
    form |= {"memberships-TOTAL_FORMS": len(members), "memberships-INITIAL_FORMS": len(members)}
    for index, member in enumerate(members):
        form |= {
            f"memberships-{index}-id": member.pk,
            f"memberships-{index}-tenant": tenant.pk,
            f"memberships-{index}-user": member.user_id,
            f"memberships-{index}-role": member.role,
        }
    return form | changes


def test_an_owner_changes_their_tenant_but_not_what_is_the_operators(acme: Cast) -> None:
    members = list(acme.tenant.memberships.all())
    form = tenant_form(
        acme.tenant, members, name="Acme Ltd", attributes='{"region": "EU"}', plan="gold", slug="new", active=""
    )
    answer = log_in(acme.owner).post(f"{TENANTS}{acme.tenant.pk}/change/", form)
    assert answer.status_code == 302, answer.context["errors"]
    acme.tenant.refresh_from_db()
    assert (acme.tenant.name, acme.tenant.attributes) == ("Acme Ltd", {"region": "EU"})
    assert (acme.tenant.slug, acme.tenant.plan, acme.tenant.active) == ("acme", "free", True)


def test_a_tenant_keeps_an_owner(acme: Cast) -> None:
    client, url = log_in(acme.owner), f"{TENANTS}{acme.tenant.pk}/change/"
    members = list(acme.tenant.memberships.order_by("pk"))
    first = next(number for number, member in enumerate(members) if member.role == "owner")
    for parting in ({f"memberships-{first}-role": "viewer"}, {f"memberships-{first}-DELETE": "on"}):
        answer = client.post(url, tenant_form(acme.tenant, members, **parting))
        assert "A tenant keeps at least one owner." in answer.content.decode()
        assert role_of(acme.owner, acme.tenant) is Role.OWNER

    heir = next(number for number, member in enumerate(members) if member.role == "editor")
    form = tenant_form(acme.tenant, members, **{f"memberships-{heir}-role": "owner"} | parting)
    assert client.post(url, form).status_code == 302
    assert (role_of(acme.owner, acme.tenant), role_of(acme.editor, acme.tenant)) == (None, Role.OWNER)


def test_an_account_that_is_a_tenants_last_owner_is_not_deleted(acme: Cast) -> None:
    client, users = log_in(make_user(is_superuser=True)), "/admin/auth/user/"
    second = make_user("second@acme.test")
    add_member(tenant=acme.tenant, user=second, role=Role.OWNER)
    both = {"action": "delete_selected", "_selected_action": [acme.owner.pk, second.pk], "post": "yes"}
    assert "has no other owner. Make another member its owner first." in client.post(users, both).content.decode()
    assert client.post(f"{users}{second.pk}/delete/", {"post": "yes"}).status_code == 302
    assert "has no other owner" in client.post(f"{users}{acme.owner.pk}/delete/", {"post": "yes"}).content.decode()
    assert role_of(acme.owner, acme.tenant) is Role.OWNER


def test_a_tenant_without_an_owner_is_changed_by_a_superuser(acme: Cast) -> None:
    acme.tenant.memberships.filter(role="owner").delete()
    form = tenant_form(acme.tenant, list(acme.tenant.memberships.all()), name="Acme Ltd", slug="acme", plan="free")
    client = log_in(make_user(is_superuser=True))
    assert client.post(f"{TENANTS}{acme.tenant.pk}/change/", form).status_code == 302


def test_a_new_tenant_begins_with_no_attributes(db: None) -> None:
    text = page(log_in(make_user(is_superuser=True)), f"{TENANTS}add/")
    assert re.search(r'<textarea name="attributes"[^>]*>\s*{}</textarea>', text)


@pytest.mark.parametrize("attributes", ["[1]", "{", '"x"', "NaN"])
def test_attributes_that_are_no_object_are_refused(acme: Cast, attributes: str) -> None:
    form = tenant_form(acme.tenant, list(acme.tenant.memberships.all()), attributes=attributes)
    answer = log_in(acme.owner).post(f"{TENANTS}{acme.tenant.pk}/change/", form)
    assert answer.status_code == 200
    assert "attributes" in answer.context["adminform"].form.errors


def test_the_attributes_are_shown_as_json(acme: Cast) -> None:
    Tenant.objects.update(attributes={"region": "EU", "vip": True})
    text = page(log_in(acme.owner), f"{TENANTS}{acme.tenant.pk}/change/")
    assert "{&quot;region&quot;: &quot;EU&quot;, &quot;vip&quot;: true}" in text


def test_only_an_owner_changes_the_tenant(acme: Cast) -> None:
    for role in (Role.EDITOR, Role.OPERATOR, Role.REVIEWER, Role.VIEWER):
        client = log_in(getattr(acme, role.value))
        page(client, f"{TENANTS}{acme.tenant.pk}/change/")
        assert client.post(f"{TENANTS}{acme.tenant.pk}/change/", {"name": "x"}).status_code == 403
    acme.tenant.refresh_from_db()
    assert acme.tenant.name == "Acme"


def test_an_owner_cannot_see_or_take_in_people_of_other_tenants(acme: Cast, globex: Cast) -> None:
    client = log_in(acme.owner)
    assert "globex" not in page(client, f"{TENANTS}{acme.tenant.pk}/change/").lower()
    members = list(acme.tenant.memberships.all())
    new = len(members)
    form = tenant_form(acme.tenant, members) | {
        "memberships-TOTAL_FORMS": new + 1,
        f"memberships-{new}-tenant": acme.tenant.pk,
        f"memberships-{new}-user": globex.viewer.pk,
        f"memberships-{new}-role": "viewer",
    }
    assert client.post(f"{TENANTS}{acme.tenant.pk}/change/", form).status_code == 200
    assert acme.tenant.memberships.count() == new


def test_no_member_makes_or_deletes_a_tenant(acme: Cast) -> None:
    client = log_in(acme.owner)
    assert client.get(f"{TENANTS}add/").status_code == 403
    assert client.get(f"{TENANTS}{acme.tenant.pk}/delete/").status_code == 403


def test_a_member_of_two_chooses_one_for_the_lists(acme: Cast, globex: Cast) -> None:
    add_member(tenant=globex.tenant, user=acme.owner, role=Role.OWNER)
    create_api_key(tenant=acme.tenant, name="key-of-acme")
    theirs, _ = create_api_key(tenant=globex.tenant, name="key-of-globex")
    client = log_in(acme.owner)
    both = page(client, KEYS)
    assert "key-of-acme" in both
    assert "key-of-globex" in both
    answer = client.get(f"{KEYS}?tenant=acme&o=1")
    assert (answer.status_code, answer["Location"]) == (302, f"{KEYS}?o=1")
    narrowed = page(client, KEYS)
    assert "key-of-acme" in narrowed
    assert "key-of-globex" not in narrowed
    page(client, f"{KEYS}{theirs.pk}/change/")
    client.get(f"{KEYS}?tenant=")
    assert "key-of-globex" in page(client, KEYS)


def test_a_tenant_one_is_no_member_of_cannot_be_chosen(acme: Cast, globex: Cast) -> None:
    client = log_in(acme.owner)
    assert client.get(f"{KEYS}?tenant=globex").status_code == 404
    assert client.get(f"{KEYS}?tenant=nobody").status_code == 404
    assert client.get(KEYS).wsgi_request.tenant == acme.tenant


def test_a_choice_ends_with_the_membership(acme: Cast, globex: Cast) -> None:
    add_member(tenant=globex.tenant, user=acme.owner, role=Role.OWNER)
    client = log_in(acme.owner)
    client.get(f"{KEYS}?tenant=globex")
    assert client.get(KEYS).wsgi_request.tenant == globex.tenant
    Membership.objects.filter(tenant=globex.tenant, user=acme.owner).delete()
    assert client.get(KEYS).wsgi_request.tenant == acme.tenant


def test_a_superuser_narrows_the_lists_too(acme: Cast, globex: Cast) -> None:
    client = log_in(make_user(is_superuser=True))
    assert client.get(TENANTS).wsgi_request.tenant is None
    client.get(f"{TENANTS}?tenant=globex")
    text = page(client, TENANTS)
    assert "owner@acme" not in text
    assert client.get(TENANTS).wsgi_request.tenant == globex.tenant


def test_a_tenant_that_was_switched_off_is_gone_for_its_members(acme: Cast) -> None:
    Tenant.objects.update(active=False)
    client = log_in(acme.owner)
    assert client.get(f"{TENANTS}{acme.tenant.pk}/change/").status_code == 404
    assert client.get(TENANTS).status_code == 403


def test_pages_outside_the_admin_have_no_current_tenant(acme: Cast) -> None:
    answer = log_in(acme.owner).get("/nowhere")
    assert answer.wsgi_request.tenant is None


def test_a_superuser_makes_a_tenant_and_a_bad_slug_is_refused(db: None) -> None:
    client = log_in(make_user(is_superuser=True))
    empty = Tenant(name="Initech", time_zone="UTC")
    form = tenant_form(empty, []) | {"slug": "Not Good", "plan": "free", "active": "on"}
    answer = client.post(f"{TENANTS}add/", form)
    assert "slug" in answer.context["adminform"].form.errors
    assert client.post(f"{TENANTS}add/", form | {"slug": "initech"}).status_code == 302
    assert Tenant.objects.get().attributes == {}


def test_every_scope_of_a_tenant_is_offered(acme: Cast) -> None:
    text = page(log_in(acme.owner), f"{KEYS}add/")
    assert all(scope.value in text for scope in TENANT_SCOPES)


def test_a_list_leaves_out_tenants_where_ones_role_is_too_small(acme: Cast) -> None:
    other = make_tenant("other")
    add_member(tenant=other, user=acme.viewer, role=Role.OWNER)
    mine, _ = create_api_key(tenant=acme.tenant, name="key-of-acme")
    create_api_key(tenant=other, name="key-of-other")
    client = log_in(acme.viewer)
    text = page(client, KEYS)
    assert "key-of-other" in text
    assert "key-of-acme" not in text
    assert client.get(f"{KEYS}{mine.pk}/change/").status_code == 403
    client.get(f"{KEYS}?tenant=acme")
    assert client.get(KEYS).status_code == 403
