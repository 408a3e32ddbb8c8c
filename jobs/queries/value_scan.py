"""Conditions on fields that have no index: the newest jobs are read and looked at, and no more than those."""

from dataclasses import replace

from jobs.domain.job_filter import JobFilter
from jobs.domain.values import encode
from jobs.models import Job
from jobs.queries.job_pages import list_ids, list_rows
from jobs.queries.records import load_records

#: So many are looked through.
SCANNED = 2_000
BATCH = 200


def scan_jobs(tenant_id: int, wanted: JobFilter, *, size: int) -> list[Job]:
    """Return up to `size` of the newest jobs that match, of the newest `SCANNED` that match in all but values."""
    rest = replace(wanted, values=())
    paths = [each.path for each in wanted.values]
    ids = list_ids(tenant_id, rest, size=SCANNED)
    found: list[int] = []
    for start in range(0, len(ids), BATCH):
        records = load_records(ids[start : start + BATCH], paths)
        found += [
            pk
            for pk in ids[start : start + BATCH]
            if pk in records and all(each.holds(encode(records[pk].at(each.path))) for each in wanted.values)
        ]
        if len(found) >= size:
            break
    return list_rows(found[:size])
