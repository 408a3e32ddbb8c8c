"""Secrets at rest: what is sealed opens with the right key, for its owner, and in no other way."""

import pytest

from taskflow import checks
from taskflow.lib.sealing import CannotOpen, is_current, is_key, new_key, reseal, seal, unseal

OLD, NEW = "b2xk" * 10 + "b2w=", "bmV3" * 10 + "bmU="
VALUES = {"api_key": "sk-ünï-1", "password": "p"}


@pytest.fixture(autouse=True)
def _one_key(settings):
    settings.ENCRYPTION_KEYS = [OLD]


def test_what_is_sealed_opens_again_and_cannot_be_read_meanwhile():
    sealed = seal(VALUES, owner="a")
    assert unseal(sealed, owner="a") == VALUES
    assert "sk-" not in sealed
    assert seal(VALUES, owner="a") != sealed


def test_nothing_is_sealed_as_nothing():
    assert seal({}, owner="a") == ""
    assert unseal("", owner="a") == {}
    assert is_current("")
    assert reseal("") == ""


def test_a_new_first_key_opens_what_the_old_one_sealed(settings):
    sealed = seal(VALUES, owner="a")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert unseal(sealed, owner="a") == VALUES
    assert not is_current(sealed)
    fresh = reseal(sealed)
    assert is_current(fresh)
    settings.ENCRYPTION_KEYS = [NEW]
    assert unseal(fresh, owner="a") == VALUES


def test_a_wrong_key_is_an_error_and_gives_nothing_out(settings):
    sealed = seal(VALUES, owner="a")
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(CannotOpen, match="no key of ENCRYPTION_KEYS opens") as caught:
        unseal(sealed, owner="a")
    assert sealed not in str(caught.value)
    with pytest.raises(CannotOpen):
        reseal(sealed)


@pytest.mark.parametrize("broken", ["x", "gAAAA", "not even base64 ☃", VALUES["api_key"]])
def test_what_was_never_sealed_does_not_open(broken):
    with pytest.raises(CannotOpen):
        unseal(broken, owner="a")


def test_secrets_do_not_open_for_another_owner():
    with pytest.raises(CannotOpen):
        unseal(seal(VALUES, owner="a"), owner="b")


def test_a_fresh_key_is_a_key_and_differs_from_the_last():
    assert is_key(new_key())
    assert new_key() != new_key()


def test_without_keys_the_secret_key_seals_and_its_fallbacks_open(settings):
    settings.ENCRYPTION_KEYS, settings.SECRET_KEY = [], "first"
    sealed = seal(VALUES, owner="a")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "second", ["first"]
    assert unseal(sealed, owner="a") == VALUES
    settings.ENCRYPTION_KEYS = [NEW]
    assert unseal(sealed, owner="a") == VALUES
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(CannotOpen):
        unseal(sealed, owner="a")


@pytest.mark.parametrize("text", ["", "short", "x" * 44, "b2xk" * 10])
def test_what_is_no_key_is_found_by_the_checks(settings, text):
    assert not is_key(text)
    settings.ENCRYPTION_KEYS = [OLD, text]
    (found,) = checks.check_encryption_keys(None)
    assert (found.id, "new-key" in found.hint) == ("taskflow.E010", True)
    assert found.msg == "Key 2 of ENCRYPTION_KEYS is not a key."


def test_a_deployment_without_a_key_of_its_own_is_warned(settings):
    assert checks.check_own_encryption_key(None) == []
    settings.ENCRYPTION_KEYS = []
    assert [found.id for found in checks.check_own_encryption_key(None)] == ["taskflow.W011"]
