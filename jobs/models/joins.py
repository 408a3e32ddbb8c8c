"""Which waiting jobs wait for their sub-jobs."""

from django.db import models

from jobs.models.jobs import Job


class Join(models.Model):
    """A WAITING job that goes on when the sub-jobs of its step are final; the row is gone when it does.

    Its sub-jobs are those from `first_id` to `last_id` that have it as their parent: they were made in one statement
    after the other, in one transaction. `waits_for` is the first of them that was not yet final when last looked at, so
    that nobody reads all of them again and again.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="join")
    waits_for = models.ForeignKey(Job, models.CASCADE, related_name="+")
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    on_child_failure = models.CharField(max_length=10)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"join of job {self.job_id}"
