"""What a run cost: CPU seconds by component, how much other programs took, and what was flushed to disk."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

CORES = os.cpu_count() or 1
#: Where other programs took more of the CPU than this, a run is called dirty.
FOREIGN_LIMIT = 0.08


def percentile(values: Sequence[float], part: float) -> float | None:
    """Return the value below which `part` (0 to 1) of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else None


def in_ms(values: Sequence[float]) -> dict[str, float]:
    """Return median, 95th percentile and maximum of some seconds, in milliseconds."""
    parts = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {name: round((percentile(values, part) or 0.0) * 1000, 1) for name, part in parts.items()} if values else {}


def listener(port: int) -> list[int]:
    """Return the id of the process that listens on a local port, as far as we may see it."""
    found = psutil.net_connections(kind="tcp")
    return sorted({c.pid for c in found if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid})


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process, its living children and those it has waited for."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0.0
    total = 0.0
    for member in family:
        try:
            times = member.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def disk_of(folder: str) -> tuple[int, int]:
    """Return the flushes asked of the disk under `folder` and the bytes written to it (zeros where unknown)."""
    device = os.stat(folder).st_dev
    try:
        with open("/proc/diskstats") as lines:
            for fields in map(str.split, lines):
                if (int(fields[0]), int(fields[1])) == (os.major(device), os.minor(device)):
                    return int(fields[18]), int(fields[9]) * 512
    except (OSError, IndexError):
        pass
    return 0, 0


@dataclass(frozen=True, slots=True)
class Reading:
    """All counters at one moment."""

    at: float
    parts: Mapping[str, float]
    busy: float
    waiting: float
    steal: float
    flushes: int
    written: int


class Meter:
    """Reads the counters of groups of processes (and of this one, the submitter) when made, and again on `since`."""

    def __init__(self, groups: Mapping[str, Sequence[int]], folder: str = ".") -> None:
        self.groups = groups
        self.folder = folder
        self.start = self._read()

    def _read(self) -> Reading:
        parts = {name: sum(map(cpu_of, pids)) for name, pids in self.groups.items()}
        own = os.times()
        cpu = psutil.cpu_times()
        busy = cpu.user + cpu.nice + cpu.system + getattr(cpu, "irq", 0.0) + getattr(cpu, "softirq", 0.0)
        flushes, written = disk_of(self.folder)
        return Reading(
            at=time.time(),
            parts=parts | {"submitter": own.user + own.system},
            busy=busy + getattr(cpu, "steal", 0.0),
            waiting=getattr(cpu, "iowait", 0.0),
            steal=getattr(cpu, "steal", 0.0),
            flushes=flushes,
            written=written,
        )

    def since(self, jobs: int) -> dict[str, object]:
        """Return what the time since the start cost, for each of `jobs`.

        `foreign` is the share of all CPU time that belongs to no process we know: other programs, and a little of
        the kernel's own work.
        """
        a, b = self.start, self._read()
        capacity = max(b.at - a.at, 1e-6) * CORES
        spent = {name: b.parts[name] - a.parts[name] for name in b.parts}
        return {
            "cpu_ms_per_job": {name: round(s * 1000 / jobs, 3) for name, s in spent.items() if s > 0.005},
            "cpu_total_ms_per_job": round((b.busy - a.busy) * 1000 / jobs, 3),
            "foreign": round(max(0.0, b.busy - a.busy - sum(spent.values())) / capacity, 3),
            "cpu_util": round((b.busy - a.busy) / capacity, 3),
            "iowait": round((b.waiting - a.waiting) / capacity, 3),
            "steal": round((b.steal - a.steal) / capacity, 4),
            "flush_per_job": round((b.flushes - a.flushes) / jobs, 3),
            "kb_written_per_job": round((b.written - a.written) / jobs / 1024, 2),
        }


def wait_for_quiet(*, limit: float = 0.12, seconds: int = 2, patience: float = 30.0) -> bool:
    """Wait until the machine is idle for some seconds in a row; False when it did not come to that."""
    deadline, quiet = time.monotonic() + patience, 0
    psutil.cpu_percent(None)
    while quiet < seconds:
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
        quiet = quiet + 1 if psutil.cpu_percent(None) < limit * 100 else 0
    return True
