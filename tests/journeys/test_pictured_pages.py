"""Every page that `make screenshots` takes a picture of: it exists, for who is to see it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.browser.scene import build_scene
from tests.browser.screenshots import ROOT, pages
from tests.factories import make_cast, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_every_page_that_is_pictured_answers() -> None:
    make_user(ROOT, is_superuser=True)
    make_cast("empty")
    wanted = pages(build_scene(make_cast("acme"), jobs=5))
    clients: dict[str, Client] = {}
    answers = {}
    for name, (who, address) in wanted.items():
        if who not in clients:
            clients[who] = Client()
            clients[who].force_login(User.objects.get(username=who), "django.contrib.auth.backends.ModelBackend")
        answers[name] = clients[who].get(address).status_code
    assert {name: status for name, status in answers.items() if status != 200} == {}
    assert len(answers) > 50
