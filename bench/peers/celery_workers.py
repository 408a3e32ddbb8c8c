"""Celery workers of the peers: two processes, with threads where that was found to be faster than prefork."""

import sys

from bench.subject import Subject


def start_workers(subject: Subject, variant: str, mode: str, *, pool: str = "threads") -> None:
    """Start two worker processes: two threads each, 25 each for W2."""
    threads, prefetch = ("25", 1) if mode == "w2" else ("2", 10)
    if mode == "w2":
        pool = "threads"
    for number in range(2):
        subject.spawn(
            sys.executable, "-m", "celery", "--quiet", "-A", "bench.peers.celery_app", "worker", "-P", pool,
            "-c", threads, "-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat",
            "-n", f"w{number}@bench", env={"PEER_VARIANT": variant, "PEER_PREFETCH": prefetch},
        )  # fmt: skip
