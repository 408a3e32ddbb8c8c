"""Jobs that wait for their sub-jobs: made with them, woken by the tick when all are final, cancelled with them.

Nothing counts how many are left: however a sub-job became final, its state says so, and the next tick sees it. So no
wake-up can be lost, and finishing a sub-job costs nothing more than finishing any other job.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from jobs.domain.states import FINAL, EventKind, State
from jobs.models import Event, Job, Join, StepRun
from jobs.services.reviews import lock_job
from jobs.services.values import refresh_values
from jobs.services.wake import wake_on_commit
from taskflow.lib.db import in_transaction
from taskflow.lib.fields import dump_json

BATCH = 200
#: What the results of sub-jobs may be together, in characters of JSON; beyond that they are left out.
OUTPUT_LIMIT = 1_000_000
FINAL_STATES = [state.value for state in FINAL]
#: Named in the error of a parent whose sub-jobs did not all succeed.
MOST_NAMED = 5


def start_join(*, job_id: int, children: Sequence[Job], on_child_failure: str, now: datetime) -> None:
    """Make a job that becomes WAITING in this transaction wait for these sub-jobs, which are in order of their ids.

    Where none could be made it fails: there is nothing to wait for.
    """
    if not children:
        job = Job.objects.get(pk=job_id)
        _fail(job, now, step="", name="ChildrenRefused", message="None of its sub-jobs could be made.")
        return
    Join.objects.create(
        job_id=job_id,
        waits_for=children[0],
        first_id=children[0].pk,
        last_id=children[-1].pk,
        on_child_failure=on_child_failure,
        created_at=now,
    )


def resume_joins(*, now: datetime) -> int:
    """Let jobs go on whose sub-jobs are all final. Looks at `BATCH` a call; returns how many go on."""
    ready = Join.objects.filter(waits_for__state__in=FINAL_STATES).order_by("pk").values_list("pk", flat=True)[:BATCH]
    return sum(in_transaction(lambda pk=pk: _resume(pk, now)) for pk in list(ready))  # type: ignore[misc]


def _resume(job_id: int, now: datetime) -> bool:
    """Look at one job's sub-jobs from the first that was open; True when none is left and the job goes on."""
    job = lock_job(job_id)
    join = Join.objects.filter(pk=job_id).first()
    if join is None:
        return False
    if job.state != State.WAITING:
        join.delete()
        return False
    waits_for = _first_open(join, since=join.waits_for_id) or _first_open(join, since=join.first_id)
    if waits_for is not None:
        Join.objects.filter(pk=job_id).update(waits_for=waits_for)
        return False
    _finish(job, join, now)
    return True


def _first_open(join: Join, *, since: int) -> int | None:
    """Return the first sub-job that is not final; one that was retried meanwhile counts as open again."""
    rows = children_of(join).filter(pk__gte=since).exclude(state__in=FINAL_STATES)
    found: int | None = rows.order_by("pk").values_list("pk", flat=True).first()
    return found


def children_of(join: Join) -> Any:
    """Return the sub-jobs a job waits for."""
    return Job.objects.filter(parent_id=join.job_id, pk__gte=join.first_id, pk__lte=join.last_id)


def _finish(job: Job, join: Join, now: datetime) -> None:
    rows = children_of(join).order_by("pk").values("uid", "state", "result", "error_class", "error_message")
    children = [_told(row) for row in rows]
    run = StepRun.objects.get(job=job, position=job.position, run_number=job.run_number)
    output = _fitting({**run.output, "children": children})
    StepRun.objects.filter(pk=run.pk).update(output=output, finished_at=now)
    join.delete()
    failed = [child for child in children if child["state"] != State.SUCCEEDED]
    counts = dict(Counter(str(child["state"]) for child in children))
    if failed and join.on_child_failure == "fail":
        message = _message(failed, len(children))
        _fail(job, now, step=run.step_key, name="ChildFailed", message=message)
        return
    changes = {"state": State.PENDING.value, "due_at": now, "wake_at": None, "position": job.position + 1}
    Job.objects.filter(pk=job.pk).update(**changes)
    refresh_values([(job.pk, job.workflow_id)])
    _log(job, EventKind.ANSWERED, State.PENDING, now, {"step": run.step_key, "children": counts})
    wake_on_commit(queue_id=job.queue_id, now=now)


def _told(row: dict[str, Any]) -> dict[str, Any]:
    told = {"id": str(row["uid"]), "state": row["state"], "result": row["result"]}
    error = {"class": row["error_class"], "message": (row["error_message"] or "")[:500]}
    return told | ({"error": error} if row["state"] in (State.FAILED, State.DEAD) else {})


def _fitting(output: dict[str, Any]) -> dict[str, Any]:
    """Return the output, without the sub-jobs' results where they are too much together."""
    if len(dump_json(output)) <= OUTPUT_LIMIT:
        return output
    children = [child | {"result": None} for child in output["children"]]
    return output | {"children": children, "results_left_out": True}


def _message(failed: Sequence[dict[str, Any]], total: int) -> str:
    named = ", ".join(f"{child['id']} {child['state']}" for child in failed[:MOST_NAMED])
    more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
    return f"{len(failed)} of {total} sub-jobs did not succeed: {named}{more}."


def _fail(job: Job, now: datetime, *, step: str, name: str, message: str) -> None:
    Job.objects.filter(pk=job.pk).update(
        state=State.FAILED.value, wake_at=None, finished_at=now, error_class=name, error_message=message
    )
    refresh_values([(job.pk, job.workflow_id)])
    data = {"step": step, "error": name, "message": message[:500], "reason": "a sub-job did not succeed"}
    _log(job, EventKind.FAILED, State.FAILED, now, data)


def _log(job: Job, kind: EventKind, state: State, now: datetime, data: dict[str, Any]) -> None:
    Event.objects.create(
        job=job, at=now, kind=kind.value, state=state.value, attempt=job.attempts, actor="engine", data=data
    )


def open_children(job_ids: Sequence[int]) -> list[Job]:
    """End the joins of these jobs; returns the sub-jobs they waited for that are not final, locked, in order of ids."""
    found: list[Job] = []
    for join in Join.objects.filter(pk__in=job_ids):
        rows = children_of(join).exclude(state__in=FINAL_STATES).order_by("pk")
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        found += rows.only("id", "state", "attempts", "cancel_requested_at")
        join.delete()
    return found
