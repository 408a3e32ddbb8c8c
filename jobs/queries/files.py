"""Finding the files of jobs."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from jobs.models import File, Job


def list_files(job: Job) -> list[File]:
    """Return the files of a job, in the order they came."""
    return list(File.objects.filter(job=job, tenant_id=job.tenant_id).order_by("pk"))


def find_file(job: Job, uid: UUID) -> File | None:
    """Return this file of the job, or None."""
    return File.objects.filter(job=job, tenant_id=job.tenant_id, uid=uid).first()


def files_for(*, job_id: int, tenant_id: int, named: Iterable[UUID]) -> list[File]:
    """Return the files of a job, and those of its tenant that its payload names besides."""
    wanted = Q(job_id=job_id) | Q(uid__in=list(named))
    return list(File.objects.for_tenant(tenant_id).filter(wanted).order_by("pk"))


def missing_files(tenant_id: int, uids: Iterable[UUID]) -> set[UUID]:
    """Return those of the ids that are no file of the tenant's jobs."""
    wanted = set(uids)
    if not wanted:
        return wanted
    found = File.objects.for_tenant(tenant_id).filter(uid__in=wanted, job__isnull=False)
    return wanted.difference(found.values_list("uid", flat=True))
