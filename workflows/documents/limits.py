"""What keeps the process that reads a document small: limits the kernel holds it to, set before it reads a byte."""

import ctypes
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
#: What a document's text and metadata may take on the way back, in bytes.
OUTPUT_BYTES = 16 * 1024 * 1024


def confine(*, memory_mb: int, cpu_seconds: int) -> None:
    """Hold this process to so much memory and processor time, no core dumps, no further processes, small files.

    It ends with the thread that started it, whatever that one dies of (Linux only).
    """
    for limit, value in (
        (resource.RLIMIT_AS, memory_mb * 1024 * 1024),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        hard = resource.getrlimit(limit)[1]
        wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # A second between the limits: at the first one the process may still say why it ends.
        last = wanted + 1 if limit == resource.RLIMIT_CPU and wanted != hard else wanted
        try:
            resource.setrlimit(limit, (wanted, last))
        except (ValueError, OSError):
            # macOS knows the limit of memory by name only; where a fleet runs, it holds.
            if sys.platform == "linux":
                raise
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
