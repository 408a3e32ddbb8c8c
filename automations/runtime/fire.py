"""Working on firings that wait, in slices: a thousand of them do not hold a worker."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from django.db import Error, OperationalError

from automations.models import Firing
from automations.runtime.sending import send_notices
from automations.services.firings import carry_out, claim_firings, record_failure
from automations.services.hints import heard, hint
from automations.services.occurrences import fire_received
from automations.services.together import Together, carry_out_together
from taskflow.lib.clock import utcnow
from taskflow.lib.db import is_away, is_contention
from taskflow.lib.telemetry import emit, span

SLICE_SECONDS = 3.0
CHUNK = 100
#: What becomes of a firing, by whether its rule matched.
OUTCOMES = {True: "acted", False: "not matched", None: "stopped"}
T = TypeVar("T")


def fire(*, seconds: float = SLICE_SECONDS) -> int:
    """Work on firings and messages that are due until none is left or `seconds` are over; returns how many firings.

    What is left is told to the next free worker.
    """
    heard()
    end = time.monotonic() + seconds
    count = 0
    with span("automations.fire") as fields:
        while time.monotonic() < end:
            told = fire_received()
            taken = claim_firings(now=utcnow(), limit=CHUNK)
            if len(taken) == CHUNK:
                # There may be more than one worker can do: another joins in.
                hint()
            work_on_all(taken)
            count += len(taken)
            if not send_notices(now=utcnow()) and not taken and not told:
                break
        else:
            hint()
        fields["firings"] = count
    return count


def work_on_all(firings: Sequence[Firing]) -> None:
    """Work on firings that were taken up, as far as they allow in one transaction; what goes wrong is kept on each."""
    alone = list(firings)
    if len(firings) > 1:
        now = utcnow()
        found = _tried(lambda: carry_out_together(firings=firings, now=now))
        # If something unforeseen broke them all, it shows whose it is when each is worked on alone.
        if isinstance(found, Together):
            alone = found.alone
            _tell_done(found.done, now)
            for firing, error in found.refused:
                _fail(firing, error, now)
    for firing in alone:
        work_on(firing, now=utcnow())


def work_on(firing: Firing, *, now: datetime) -> bool:
    """Work on one firing that was taken up; what goes wrong is kept on it. True if it was carried out here."""
    done = _tried(lambda: carry_out(firing=firing, now=now))
    if isinstance(done, Exception):
        _fail(firing, done, now)
        return False
    if done:
        _tell_done([firing], now)
    return done


def _tried(work: Callable[[], T]) -> T | Exception:
    """Return what `work` gives, or what went wrong. Raises only where nothing could be kept of it now.

    Then the leases of the firings run out, and they are taken up again.
    """
    try:
        return work()
    except Exception as error:
        # Whatever a rule brings about is kept on its firing, and stops no other.
        contended = isinstance(error, OperationalError) and is_contention(error)
        if isinstance(error, Error) and is_away(error) and not contended:
            raise
        return error


def _fail(firing: Firing, error: Exception, now: datetime) -> None:
    given_up = record_failure(firing=firing, error=error, now=now)
    emit("automations.firing_failed", firing=str(firing.uid), rule=str(firing.rule_uid), given_up=given_up)


def _tell_done(firings: Sequence[Firing], now: datetime) -> None:
    if firings:
        counts = Counter(OUTCOMES[firing.matched] for firing in firings)
        lags = [max((now - firing.created_at).total_seconds(), 0.0) for firing in firings]
        emit("automations.fired", counts=dict(counts), lag_seconds=lags)
