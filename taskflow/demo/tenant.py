"""The demo tenant and its people.

They share one password. It is derived from the secret key, so it differs between installations, is stored nowhere in
clear, and can be printed again by whoever runs the system.
"""

import base64

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.utils.crypto import salted_hmac

from tenants.domain.roles import Role
from tenants.models import Tenant
from tenants.services import add_member, create_tenant

SLUG = "demo"
ADMIN = "admin"


def demo_password() -> str:
    """Return the password the people of the demo start with: 60 bits, in groups of four."""
    text = base64.b32encode(salted_hmac("taskflow.demo", "password", algorithm="sha256").digest()).decode().lower()
    return "-".join(text[start : start + 4] for start in (0, 4, 8))


def ensure_tenant() -> Tenant:
    """Return the demo tenant with a user for each role, and an admin of the whole deployment; makes what is missing."""
    tenant = Tenant.objects.filter(slug=SLUG).first() or create_tenant(slug=SLUG, name="Demo")
    missing = {role.value for role in Role} | {ADMIN}
    missing -= set(User.objects.filter(username__in=missing).values_list("username", flat=True))
    password = make_password(demo_password()) if missing else ""
    for name in sorted(missing):
        user = User.objects.create(
            username=name, email=f"{name}@demo.invalid", password=password, is_staff=True, is_superuser=name == ADMIN
        )
        if name != ADMIN:
            add_member(tenant=tenant, user=user, role=Role(name))
    return tenant


def login_lines() -> str:
    """Return the lines that say how to log in; nothing where there is no demo."""
    admin = User.objects.filter(username=ADMIN).first()
    if admin is None or not Tenant.objects.filter(slug=SLUG).exists():
        return ""
    names = ", ".join([ADMIN, *(role.value for role in Role)])
    word = demo_password() if admin.check_password(demo_password()) else "as you have changed it"
    return f"Log in as one of: {names}\nPassword: {word}\n"
