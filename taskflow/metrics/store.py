"""The counts of this host's processes: a file or two for each, summed when somebody asks.

prometheus_client gives every process files of its own, named by pid, and never takes those of a dead one away: the sum
would fall, and Prometheus take that for a restart. Here the files of the dead are folded into one, so that sums stay
and the number of files does not grow with every worker that was ever started.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

#: No process has it: the dead.
GRAVE = 0
_FILE = re.compile(r"(?P<kind>counter|histogram)_(?P<pid>[0-9]+)\.db")


def read_counts(folder: Path) -> list[Metric]:
    """Return the sums over all processes of this host, living and dead."""
    with _locked(folder):
        _fold_dead(folder)
        collector: Any = MultiProcessCollector(None, path=str(folder))
        return list(collector.collect())


def fold_dead(folder: Path) -> int:
    """Fold the files of dead processes into one; returns how many there were."""
    with _locked(folder):
        return _fold_dead(folder)


class CountsCollector:
    """Gives a registry the sums of this host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def collect(self) -> Iterator[Metric]:
        yield from read_counts(self.folder)


def host_registry(folder: Path) -> CollectorRegistry:
    """Return a registry with the sums of this host alone."""
    registry = CollectorRegistry()
    registry.register(CountsCollector(folder))
    return registry


def _fold_dead(folder: Path) -> int:
    folded = 0
    for path in folder.glob("*.db"):
        match = _FILE.fullmatch(path.name)
        if match is not None and not _is_alive(int(match["pid"])):
            if path.stat().st_size:
                _fold(path, folder / f"{match['kind']}_{GRAVE}.db")
            else:
                # Its process was killed between making the file and giving it a size.
                path.unlink()
            folded += 1
    return folded


def _is_alive(pid: int) -> bool:
    if pid == GRAVE:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _fold(source: Path, grave: Path) -> None:
    files: Any = MmapedDict
    sums = files(str(grave))
    try:
        for key, value, _timestamp, _position in files.read_all_values_from_file(str(source)):
            kept, _ = sums.read_value(key)
            sums.write_value(key, kept + value, 0.0)
    finally:
        sums.close()
    source.unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One reader or folder at a time, or a file would be counted twice or not at all."""
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # A process forked meanwhile has the handle too; closing ours alone would leave the lock with it.
            fcntl.flock(handle, fcntl.LOCK_UN)
