"""The admin of jobs: what ops watch and repair."""

from jobs.admin import bulk, exports, intake, job, lane, llm_usage, mail, periodic, queue, review, worker

__all__ = ["bulk", "exports", "intake", "job", "lane", "llm_usage", "mail", "periodic", "queue", "review", "worker"]
