"""The sections of RESULTS.md: what is run for each, and how it is told."""

import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence

from bench import entries as known
from bench.entries import Entry
from bench.results import table
from bench.rounds import Line, Lines, Runner, good, median_of, ratio

Scaled = Callable[[Sequence[Entry]], list[Entry]]
Section = Callable[[Runner, Scaled, int], str]
IDEAL_W2 = 250.0


def jobs_per_s(line: Line) -> float:
    """Return the main figure of a run."""
    return float(line["jobs_per_s"])


def submit_per_s(line: Line) -> float:
    """Return how fast jobs were taken in."""
    return float(line["submit_per_s"])


def cpu_ms(line: Line) -> float:
    """Return the CPU milliseconds that a job took, of everything that took part in the run."""
    return float(sum(line["cpu_ms_per_job"].values()))


def spread(lines: Sequence[Line], figure: Callable[[Line], float]) -> str:
    """Return the median and the range of a figure over the good runs."""
    values = [figure(line) for line in good(lines)]
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def runs_of(lines: Sequence[Line]) -> str:
    """Return how many runs a figure stands on."""
    worked = [line for line in lines if "error" not in line]
    clean = [line for line in worked if not line["dirty"]]
    return str(len(clean)) if clean else f"{len(worked)} dirty"


def failure(lines: Sequence[Line]) -> str:
    """Return in a few words why there is no figure."""
    text = str(lines[-1]["error"]).strip().splitlines()[-1][:120].replace("|", "/")
    return text if lines[-1].get("missing") else f"failed: {text}"


def quality(lines: Lines) -> str:
    """Say how disturbed the runs were."""
    runs = [line for group in lines.values() for line in group if "error" not in line]
    dirty = sum(line["dirty"] for line in runs)
    if not dirty:
        return f"{len(runs)} runs; other programs took less than 8 % of the CPU in each."
    worst = max(line["foreign"] for line in runs)
    return (
        f"**{dirty} of {len(runs)} runs are dirty**: other programs took more than 8 % of the CPU (up to {worst:.0%})."
        " They are left out where an entry has a clean run; elsewhere the figure is marked, and says little."
    )


def throughput(entries: Sequence[Entry], lines: Lines, ours: str, figure: Callable[[Line], float] = jobs_per_s) -> str:
    """Return the table of a flood: a line for each system, with the ratio of `ours` to it."""
    rows = []
    for entry in entries:
        group = lines[entry.title]
        if not good(group):
            rows.append([entry.title, failure(group), "", entry.goal, "", "", "", entry.records])
            continue
        times = ratio(lines[ours], group, figure) if good(lines[ours]) and entry.title != ours else None
        cpu = median_of(group, cpu_ms)
        told = "" if times is None else f"{times:.2f}"
        rows.append(
            [entry.title, spread(group, figure), told, entry.goal, f"{median_of(group, submit_per_s):,.0f}",
             f"{cpu:.2f}", runs_of(group), entry.records]
        )  # fmt: skip
    headings = [
        "system",
        "jobs/s (range)",
        "TaskFlow is … times it",
        "goal",
        "submitted/s",
        "CPU ms/job",
        "runs",
        "records",
    ]
    return table(headings, rows)


def w1(runner: Runner, scaled: Scaled, rounds: int) -> str:
    """Three small steps, everything at once."""
    entries = scaled(known.W1)
    lines = runner.rounds(entries, rounds)
    return "\n\n".join(
        [
            "All jobs are submitted at once, by the fastest call the system has, to workers that are up and warm; the"
            " clock stops when the last is seen finished. Two worker processes each. " + quality(lines),
            throughput(entries, lines, "TaskFlow"),
        ]
    )


def w2(runner: Runner, scaled: Scaled, rounds: int) -> str:
    """One slow HTTP step, 50 slots."""
    entries = scaled(known.W2)
    lines = runner.rounds(entries, rounds)
    ours = entries[0].title
    share = f"{median_of(lines[ours], jobs_per_s) / IDEAL_W2:.2f}" if good(lines[ours]) else "unknown"
    return "\n\n".join(
        [
            f"500 jobs, 50 of which can wait at once: at best {IDEAL_W2:.0f} jobs/s. {ours} reaches {share} of that. "
            + quality(lines),
            throughput(entries, lines, ours),
        ]
    )


def trickle(runner: Runner, scaled: Scaled, rounds: int) -> str:
    """20 jobs a second: how long each takes from before its submission until it is seen finished."""
    entries = scaled(known.TRICKLE)
    lines = runner.rounds(entries, min(rounds, 2))
    rows = []
    for entry in entries:
        group = lines[entry.title]
        if not good(group):
            rows.append([entry.title, failure(group), "", "", "", entry.records])
            continue
        part = {name: median_of(group, lambda line, name=name: line["done_ms"][name]) for name in ("p50", "p95", "max")}
        submit = median_of(group, lambda line: line["submit_ms"]["p50"])
        rows.append(
            [entry.title, *(f"{part[name]:.0f}" for name in part), f"{submit:.1f}", runs_of(group), entry.records]
        )
    return "\n\n".join(
        [
            "One job every 50 ms for 20 seconds. Milliseconds from just before the submission until a thread that"
            " looks every 10 ms sees the job finished; goal: p50 ≤ 25, p95 ≤ 50. " + quality(lines),
            table(["system", "p50 ms", "p95 ms", "max ms", "submit p50 ms", "runs", "records"], rows),
        ]
    )


def post(runner: Runner, scaled: Scaled, rounds: int) -> str:
    """Jobs over HTTP, the workers beside."""
    entries = scaled(known.POST)
    lines = runner.rounds(entries, rounds)
    rows = []
    for entry in entries:
        group = lines[entry.title]
        if not good(group):
            rows.append([entry.title, failure(group), "", "", "", "", ""])
            continue
        answer = {name: median_of(group, lambda line, name=name: line["answer_ms"][name]) for name in ("p50", "p95")}
        cpu = median_of(group, cpu_ms)
        rows.append(
            [entry.title, spread(group, submit_per_s), spread(group, jobs_per_s), f"{answer['p50']:.1f}",
             f"{answer['p95']:.1f}", f"{cpu:.2f}", runs_of(group)]
        )  # fmt: skip
    headings = ["system", "accepted/s (range)", "finished/s (range)", "answer p50 ms", "p95 ms", "CPU ms/job", "runs"]
    return "\n\n".join(
        [
            "`POST /api/v1/jobs` to gunicorn (two processes of four threads) with an API key and W1's payload; the two"
            " worker processes run the jobs meanwhile, and clients, web, workers and servers share the machine. "
            + quality(lines),
            table(headings, rows),
        ]
    )


def claim(runner: Runner, scaled: Scaled, rounds: int) -> str:
    """Claims over many jobs and many tenants."""
    smaller = str(max(1, round(1 / float(os.environ.get("BENCH_SCALE", "1")))))
    parts = []
    for what, heading, limit in (("stored", "stored jobs", "1.2"), ("tenants", "active tenants", "2")):
        line = runner.program([sys.executable, "bench/claims.py", what, smaller])
        if "error" in line:
            raise RuntimeError(line["error"])
        runner.say(f"  {what}: {json.dumps(line['ms'])}")
        parts += [told_of_claims(line, heading, limit)]
    return "\n\n".join(parts)


def told_of_claims(line: Line, heading: str, limit: str) -> str:
    """Return one table of claim times."""
    rows = []
    for shape, by_number in line["ms"].items():
        figures = list(by_number.values())
        rows.append([shape, *(f"{figure:.2f}" for figure in figures), f"{max(figures) / figures[0]:.2f}", f"≤ {limit}"])
    numbers = [f"{int(number):,}" for number in next(iter(line["ms"].values()))]
    foreign = f"Other programs took {line['foreign']:.0%} of the CPU" + (" (**dirty**)." if line["dirty"] else ".")
    words = (
        f"Milliseconds for one claim, the median of 100 taken in turn, by the number of {heading}. Half of the stored"
        f" jobs are due, the other half is finished. {foreign}"
    )
    return f"{words}\n\n" + table([heading, *numbers, "largest / first", "goal"], rows)


ALL: dict[str, Section] = {"w1": w1, "w2": w2, "trickle": trickle, "post": post, "claim": claim}
