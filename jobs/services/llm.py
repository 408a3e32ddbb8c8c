"""Keeping what language models were asked: the calls for audit, answers for the next time, and daily sums."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Model, Q
from django.db.utils import IntegrityError

from jobs.domain.work import CallRecord, Report
from jobs.models import LlmAnswer, LlmCall, LlmUsage
from taskflow.lib.db import database_time, insert_rows
from workflows.domain.calls import ModelCall

CALL_COLUMNS = (
    "tenant_id",
    "job_id",
    "position",
    "run_number",
    "attempt",
    "step_key",
    "connection",
    "model",
    "purpose",
    "prompt",
    "answer",
    "error",
    "finish_reason",
    "cached",
    "input_tokens",
    "output_tokens",
    "cost",
    "seconds",
    "at",
)
PRUNED_AT_ONCE, PRUNED_TIMES = 1000, 10
SUMS = ("calls", "cached", "failed", "input_tokens", "output_tokens", "cost", "seconds")
MODEL_LENGTH, REASON_LENGTH, ERROR_LENGTH = 200, 30, 20_000


def record_calls(reports: Sequence[Report]) -> None:
    """Write the calls of `reports`, in the transaction that writes their steps. Sums are written last, in one order."""
    rows = [_row(report, record) for report in reports for record in report.calls]
    insert_rows(LlmCall, CALL_COLUMNS, rows)
    _keep_answers(reports)
    _add_all(
        (report.job.tenant_id, report.job.version_id, False, record.call)
        for report in reports
        for record in report.calls
    )


def count_test_calls(*, tenant_id: int, calls: Iterable[tuple[int, ModelCall]]) -> None:
    """Add calls that tests on samples made, each with the id of the version that was tested, to the daily sums.

    Belongs in a transaction. Their texts are not kept: the samples are, and a test can be run again.
    """
    _add_all((tenant_id, version_id, True, call) for version_id, call in calls)


def _add_all(calls: Iterable[tuple[int, int, bool, ModelCall]]) -> None:
    sums: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0] * len(SUMS))
    for tenant_id, version_id, tests, call in calls:
        day, model = call.at.astimezone(UTC).date(), call.model[:MODEL_LENGTH]
        key = (tenant_id, day, version_id, call.connection, model, tests)
        sums[key] = [have + more for have, more in zip(sums[key], _counts(call), strict=True)]
    for key in sorted(sums):
        _add(key, sums[key])


def _row(report: Report, record: CallRecord) -> tuple[object, ...]:
    job, call = report.job, record.call
    return (
        job.tenant_id,
        job.id,
        record.position,
        job.run_number,
        job.attempt,
        record.key,
        call.connection,
        call.model[:MODEL_LENGTH],
        call.purpose,
        _storable(call.prompt),
        _storable(call.answer),
        _storable(call.error[:ERROR_LENGTH]),
        call.finish_reason[:REASON_LENGTH],
        call.cached,
        call.usage.input_tokens,
        call.usage.output_tokens,
        call.usage.cost,
        call.seconds,
        database_time(call.at),
    )


def _storable(text: str) -> str:
    """Return `text` without what no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def _counts(call: ModelCall) -> tuple[float, ...]:
    usage = call.usage
    counted = (1, int(call.cached), int(bool(call.error)))
    return (*counted, usage.input_tokens, usage.output_tokens, usage.cost, call.seconds)


def _keep_answers(reports: Sequence[Report]) -> None:
    answers = {}
    for report in reports:
        for record in report.calls:
            if (kept := record.call.kept) is not None:
                answers[report.job.tenant_id, kept.key] = LlmAnswer(
                    tenant_id=report.job.tenant_id,
                    key=kept.key,
                    reply=kept.reply,
                    answered_at=record.call.at,
                    expires_at=kept.until,
                )
    if not answers:
        return
    known = connection.features.supports_update_conflicts_with_target
    LlmAnswer.objects.bulk_create(
        [answers[key] for key in sorted(answers)],
        update_conflicts=True,
        unique_fields=("tenant", "key") if known else None,
        update_fields=("reply", "answered_at", "expires_at"),
    )


def _add(key: tuple[Any, ...], counts: Sequence[float]) -> None:
    """Add to a day's sums; the row is made by whoever comes first."""
    names = dict(zip(("tenant_id", "day", "version_id", "connection", "model", "tests"), key, strict=True))
    more = {name: F(name) + count for name, count in zip(SUMS, counts, strict=True)}
    if LlmUsage.objects.filter(**names).update(**more):
        return
    try:
        with transaction.atomic():
            LlmUsage.objects.create(**names, **dict(zip(SUMS, counts, strict=True)))
    except IntegrityError:
        LlmUsage.objects.filter(**names).update(**more)


def prune_llm(*, now: datetime, keep_days: int) -> None:
    """Delete calls older than `keep_days`, and answers that are too old for the step that kept them; a part at once."""
    _prune(LlmCall, Q(at__lt=now - timedelta(days=keep_days)))
    _prune(LlmAnswer, Q(expires_at__lt=now))


def _prune(model: type[Model], old: Q) -> None:
    for _ in range(PRUNED_TIMES):
        ids = list(model._default_manager.filter(old).values_list("pk", flat=True)[:PRUNED_AT_ONCE])
        model._default_manager.filter(pk__in=ids).delete()
        if len(ids) < PRUNED_AT_ONCE:
            break
