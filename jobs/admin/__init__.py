"""The admin of jobs: what ops watch and repair."""

from jobs.admin import bulk, job, lane, llm_usage, mail, periodic, queue, worker

__all__ = ["bulk", "job", "lane", "llm_usage", "mail", "periodic", "queue", "worker"]
