"""Bulk actions in words and figures."""

from dataclasses import dataclass

from jobs.models import BulkAction

VERBS = {"retry": "Retry", "requeue": "Requeue", "cancel": "Cancel", "rerun": "Run again", "move": "Move"}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an action is: per cent, and what the bar counts."""

    percent: int
    expected: int | None
    finished: bool
    stopped: bool


def describe(action: BulkAction) -> str:
    """Say what an action does: "Retry failed, dead jobs"."""
    wanted, version = action.filters["wanted"], action.filters.get("version")
    target = f" {'to' if action.kind == 'move' else 'on'} version {version}" if version else ""
    if wanted["ids"] is not None:
        count = len(wanted["ids"])
        return f"{VERBS[action.kind]} {count} selected job{'' if count == 1 else 's'}{target}"
    states = ", ".join(state.lower() for state in wanted["states"])
    return f"{VERBS[action.kind]} {states + ' ' if states else ''}jobs{target}"


def skipped_of(action: BulkAction) -> list[tuple[int, str]]:
    """Return why jobs were left alone, the most frequent reason first."""
    counts = action.filters.get("skipped", {})
    return sorted(((count, reason) for reason, count in counts.items()), reverse=True)


def progress_of(action: BulkAction) -> Progress:
    """Return how far an action is: by the jobs it expected, or, where they were too many to count, by their ids."""
    expected = action.filters["expected"]
    stopped = action.finished_at is not None and bool(action.error_message)
    if action.finished_at is not None and not stopped:
        return Progress(100, expected, True, False)
    done, whole = (action.seen, expected) if expected is not None else (action.last_id, action.end_id)
    percent = min(int(100 * done / whole), 99) if whole else 0
    return Progress(percent, expected, action.finished_at is not None, stopped)
