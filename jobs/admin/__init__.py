"""The admin of jobs: what ops watch and repair."""

from jobs.admin import bulk, intake, job, lane, llm_usage, periodic, queue, worker

__all__ = ["bulk", "intake", "job", "lane", "llm_usage", "periodic", "queue", "worker"]
