"""Keeping the index of values in line with the jobs, in the transactions that make and change them.

Whoever changes a job holds its row's lock until the commit, and reads the list of indexed fields after that; so does
what fills a new field. Of two at once, the later one sees what the earlier one wrote.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

from jobs.domain.values import EMPTY, JobRecord, encode
from jobs.models import Job, JobValue
from jobs.queries.indexed import Indexed, indexed_fields
from jobs.queries.records import job_facts, load_records
from taskflow.lib.db import insert_rows

COLUMNS = ("job_id", "field_id", "value")
KEY = ("job_id", "field_id")


def store_new_values(jobs: Sequence[Job]) -> None:
    """Write the values of jobs that were just inserted; what they do not know yet is empty."""
    rows = []
    for workflow_id, group in groupby(jobs, key=lambda job: job.workflow_id):
        fields = indexed_fields(workflow_id)
        if not fields:
            continue
        for job in group:
            record = JobRecord(payload=job.payload, job=job_facts(job))
            rows += [(job.pk, field.pk, encode(record.at(field.path)) if field.fixed else EMPTY) for field in fields]
    if rows:
        insert_rows(JobValue, COLUMNS, rows)


def refresh_values(jobs: Iterable[tuple[int, int]], *, payload: bool = False) -> None:
    """Write anew what may have changed of jobs, given as pairs of id and workflow's id; their rows are locked.

    With `payload`, that too, and the version: few things change what was known when the job was made.
    """
    by_workflow: dict[int, list[int]] = defaultdict(list)
    for job_id, workflow_id in jobs:
        by_workflow[workflow_id].append(job_id)
    for workflow_id, ids in by_workflow.items():
        fields = [field for field in indexed_fields(workflow_id) if payload or not field.fixed]
        write_values(ids, fields)


def refresh_by_id(ids: Sequence[int]) -> None:
    """Do the same for jobs of which only the ids are known."""
    if ids:
        refresh_values(Job.objects.filter(pk__in=ids).values_list("pk", "workflow_id"))


def write_values(ids: Sequence[int], fields: Sequence[Indexed]) -> None:
    """Write these fields of these jobs, which are locked, as they are now."""
    if not ids or not fields:
        return
    records = load_records(ids, [field.path for field in fields])
    rows = [(job_id, field.pk, encode(record.at(field.path))) for job_id, record in records.items() for field in fields]
    insert_rows(JobValue, COLUMNS, rows, unless=KEY)
