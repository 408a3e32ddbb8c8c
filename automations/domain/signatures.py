"""Whether a webhook comes from who holds the secret: the schemes that senders use, over the raw bytes of the body.

Every comparison takes the same time whatever is wrong, all secrets are tried, and a signed timestamp must be near our
clock, in both directions. What is refused says why in words for the endpoint's owner; none holds a secret.

Sources: standardwebhooks.com 1.0.0; GitHub, "Validating webhook deliveries"; Stripe, "Verify webhook signatures
manually"; Slack, "Verifying requests from Slack".
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from automations.domain.states import Scheme
from taskflow.lib import webhooks

TOLERANCE = timedelta(minutes=5)
_SECONDS = re.compile(r"[0-9]{1,11}")
_SECRET = re.compile(r"[!-~][ -~]{14,198}[!-~]")


class Proof(StrEnum):
    """What a plain sender sends: a signature (HMAC-SHA256 of the body, hexadecimal or base64), or the secret itself."""

    SIGNATURE = "signature"
    TOKEN = "token"  # noqa: S105 - the name of a proof


#: The header that holds the proof of a plain sender, where the owner chose none.
USUAL_HEADERS = {Proof.SIGNATURE: "X-Signature", Proof.TOKEN: "Authorization"}


@dataclass(frozen=True, slots=True)
class Plain:
    """How a sender without a scheme of its own does it. Headers that are empty are the usual ones."""

    proof: Proof = Proof.SIGNATURE
    header: str = ""
    id_header: str = ""
    event_header: str = ""


PLAIN = Plain()


class Cause(StrEnum):
    """Why a request is refused."""

    MISSING = "missing"
    MALFORMED = "malformed"
    STALE = "stale"
    WRONG = "wrong"


class SignatureRefused(Exception):
    """A request does not prove that it comes from who holds the secret. The text is for the endpoint's owner."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of itself: signatures, one of which must be right, and when it was signed, if it says so.

    `expected` gives the signatures that a secret makes; nothing for a secret that fits no key of the scheme.
    """

    given: tuple[str, ...]
    expected: Callable[[str], tuple[str, ...]]
    signed_at: str | None = None


def verify(
    scheme: Scheme,
    *,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    now: datetime,
    tolerance: timedelta = TOLERANCE,
    plain: Plain = PLAIN,
) -> int:
    """Return which of `secrets` the request was signed with, by its place. Raises SignatureRefused.

    `plain` says how it is done where `scheme` is PLAIN.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    claim = _CLAIMS[scheme](sent, body, plain)
    if claim.signed_at is not None:
        check_time(claim.signed_at, now=now, tolerance=tolerance)
    right = [_any_equal(claim.given, claim.expected(secret)) for secret in secrets]
    if not any(right):
        raise SignatureRefused(Cause.WRONG, _TOKEN if plain.proof is Proof.TOKEN else _UNFIT)
    return right.index(True)


def signed_time(scheme: Scheme, headers: Mapping[str, str]) -> str:
    """Return the timestamp that the scheme signs along with the body; an empty text where it signs none."""
    sent = {name.lower(): value for name, value in headers.items()}
    match scheme:
        case Scheme.STANDARD:
            return _standard_header(sent, "timestamp")[1]
        case Scheme.STRIPE:
            return next((value for name, value in _pairs(sent.get("stripe-signature", "")) if name == "t"), "")
        case Scheme.SLACK:
            return sent.get("x-slack-request-timestamp", "")
        case _:
            return ""


def check_secret(scheme: Scheme, secret: str) -> None:
    """Raise ValueError, with the form it must have, for a secret that the scheme cannot use or that is guessed soon."""
    if scheme is Scheme.STANDARD:
        webhooks.read_secret(secret)
    if not _SECRET.fullmatch(secret):
        raise ValueError("must be 16 to 200 printable ASCII characters, no blank at either end")


def check_time(text: str, *, now: datetime, tolerance: timedelta) -> None:
    """Raise SignatureRefused unless `text`, in seconds since 1970, is within `tolerance` of `now`."""
    if not _SECONDS.fullmatch(text):
        raise SignatureRefused(Cause.MALFORMED, "The timestamp is not a whole number of seconds since 1970.")
    age = now.timestamp() - int(text)
    if abs(age) > tolerance.total_seconds():
        place = "old" if age > 0 else "ahead of our clock"
        allowed = in_words(tolerance.total_seconds())
        raise SignatureRefused(Cause.STALE, f"The timestamp is {in_words(abs(age))} {place}; {allowed} are allowed.")


def in_words(seconds: float) -> str:
    """Return a length of time as people say it: in the largest unit of which it holds two."""
    for name, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"


def _any_equal(given: Iterable[str], expected: Iterable[str]) -> bool:
    """Compare everything with everything, in a time that tells nothing but the lengths."""
    wanted = [text.encode() for text in expected]
    found = False
    for text in given:
        for right in wanted:
            found |= hmac.compare_digest(text.encode("utf-8", "replace"), right)
    return found


def _need(sent: Mapping[str, str], name: str) -> str:
    value = sent.get(name.lower(), "").strip()
    if not value:
        raise SignatureRefused(Cause.MISSING, f"The header {name} is missing.")
    return value


def _hex_of(*parts: bytes, prefix: str = "") -> Callable[[str], tuple[str, ...]]:
    """Return what makes the hexadecimal HMAC-SHA256 of `parts` under the bytes of a secret."""
    signed = b"".join(parts)
    return lambda secret: (prefix + hmac.digest(secret.encode(), signed, hashlib.sha256).hex(),)


def _standard_header(sent: Mapping[str, str], part: str) -> tuple[str, str]:
    """Return the name and value of a header of the scheme, which some senders still call by its older name, svix."""
    older = f"svix-{part}"
    name = older if older in sent and f"webhook-{part}" not in sent else f"webhook-{part}"
    return name, sent.get(name, "").strip()


def _standard(sent: Mapping[str, str], body: bytes, plain: Plain) -> Claim:
    names = {part: _standard_header(sent, part)[0] for part in ("id", "timestamp", "signature")}
    message_id, timestamp, signatures = (_need(sent, name) for name in names.values())

    def expected(secret: str) -> tuple[str, ...]:
        try:
            key = webhooks.read_secret(secret)
        except ValueError:
            return ()
        return (webhooks.signature(key, message_id=message_id, timestamp=timestamp, body=body),)

    return Claim(tuple(signatures.split(" ")), expected, timestamp)


def _github(sent: Mapping[str, str], body: bytes, plain: Plain) -> Claim:
    return Claim((_need(sent, "X-Hub-Signature-256"),), _hex_of(body, prefix="sha256="))


def _pairs(text: str) -> list[tuple[str, str]]:
    """Read `t=1,v1=abc,v1=def`."""
    return [(name.strip(), value) for name, _, value in (part.partition("=") for part in text.split(","))]


def _stripe(sent: Mapping[str, str], body: bytes, plain: Plain) -> Claim:
    pairs = _pairs(_need(sent, "Stripe-Signature"))
    times = [value for name, value in pairs if name == "t"]
    signatures = tuple(value for name, value in pairs if name == "v1")
    if len(times) != 1 or not signatures:
        raise SignatureRefused(Cause.MALFORMED, "The header Stripe-Signature must hold one t= and a v1=.")
    return Claim(signatures, _hex_of(times[0].encode("utf-8", "replace"), b".", body), times[0])


def _slack(sent: Mapping[str, str], body: bytes, plain: Plain) -> Claim:
    time, given = _need(sent, "X-Slack-Request-Timestamp"), _need(sent, "X-Slack-Signature")
    signed = (b"v0:", time.encode("utf-8", "replace"), b":", body)
    return Claim((given,), _hex_of(*signed, prefix="v0="), time)


def _plain(sent: Mapping[str, str], body: bytes, plain: Plain) -> Claim:
    value = _need(sent, plain.header or USUAL_HEADERS[plain.proof])
    if plain.proof is Proof.TOKEN:
        # Hashed on both sides, so that not even its length shows in the time the comparison takes.
        return Claim((_sha256(_without_bearer(value)),), lambda secret: (_sha256(secret),))

    def expected(secret: str) -> tuple[str, ...]:
        digest = hmac.digest(secret.encode(), body, hashlib.sha256)
        return digest.hex(), digest.hex().upper(), base64.b64encode(digest).decode()

    return Claim((value.removeprefix("sha256="),), expected)


def _without_bearer(value: str) -> str:
    scheme, _, rest = value.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" and rest else value


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


_CLAIMS: dict[Scheme, Callable[[Mapping[str, str], bytes, Plain], Claim]] = {
    Scheme.STANDARD: _standard,
    Scheme.GITHUB: _github,
    Scheme.STRIPE: _stripe,
    Scheme.SLACK: _slack,
    Scheme.PLAIN: _plain,
}
_UNFIT = "The signature does not fit the body and any secret of the endpoint."
_TOKEN = "The token is none of the endpoint's secrets."  # noqa: S105 - words for the owner
