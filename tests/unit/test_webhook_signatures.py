"""Who holds the secret is let in, whatever the body; one bit that differs anywhere is refused."""

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automations.domain.signatures import Cause, Plain, Proof, SignatureRefused, check_secret, in_words, verify
from automations.domain.states import Scheme
from tests.webhooks import SECRETS, signed

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BODY = b'{"type": "invoice.paid", "id": "evt_1", "caf\xc3\xa9": 1}'
PLAIN = {"hmac": Plain(), "token": Plain(Proof.TOKEN)}
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "webhooks-github"
needs_payloads = pytest.mark.skipif(not SHARED.exists(), reason="GitHub's example payloads are not beside the project")
#: Where each scheme puts what proves the sender.
PROOF = {
    "standard": ("webhook-id", "webhook-timestamp", "webhook-signature"),
    "github": ("X-Hub-Signature-256",),
    "stripe": ("Stripe-Signature",),
    "slack": ("X-Slack-Request-Timestamp", "X-Slack-Signature"),
    "hmac": ("X-Signature",),
    "token": ("Authorization",),
}


def check(scheme, headers, body=BODY, secrets=None, **more):
    secrets = [SECRETS[scheme]] if secrets is None else secrets
    if scheme in PLAIN:
        scheme, more = "plain", {"plain": PLAIN[scheme]} | more
    return verify(Scheme(scheme), headers=headers, body=body, secrets=secrets, now=more.pop("now", NOW), **more)


def refusal(scheme, headers, body=BODY, secrets=None, **more) -> SignatureRefused:
    with pytest.raises(SignatureRefused) as caught:
        check(scheme, headers, body, secrets, **more)
    return caught.value


def flipped(raw: bytes, places=None) -> Iterator[bytes]:
    """Yield `raw` with one bit flipped, at each place in turn; which bit depends on the place."""
    for place in range(len(raw)) if places is None else places:
        yield raw[:place] + bytes([raw[place] ^ (1 << place % 7)]) + raw[place + 1 :]


def every_second(raw: bytes, count: int) -> range:
    return range(0, len(raw), max(1, len(raw) // count))


def payloads() -> list[Path]:
    return sorted(SHARED.glob("payloads/*/*.json"))


def test_the_published_examples():
    github = {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
    assert check("github", github, b"Hello, World!", ["It's a Secret to Everybody"]) == 0
    standard = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secrets, body = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], b'{"test": 2432232314}'
    sent_at = datetime.fromtimestamp(1614265330, UTC)
    assert check("standard", standard, body, secrets, now=sent_at) == 0
    older = {name.replace("webhook", "svix"): value for name, value in standard.items()}
    assert check("standard", older, body, secrets, now=sent_at) == 0
    assert refusal("standard", standard, body, secrets).cause is Cause.STALE
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    slack = {
        "X-Slack-Request-Timestamp": "1531420618",
        "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
        b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    sent_at = datetime.fromtimestamp(1531420618, UTC)
    assert check("slack", slack, body, ["8f742231b10e8888abcd99yyyzzz85a5"], now=sent_at) == 0


@needs_payloads
def test_the_vectors_beside_the_project():
    for vector in json.loads((SHARED / "signature_vectors.json").read_text()):
        scheme = {"standard-webhooks": "standard"}.get(vector["scheme"], vector["scheme"])
        sent_at = datetime.fromtimestamp(int(vector["headers"].get("webhook-timestamp", 0)), UTC)
        assert check(scheme, vector["headers"], vector["body"].encode(), [vector["secret"]], now=sent_at) == 0


@needs_payloads
def test_every_payload_of_github_is_taken_and_none_that_was_touched():
    assert len(payloads()) > 50
    for path in payloads():
        body = path.read_bytes()
        headers = signed("github", body, now=NOW)
        assert check("github", headers, body) == 0
        for wrong in flipped(body, every_second(body, 25)):
            refusal("github", headers, wrong)


@pytest.mark.slow
@needs_payloads
def test_no_byte_of_any_payload_may_differ():
    for path in payloads():
        body = path.read_bytes()
        headers, secret = signed("github", body, now=NOW), SECRETS["github"]
        for wrong in flipped(body):
            refusal("github", headers, wrong)
        for wrong in flipped(headers["X-Hub-Signature-256"].encode()):
            refusal("github", headers | {"X-Hub-Signature-256": wrong.decode("latin-1")}, body)
        for wrong in flipped(secret.encode()):
            refusal("github", headers, body, [wrong.decode("latin-1")])


@pytest.mark.parametrize("scheme", SECRETS)
def test_what_is_signed_is_taken_and_no_byte_of_it_may_differ(scheme):
    headers, secret = signed(scheme, BODY, now=NOW), SECRETS[scheme]
    assert check(scheme, headers) == 0
    if scheme != "token":
        for wrong in flipped(BODY):
            refusal(scheme, headers, wrong)
    for wrong in flipped(secret.encode()):
        refusal(scheme, headers, BODY, [wrong.decode("latin-1")])
    for name in PROOF[scheme]:
        # Stripe's older signature, v0, is not looked at; the name of the scheme "Bearer" may be written as one likes.
        end = headers[name].find(",v0=") if scheme == "stripe" else None
        start = len("Bearer ") if scheme == "token" else 0
        for wrong in flipped(headers[name].encode(), range(len(headers[name]))[start:end]):
            refusal(scheme, headers | {name: wrong.decode("latin-1")})


@pytest.mark.parametrize("scheme", SECRETS)
@given(body=st.binary(max_size=200), other=st.binary(max_size=200))
def test_another_body_is_never_taken(scheme, body, other):
    headers = signed(scheme, body, now=NOW)
    assert check(scheme, headers, body) == 0
    if other != body and scheme != "token":
        assert refusal(scheme, headers, other).cause is Cause.WRONG


@pytest.mark.parametrize("scheme", SECRETS)
@given(value=st.text(st.characters(max_codepoint=255), max_size=80))
def test_no_header_however_odd_is_more_than_refused(scheme, value):
    for name in PROOF[scheme]:
        refusal(scheme, signed(scheme, BODY, now=NOW) | {name: value})


@pytest.mark.parametrize("scheme", SECRETS)
def test_what_is_missing_is_named(scheme):
    for name in PROOF[scheme]:
        headers = signed(scheme, BODY, now=NOW)
        del headers[name]
        error = refusal(scheme, headers)
        assert (error.cause, str(error)) == (Cause.MISSING, f"The header {name} is missing.")


@pytest.mark.parametrize("scheme", ["standard", "stripe", "slack"])
def test_a_timestamp_must_be_near_our_clock_in_both_directions(scheme):
    headers = signed(scheme, BODY, now=NOW)
    for minutes in (-5, 0, 5):
        assert check(scheme, headers, now=NOW + timedelta(minutes=minutes)) == 0
    late = refusal(scheme, headers, now=NOW + timedelta(minutes=12))
    assert (late.cause, str(late)) == (Cause.STALE, "The timestamp is 12 minutes old; 5 minutes are allowed.")
    early = refusal(scheme, headers, now=NOW - timedelta(minutes=5, seconds=1))
    assert (early.cause, str(early)) == (
        Cause.STALE,
        "The timestamp is 5 minutes ahead of our clock; 5 minutes are allowed.",
    )
    assert check(scheme, headers, now=NOW + timedelta(minutes=12), tolerance=timedelta(minutes=15)) == 0


@pytest.mark.parametrize("time", ["soon", "-1", "1e9", "²", "1" * 12, "16 14", "1614265330.5"])
def test_a_timestamp_that_is_no_number_is_refused(time):
    headers = signed("slack", BODY, now=NOW) | {"X-Slack-Request-Timestamp": time}
    assert refusal("slack", headers).cause is Cause.MALFORMED


@pytest.mark.parametrize("scheme", SECRETS)
def test_while_a_secret_is_changed_both_are_taken(scheme):
    new = "whsec_" + "n" * 32 if scheme == "standard" else "another-secret-0123456789"
    both = [new, SECRETS[scheme]]
    assert check(scheme, signed(scheme, BODY, now=NOW), secrets=both) == 1
    assert check(scheme, signed(scheme, BODY, now=NOW, secret=new), secrets=both) == 0
    assert refusal(scheme, signed(scheme, BODY, now=NOW), secrets=[new]).cause is Cause.WRONG
    assert refusal(scheme, signed(scheme, BODY, now=NOW), secrets=[]).cause is Cause.WRONG


def test_one_of_several_signatures_is_enough():
    headers = signed("standard", BODY, now=NOW)
    headers["webhook-signature"] = f"v1a,xyz v1,AAAA {headers['webhook-signature']}"
    assert check("standard", headers) == 0
    stripe = signed("stripe", BODY, now=NOW)["Stripe-Signature"]
    assert check("stripe", {"stripe-signature": stripe.replace(",v0", ",v1=00,v0")}) == 0
    assert refusal("stripe", {"stripe-signature": f"t=1,{stripe}"}).cause is Cause.MALFORMED


def test_a_secret_of_the_wrong_form_makes_no_signature():
    assert refusal("standard", signed("standard", BODY, now=NOW), secrets=["not base64!"]).cause is Cause.WRONG


def test_a_plain_signature_may_be_hex_or_base64_in_a_header_of_choice():
    digest, shop = signed("hmac", BODY, now=NOW)["X-Signature"], Plain(header="X-Shop-Hmac")
    in_base64 = base64.b64encode(bytes.fromhex(digest)).decode()
    for value in (digest, digest.upper(), f"sha256={digest}", in_base64):
        assert check("hmac", {"X-Shop-Hmac": value}, plain=shop) == 0
    assert refusal("hmac", {"X-Signature": digest}, plain=shop).cause is Cause.MISSING
    sha1 = hashlib.sha1(BODY).hexdigest()  # noqa: S324 - a digest that must not be taken
    assert refusal("hmac", {"X-Signature": sha1}).cause is Cause.WRONG


@pytest.mark.parametrize("value", ["Bearer {}", "bearer {}", "{}", "  {} "])
def test_a_token_may_stand_alone_or_after_bearer(value):
    assert check("token", {"Authorization": value.format(SECRETS["token"])}) == 0
    assert check("token", {"X-Token": value.format(SECRETS["token"])}, plain=Plain(Proof.TOKEN, "X-Token")) == 0


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [("github", "short"), ("github", " leading-blank-0123456"), ("plain", "é" * 20), ("plain", "a\nb" * 10),
     ("standard", "whsec_short"), ("plain", "a" * 201)],
)  # fmt: skip
def test_a_secret_that_does_not_fit_the_scheme_is_refused_with_its_form(scheme, secret):
    with pytest.raises(ValueError, match="must be"):
        check_secret(Scheme(scheme), secret)


@pytest.mark.parametrize("scheme", SECRETS)
def test_the_secrets_that_senders_make_fit(scheme):
    check_secret(Scheme("plain" if scheme in PLAIN else scheme), SECRETS[scheme])


def test_no_refusal_tells_a_secret():
    for scheme, secret in SECRETS.items():
        error = refusal(scheme, signed(scheme, BODY, now=NOW, secret=secret[:-4] + "wxyz"))
        assert secret not in str(error)
        assert secret not in repr(error)


@pytest.mark.parametrize(
    ("seconds", "words"), [(59, "59 seconds"), (720, "12 minutes"), (7300, "2 hours"), (1e6, "12 days")]
)
def test_times_are_told_in_the_largest_unit_of_which_there_are_two(seconds, words):
    assert in_words(seconds) == words
