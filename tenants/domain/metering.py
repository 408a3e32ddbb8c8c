"""Whether a connection may be used now: places for calls at once, and a minute's requests and tokens.

Times are seconds since 1970. The state is one small value; who keeps it sees to it that one at a time changes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tenants.domain.connections import Limits

MINUTE = 60
#: How much of the time that a refused call is expected to wait is used for the next one's turn: rather too early, and
#: refused again, than a free place that nobody takes.
HASTE = 0.8
#: Nobody waits longer than this for a turn: limits may be raised, and estimates be wrong.
LONGEST_WAIT = 300.0
SHORTEST_WAIT = 1.0
#: The share of a new call in the running mean of how long calls take.
NEWS = 0.2
FIRST_MEAN = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call must wait: until when, and which limit says so."""

    until: float
    reason: str


@dataclass(slots=True)
class Meter:
    """What a connection is used for just now.

    `places` maps the id of each running call to who makes it (a worker's lease) and when it is taken for lost.
    `seconds` maps seconds to the requests and tokens that began in them. `turn` is when the last refused call comes
    back, `mean` the seconds that calls take.
    """

    places: dict[str, tuple[int, float]] = field(default_factory=dict)
    seconds: dict[int, tuple[int, int]] = field(default_factory=dict)
    turn: float = 0.0
    mean: float = FIRST_MEAN

    def admit(
        self, limits: Limits, *, permit: str, holder: int, now: float, lasts: float, tokens: int
    ) -> Refusal | None:
        """Let a call of `holder` in, to be given back within `lasts` seconds, or return why not and until when."""
        self._forget(now)
        waits = [
            (self._wait_for_place(limits, now), self._spacing(limits.concurrent), _PLACES, limits.concurrent),
            (
                self._wait_for(limits.requests_per_minute, 0, 1, now),
                MINUTE / (limits.requests_per_minute or 1),
                _REQUESTS,
                limits.requests_per_minute,
            ),
            (
                self._wait_for(limits.tokens_per_minute, 1, tokens, now),
                MINUTE * tokens / (limits.tokens_per_minute or 1),
                _TOKENS,
                limits.tokens_per_minute,
            ),
        ]
        wait, spacing, reason, limit = max(waits, key=lambda each: each[0])
        if wait > 0:
            return Refusal(self._next_turn(now, wait, spacing), reason.format(limit))
        if limits.concurrent is not None:
            self.places[permit] = (holder, now + lasts)
        if limits.requests_per_minute is not None or limits.tokens_per_minute is not None:
            self._count(int(now), 1, tokens)
        return None

    def leave(self, permit: str, *, began: float, now: float, expected: int, tokens: int, limits: Limits) -> None:
        """Note that a call is over, and what it took in place of what was expected."""
        self.places.pop(permit, None)
        self.mean += NEWS * (max(now - began, 0.01) - self.mean)
        if limits.tokens_per_minute is not None and int(began) in self.seconds:
            self._count(int(began), 0, tokens - expected)

    def holders(self) -> set[int]:
        """Return who makes the calls that run."""
        return {holder for holder, _ in self.places.values()}

    def drop(self, dead: Iterable[int]) -> None:
        """Take back the places of holders that are no more."""
        gone = set(dead)
        self.places = {permit: place for permit, place in self.places.items() if place[0] not in gone}

    def full(self, limits: Limits, now: float) -> bool:
        """Say whether every place for calls at once is taken."""
        self._forget(now)
        return limits.concurrent is not None and len(self.places) >= limits.concurrent

    def _forget(self, now: float) -> None:
        self.places = {permit: place for permit, place in self.places.items() if place[1] > now}
        # A second counts as long as any instant of it lies within the minute: never too few are counted. One from the
        # future is that of a clock which was put right.
        self.seconds = {at: used for at, used in self.seconds.items() if now - MINUTE - 1 < at <= now + MINUTE}

    def _count(self, second: int, requests: int, tokens: int) -> None:
        before = self.seconds.get(second, (0, 0))
        self.seconds[second] = (before[0] + requests, max(before[1] + tokens, 0))

    def _wait_for_place(self, limits: Limits, now: float) -> float:
        return self.mean if self.full(limits, now) else 0.0

    def _wait_for(self, limit: int | None, which: int, asked: int, now: float) -> float:
        """Return the seconds until `asked` more fit into the minute; one that never would fits into an empty one."""
        if limit is None:
            return 0.0
        left = limit - min(asked, limit) - sum(used[which] for used in self.seconds.values())
        for second, used in sorted(self.seconds.items()):
            if left >= 0:
                return 0.0
            left += used[which]
            if left >= 0:
                return max(second + MINUTE + 1 - now, 0.001)
        return 0.0

    def _spacing(self, concurrent: int | None) -> float:
        return self.mean / (concurrent or 1)

    def _next_turn(self, now: float, wait: float, spacing: float) -> float:
        """Return when a refused call comes back: each after the one before it, as places are expected to be free.

        So a thousand refused calls do not all come back at once to be refused again.
        """
        turn = max(self.turn, now + wait) + spacing * HASTE
        if turn > now + LONGEST_WAIT:
            # Too many wait to give each a turn. They spread over what is ahead; the golden ratio does so evenly.
            share = (self.turn * 0.618_034) % 1.0
            self.turn += 1.0 / 1024
            return now + LONGEST_WAIT * (0.5 + share / 2)
        self.turn = turn
        return max(turn, now + SHORTEST_WAIT)

    def to_data(self) -> dict[str, Any]:
        """Return the state as JSON has it."""
        return {
            "places": {permit: list(place) for permit, place in self.places.items()},
            "seconds": {str(at): list(used) for at, used in self.seconds.items()},
            "turn": self.turn,
            "mean": round(self.mean, 3),
        }

    @classmethod
    def from_data(cls, data: Any) -> "Meter":
        """Return the state that `to_data` gave."""
        return cls(
            places={permit: (int(holder), float(until)) for permit, (holder, until) in data.get("places", {}).items()},
            seconds={int(at): (int(used[0]), int(used[1])) for at, used in data.get("seconds", {}).items()},
            turn=float(data.get("turn", 0.0)),
            mean=float(data.get("mean", FIRST_MEAN)),
        )


_PLACES = "all {} of its places for calls at once are taken"
_REQUESTS = "its {} requests of this minute are used up"
_TOKENS = "its {} tokens of this minute are used up"


def has_rates(limits: Limits) -> bool:
    """Say whether there is anything to meter."""
    return not (limits.concurrent is limits.requests_per_minute is limits.tokens_per_minute is None)
