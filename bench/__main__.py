"""`make bench`: measures TaskFlow beside its peers and writes the tables of RESULTS.md.

    BENCH=w1,w2,trickle,post,claim   which sections (all without it);  BENCH_ROUNDS=3   how many rounds
    BENCH_SCALE=0.1                  fewer jobs, to see whether it works;  BENCH_PATIENCE=15   seconds to wait for quiet
    BENCH_RESULTS=FILE               another page than bench/RESULTS.md

Servers are private and go away afterwards. Takes about 25 minutes on two idle cores. The single runs are kept in
.stamps/bench.jsonl.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import sections
from bench.entries import Entry
from bench.environment import machine, peers_python
from bench.results import RESULTS, write_section
from bench.rounds import Runner
from bench.servers import servers
from bench.subject import ROOT
from tests.servers import EX_UNAVAILABLE, ServerMissing


def say(line: str) -> None:
    """Tell how it is going."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def chosen() -> list[str]:
    """Return the sections to measure; exits where a name is wrong."""
    names = [name.strip() for name in os.environ.get("BENCH", "").split(",") if name.strip()]
    if unknown := set(names) - set(sections.ALL):
        sys.exit(f"BENCH: there is no section {', '.join(sorted(unknown))}. Known: {', '.join(sections.ALL)}.")
    return names or list(sections.ALL)


def scaled(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries with BENCH_SCALE times their jobs."""
    scale = float(os.environ.get("BENCH_SCALE", "1"))
    return [replace(entry, jobs=max(20, int(entry.jobs * scale))) for entry in entries]


def main() -> int:
    """Measure the chosen sections, one after the other, and write each as soon as it is known."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names, started = chosen(), time.monotonic()
    rounds = int(os.environ.get("BENCH_ROUNDS", "3"))
    results = Path(os.environ.get("BENCH_RESULTS", RESULTS))
    log = ROOT / ".stamps" / "bench.jsonl"
    log.parent.mkdir(exist_ok=True)
    say("Preparing the peers' environment and the servers ...")
    try:
        peers = peers_python()
        with servers(postgres=isinstance(peers, Path)) as env:
            runner = Runner(env, peers, log, say)
            for name in names:
                say(f"{name}:")
                text = sections.ALL[name](runner, scaled, rounds)
                write_section(name, f"{machine()}\n\n{text}", path=results)
    except ServerMissing as error:
        sys.stderr.write(f"{error}; the benchmarks need MariaDB and Redis (.ci/servers installs them).\n")
        return EX_UNAVAILABLE
    say(f"Done in {(time.monotonic() - started) / 60:.0f} minutes; see {results}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
