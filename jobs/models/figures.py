"""Figures of jobs, counted in the background so that a page costs the same however many jobs there are.

A job is counted once, when it is final. One process at a time counts: it holds the row of FigureMark.
"""

from typing import Any

from django.db import models

from taskflow.lib.fields import JSONTextField
from workflows.models import Workflow


class FigureMark(models.Model):
    """One row: how far the counting is. Jobs up to `job_id` are counted, or stand in UncountedJob."""

    job_id = models.BigIntegerField(default=0)
    job_created_at = models.DateTimeField(null=True)
    swept_id = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"counted up to job {self.job_id}"


class UncountedJob(models.Model):
    """A job behind the mark that must be looked at again: it was not final, or it was counted and then retried.

    `was` is the state it is counted under, and `runs` are the runs of it that are counted. `job_id` is no foreign key:
    an id that was given out may become a job when its transaction ends; such a row knows no workflow.
    """

    job_id = models.BigIntegerField(primary_key=True)
    workflow = models.ForeignKey(Workflow, models.CASCADE, null=True, related_name="+")
    was = models.CharField(max_length=10, blank=True, default="")
    runs = models.PositiveIntegerField(default=0)
    noted_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"job {self.job_id}"


class JobCount(models.Model):
    """How many jobs of a workflow came in, or ended, in one slot of time.

    `moment` is "in" for final jobs by when they came in and the state they are in, "end" for ends of runs by when and
    how they ended, and "new" for jobs of any state by when they came in.

    `width` is the slot's length in seconds, and `slot` its start: a quarter of an hour, and a day, both of UTC.
    """

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="+", db_index=False)
    moment = models.CharField(max_length=3)
    width = models.PositiveIntegerField()
    slot = models.DateTimeField()
    state = models.CharField(max_length=10)
    jobs = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("workflow", "moment", "width", "slot", "state"), name="job_count_once"),
        )

    def __str__(self) -> str:
        return f"{self.jobs} {self.state}"


class FigureSlot(models.Model):
    """Everything else that is counted of a workflow's jobs in one slot of time: a number by name."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="+", db_index=False)
    width = models.PositiveIntegerField()
    slot = models.DateTimeField()
    figures: Any = JSONTextField(default=dict)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("workflow", "width", "slot"), name="figure_slot_once"),)

    def __str__(self) -> str:
        return f"figures of {self.slot:%Y-%m-%d %H:%M}"
