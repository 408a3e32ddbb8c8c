"""Working on firings that wait, in slices: a thousand of them do not hold a worker."""

import time
from datetime import datetime

from django.db import Error

from automations.domain.effects import Refused
from automations.models import Firing
from automations.runtime.sending import send_notices
from automations.services.firings import carry_out, claim_firings, record_failure
from automations.services.hints import heard, hint
from automations.services.occurrences import fire_received
from taskflow.lib.clock import utcnow
from taskflow.lib.db import is_away
from taskflow.lib.telemetry import emit, span

SLICE_SECONDS = 3.0
CHUNK = 20


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
            for firing in taken:
                work_on(firing, now=utcnow())
            count += len(taken)
            if not send_notices(now=utcnow()) and not taken and not told:
                break
        else:
            hint()
        fields["firings"] = count
    return count


def work_on(firing: Firing, *, now: datetime) -> bool:
    """Work on one firing that was taken up; what goes wrong is kept on it. True if it was carried out here."""
    try:
        return carry_out(firing=firing, now=now)
    except Error as error:
        if is_away(error):
            # Nothing can be kept now. Its lease runs out, and it is taken up again.
            raise
        record_failure(firing=firing, error=error, now=now)
    except Refused as error:
        record_failure(firing=firing, error=error, now=now)
    except Exception as error:  # noqa: BLE001 - one rule's surprise must not stop the others; it is kept on the firing
        record_failure(firing=firing, error=error, now=now)
    emit("automations.firing_failed", firing=str(firing.uid), rule=str(firing.rule_uid))
    return False
