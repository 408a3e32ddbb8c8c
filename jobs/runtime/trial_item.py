"""Running one item of a test run, on a step thread: the live version and the draft over the same input.

Nothing outside is touched but language models, which are asked over the tenant's connections and within their limits.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jobs.domain.comparing import Comparison, Side, compare
from jobs.services.trial_results import ItemResult
from taskflow.lib.clock import utcnow
from taskflow.lib.fields import dump_json
from tenants.domain.connections import Connection, Gate
from workflows.domain.calls import ModelCall
from workflows.domain.fields import check_payload
from workflows.domain.files import StoredFile
from workflows.domain.outcomes import Record, Snooze, TransientError, Wait
from workflows.domain.recording import Recordings, Trace
from workflows.runtime import Plan, RunResult, run_plan

#: Texts are kept up to so many characters in the results, and a whole output up to so many in JSON.
LONGEST_TEXT, LONGEST_RECORD = 5_000, 500_000
#: Answers of steps are kept for the next run up to so many characters.
LONGEST_RECORDED = 1_000_000
#: How often an item is tried whose error may pass, or which ended its worker.
MOST_TRIES = 3
KILLED = "It ended the worker that ran it, three times. Whatever it does must not go live."


@dataclass(frozen=True, slots=True)
class Setting:
    """What all items of a run share. With `step_key`, only that step of the draft is tried."""

    draft: Plan
    live: Plan | None
    step_key: str
    tenant: Mapping[str, Any]
    connections: Mapping[str, Connection]
    gate: Gate


@dataclass(slots=True)
class ItemWork:
    """One item, with all it needs to run without the database."""

    item_id: int
    payload: Record
    expected: Record | None
    recordings: Recordings
    files: tuple[StoredFile, ...] = ()
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Tried:
    """What one version gave: the run itself (None where the input does not fit its fields), and that as one side."""

    side: Side
    result: RunResult | None = None

    @property
    def asks(self) -> bool:
        """Whether a person would be asked."""
        return self.result is not None and bool(questions_of(self.result))

    @property
    def calls(self) -> tuple[ModelCall, ...]:
        """The calls to language models."""
        return tuple(self.result.calls) if self.result else ()

    @property
    def cost(self) -> float:
        return sum(call.usage.cost for call in self.calls)


def try_item(work: ItemWork, setting: Setting) -> ItemResult:
    """Run an item and compare; a limit that is reached, or an error that may pass, puts it off instead."""
    start, now = time.perf_counter(), utcnow()
    live = None if setting.live is None else try_version(setting.live, work, setting, now=now)
    off = None if live is None else _put_off(live, work, now)
    draft = None
    if off is None:
        draft = _try_draft(work, setting, live, now)
        off = _put_off(draft, work, now)
    seconds = time.perf_counter() - start
    cost = sum(tried.cost for tried in (live, draft) if tried is not None)
    live_calls, draft_calls = (live.calls if live else ()), (draft.calls if draft else ())
    recorded = _recorded(work.recordings)
    if off is not None or draft is None:
        until, note, spared = off or (now, "", True)
        return ItemResult(
            work.item_id,
            seconds,
            cost,
            recorded,
            until=until,
            note=note,
            spared=spared,
            live_calls=live_calls,
            draft_calls=draft_calls,
        )
    if setting.step_key and live is not None:
        live = _one_step(live, setting.step_key)
    comparison = _compare(live, draft, work.expected, setting.step_key)
    return ItemResult(
        work.item_id,
        seconds,
        cost,
        recorded,
        comparison=comparison,
        live=None if live is None else side_data(live),
        draft=side_data(draft),
        live_asks=live is not None and live.asks,
        asks=draft.asks,
        reused=any(trace.reused for trace in draft.result.traces.values()) if draft.result else False,
        live_calls=live_calls,
        draft_calls=draft_calls,
    )


def try_version(plan: Plan, work: ItemWork, setting: Setting, *, now: datetime, **only: Any) -> Tried:
    """Run one version over an item's input. `only` are those arguments of `run_plan` that try a single step."""
    problems = check_payload(plan.fields, work.payload)
    if problems:
        words = "; ".join(f"{problem.field} {problem.message}" for problem in problems[:5])
        return Tried(Side(error=f"The input does not fit the fields: {words}."))
    result = run_plan(
        plan,
        work.payload,
        tenant=setting.tenant,
        now=now,
        connections=setting.connections,
        gate=setting.gate,
        files=work.files,
        recordings=work.recordings,
        **only,
    )
    return Tried(_side(plan, result, result.record), result)


def _try_draft(work: ItemWork, setting: Setting, live: Tried | None, now: datetime) -> Tried:
    if not setting.step_key:
        return try_version(setting.draft, work, setting, now=now)
    given = live.result.outputs if live is not None and live.result is not None else {}
    return _one_step(
        try_version(setting.draft, work, setting, now=now, given=given, last=setting.step_key), setting.step_key
    )


def _one_step(tried: Tried, key: str) -> Tried:
    """Return what one step gave, in the place of the whole."""
    if tried.result is None:
        return tried
    failed = tried.result.failed_step
    error = tried.side.error if failed is not None and key not in tried.result.outputs else ""
    return Tried(Side(tried.result.outputs.get(key, {}), error), tried.result)


def _side(plan: Plan, result: RunResult, record: Record) -> Side:
    error = "" if result.error is None else f"{result.error}{_without_an_answer(plan, result)}"
    if isinstance(result.paused, (Wait, Snooze)):
        record = record | {"would_wait": result.paused.reason or "for something outside"}
    try:
        dump_json(record).encode()
    except (TypeError, ValueError, RecursionError) as unstorable:
        return Side({}, f"The output cannot be stored as JSON: {unstorable}")
    return Side(record, error)


def _without_an_answer(plan: Plan, result: RunResult) -> str:
    """Say so where a step failed that reads what a step gives which tests do not carry out."""
    failed = next((step for step in plan.steps if step.key == result.failed_step), None)
    read = {reference.key for reference in failed.runner.references} if failed else set()
    for key in sorted(read):
        trace = result.traces.get(key)
        if trace is not None and trace.would and not trace.reused:
            return f" It reads the answer of '{key}', which tests do not carry out: use samples picked from jobs."
    return ""


def _put_off(tried: Tried, work: ItemWork, now: datetime) -> tuple[datetime, str, bool] | None:
    """Return until when and why an item is put off, and whether this try does not count; None where it is not."""
    result = tried.result
    if result is None:
        return None
    if result.limited and isinstance(result.paused, Snooze):
        return result.paused.until, result.paused.reason, True
    if isinstance(result.error, TransientError) and work.tries < MOST_TRIES:
        seconds = result.error.retry_after or 2.0**work.tries
        return now + timedelta(seconds=min(seconds, 300.0)), str(result.error), False
    return None


def _compare(live: Tried | None, draft: Tried, expected: Record | None, step_key: str) -> Comparison:
    if step_key and expected is not None:
        given = {**draft.side.record, **(live.side.record if live else {})}
        expected = {key: value for key, value in expected.items() if key in given} or None
    return compare(None if live is None else live.side, draft.side, expected)


def questions_of(result: RunResult) -> list[str]:
    """Return what a person would be asked."""
    asked = [question.title for question in result.reviews.values()]
    return asked + [trace.name for trace in result.traces.values() if trace.kind == "approve"]


def side_data(tried: Tried) -> dict[str, Any]:
    """Return what one version gave as it is kept and shown: long texts are cut."""
    record = shortened(tried.side.record)
    if len(dump_json(record)) > LONGEST_RECORD:
        record = {"too_large": "The output is too large to be kept."}
    result = tried.result
    return {
        "record": record,
        "error": tried.side.error[:LONGEST_TEXT],
        "step": (result.failed_step if result else None) or "",
        "asks": [title[:300] for title in questions_of(result)] if result else [],
        "steps": [_trace_data(trace) for trace in result.traces.values()] if result else [],
        "cost": tried.cost,
    }


def _trace_data(trace: Trace) -> dict[str, Any]:
    return {
        "key": trace.key,
        "name": trace.name,
        "kind": trace.kind,
        "seconds": round(trace.seconds, 4),
        "cost": trace.cost,
        "confidence": trace.confidence,
        "reused": trace.reused,
        "would": shortened(trace.would),
    }


def shortened(value: Any) -> Any:
    """Return plain data with long texts cut."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT] + "…"
    if isinstance(value, Mapping):
        return {key: shortened(part) for key, part in value.items()}
    return [shortened(part) for part in value] if isinstance(value, (list, tuple)) else value


def _recorded(recordings: Recordings) -> dict[str, Any]:
    """Return the answers worth keeping, as far as they can be stored and are not too long."""
    kept, size = {}, 0
    for key, recording in recordings.kept.items():
        try:
            size += len(dump_json(recording.to_data()).encode())
        except (TypeError, ValueError, RecursionError):
            continue
        if size <= LONGEST_RECORDED:
            kept[key] = recording.to_data()
    return kept


def killed(work: ItemWork) -> ItemResult:
    """Return the result of an item that ended its worker too often to be tried again."""
    side = Side(error=KILLED)
    comparison = compare(None, side, work.expected)
    data = {"record": {}, "error": KILLED, "step": "", "asks": [], "steps": [], "cost": 0.0}
    return ItemResult(work.item_id, 0.0, 0.0, comparison=comparison, draft=data)
