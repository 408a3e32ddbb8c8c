"""The admin of jobs: what ops watch and repair."""

from jobs.admin import bulk, job, lane, periodic, queue, review, worker

__all__ = ["bulk", "job", "lane", "periodic", "queue", "review", "worker"]
