"""Running entries in rounds that take turns, so that a slow minute of the machine hits all of them alike."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.entries import Entry
from bench.measure import FOREIGN_LIMIT, wait_for_quiet
from bench.subject import ROOT

Line = dict[str, Any]
Lines = dict[str, list[Line]]
#: A run beside which other programs were busy is tried again, so often in all.
TRIES = 2
RUN_SECONDS = 900


class Runner:
    """Runs entries. `env` says where the servers are, `peers` is the Python of the peers' environment (or why not)."""

    def __init__(self, env: Mapping[str, str], peers: str | Path, log: Path, say: Callable[[str], None]) -> None:
        self.env, self.peers, self.log, self.say = env, peers, log, say
        self.patience = float(os.environ.get("BENCH_PATIENCE", "15"))

    def rounds(self, entries: Sequence[Entry], count: int) -> Lines:
        """Run all entries `count` times in turn; returns the result lines by title."""
        lines: Lines = {entry.title: [] for entry in entries}
        for number in range(count):
            for entry in entries:
                line = self.best_of(entry) | {"round": number}
                lines[entry.title].append(line)
                with self.log.open("a") as log:
                    log.write(json.dumps(line | {"title": entry.title}) + "\n")
                self.say(f"  {number + 1}/{count} {entry.title}: {told(line)}")
        return lines

    def best_of(self, entry: Entry) -> Line:
        """Run an entry until a run was undisturbed, at most `TRIES` times; returns the least disturbed."""
        runs: list[Line] = []
        for _ in range(TRIES):
            runs.append(self.once(entry))
            if "error" in runs[-1] or not runs[-1]["dirty"]:
                break
        return min(runs, key=lambda run: run.get("foreign", 9.0))

    def once(self, entry: Entry) -> Line:
        """Run an entry and return its line, with `error` where it failed or could not be run."""
        if entry.needs not in self.env:
            return {"error": "missing: its server is not installed", "missing": True}
        if entry.ours:
            command = [sys.executable, str(ROOT / entry.program)]
        elif isinstance(self.peers, Path):
            command = [str(self.peers), "-m", entry.program]
        else:
            return {"error": self.peers, "missing": True}
        return self.program([*command, entry.mode, str(entry.jobs)], entry.env)

    def program(self, command: list[str], more: Mapping[str, str] = MappingProxyType({})) -> Line:
        """Run a program that prints a result line, beside the servers, and return the line."""
        wait_for_quiet(patience=self.patience)
        env = {**os.environ, **self.env, **more}
        try:
            done = subprocess.run(
                command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return {"error": f"not finished after {RUN_SECONDS} s"}
        found = [text for text in done.stdout.splitlines() if text.startswith("{")]
        if not found:
            return {"error": (done.stderr or done.stdout)[-1000:]}
        line: Line = json.loads(found[-1])
        return line | {"dirty": line.get("foreign", 0.0) > FOREIGN_LIMIT}


def told(line: Line) -> str:
    """Return a result line in a few words."""
    if "error" in line:
        return line["error"].strip().splitlines()[-1][:200]
    figure = f"{line['jobs_per_s']:.0f} jobs/s" if "jobs_per_s" in line else f"done in {line['done_ms']} ms"
    return f"{figure}, others took {line['foreign']:.0%} of the CPU" + (" (dirty)" if line["dirty"] else "")


def good(lines: Sequence[Line]) -> list[Line]:
    """Return the undisturbed runs, or, when there are none, all that worked."""
    worked = [line for line in lines if "error" not in line]
    return [line for line in worked if not line["dirty"]] or worked


def median_of(lines: Sequence[Line], figure: Callable[[Line], float]) -> float:
    """Return the median of a figure over the good runs."""
    return statistics.median(figure(line) for line in good(lines))


def ratio(ours: Sequence[Line], theirs: Sequence[Line], figure: Callable[[Line], float]) -> float:
    """Return how many times their figure ours is: the median over the rounds in which both ran well."""
    beside = {line["round"]: figure(line) for line in good(theirs)}
    pairs = [figure(line) / beside[line["round"]] for line in good(ours) if line["round"] in beside]
    return statistics.median(pairs) if pairs else median_of(ours, figure) / median_of(theirs, figure)
