"""Files that belong to jobs."""

from django.db import models

from jobs.models.jobs import Job
from taskflow.lib.ids import new_uid
from tenants.models import Tenant, TenantScopedQuerySet
from workflows.domain.files import StoredFile


class File(models.Model):
    """A file in the storage under `key`. Its row is written before its bytes, and gets its job with the job itself.

    Without a job it is one that came to nothing, or whose job was pruned: the cleaning takes it away.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="files", db_index=False)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="files", db_index=False)
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    created_at = models.DateTimeField()

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=("job", "id"), name="file_job"),
            models.Index(fields=("tenant", "id"), name="file_tenant"),
        )

    def __str__(self) -> str:
        return self.name

    def plain(self) -> StoredFile:
        """Return what steps see of it."""
        return StoredFile(self.uid, self.name, self.content_type, self.size, self.sha256, self.key)
