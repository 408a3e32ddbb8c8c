from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.domain.keys import Refusal, hash_key, is_key, new_key, parse_age, refusal_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_new_key_has_the_form_that_is_let_in_and_keeps_only_its_hash() -> None:
    key = new_key()
    assert is_key(key.clear)
    assert key.clear.startswith(f"tf_{key.prefix}_")
    assert key.key_hash == hash_key(key.clear)
    assert key.clear.rsplit("_")[-1] not in key.key_hash


def test_two_keys_share_nothing() -> None:
    one, two = new_key(), new_key()
    assert (one.prefix, one.key_hash) != (two.prefix, two.key_hash)
    assert one.clear.rsplit("_")[-1] != two.clear.rsplit("_")[-1]


@given(st.text())
def test_other_text_is_no_key(text: str) -> None:
    assert not is_key(text)


@pytest.mark.parametrize("wrap", ["{} ", " {}", "{}\n", "{}0", "x{}"])
def test_a_key_with_something_around_it_is_no_key(wrap: str) -> None:
    assert not is_key(wrap.format(new_key().clear))


@pytest.mark.parametrize(
    ("revoked_at", "expires_at", "active", "expected"),
    [
        (None, None, True, None),
        (None, NOW + SECOND, True, None),
        (None, NOW, True, Refusal.EXPIRED),
        (NOW, None, True, Refusal.REVOKED),
        (NOW + SECOND, None, True, None),
        (NOW, NOW, False, Refusal.REVOKED),
        (None, None, False, Refusal.TENANT_INACTIVE),
    ],
)
def test_a_key_is_refused_for_the_reason_that_holds(
    revoked_at: datetime | None, expires_at: datetime | None, active: bool, expected: Refusal | None
) -> None:
    assert refusal_of(revoked_at=revoked_at, expires_at=expires_at, tenant_active=active, now=NOW) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        (" 2w ", timedelta(weeks=2)),
    ],
)
def test_an_age_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    assert parse_age(text) == expected


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5d", "30 d", "30y", "999999d", "٣d"])
def test_an_age_that_makes_no_sense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30d"):
        parse_age(text)
