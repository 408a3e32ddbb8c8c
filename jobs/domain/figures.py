"""What a job adds to the figures when it is final; plain numbers by name, in slots of time."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs.domain.states import State

QUARTER, DAY = 900, 86_400
WIDTHS = (QUARTER, DAY)
#: Between the parts of a name; taken out of the parts themselves.
MARK = "\x7f"
LONGEST_PART = 120
#: A bucket of a histogram is this much wider than the one below: what it says is at most 4.9 % off.
GROWTH = 1.1
#: Seconds up to this are as good as none.
LEAST = 1e-6
BAD = (State.FAILED.value, State.DEAD.value)
OTHER, NOTHING = "(other)", "(none)"
#: What differs between two messages that say the same: ids, numbers, quoted values.
VARYING = re.compile(
    r"'[^']{0,200}'|\"[^\"]{0,200}\"|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\b[0-9a-fA-F]{12,}\b|\d[\d.,:/-]*"
)


def slot_of(moment: datetime, width: int) -> datetime:
    """Return the start of the slot of `width` seconds that `moment` lies in."""
    seconds = math.floor(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % width, UTC)


def name_of(*parts: object) -> str:
    """Return the name of a figure."""
    return MARK.join(str(part).replace(MARK, " ")[:LONGEST_PART] for part in parts)


def parts_of(name: str) -> list[str]:
    """Return what `name_of` was given, as text."""
    return name.split(MARK)


def bucket_of(seconds: float) -> int:
    """Return the bucket of a histogram that a span falls into."""
    return 0 if seconds <= LEAST else math.ceil(math.log(seconds / LEAST) / math.log(GROWTH))


def seconds_of(bucket: int) -> float:
    """Return the span a bucket stands for: the middle of it, so that no span in it is more than 4.9 % off."""
    return 0.0 if bucket <= 0 else LEAST * 2 * GROWTH**bucket / (GROWTH + 1)


def quantile(buckets: Mapping[int, float], share: float) -> float | None:
    """Return the span that `share` of those counted do not exceed; None where nothing was counted."""
    total = sum(buckets.values())
    if total <= 0:
        return None
    seen = 0.0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= share * total - 1e-9:
            return seconds_of(bucket)
    return seconds_of(max(buckets))


def message_group(message: str) -> str:
    """Return an error's message without what differs from job to job."""
    return " ".join(VARYING.sub("…", message[:500]).split())[:LONGEST_PART]


@dataclass(frozen=True, slots=True)
class End:
    """How one run of a job ended. `step` is the one it stopped at."""

    state: str
    at: datetime
    error: str = ""
    message: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class StepFact:
    """A step that ran; `labels` are its outputs that come from a list: field and value."""

    key: str
    at: datetime
    seconds: float
    failed: bool
    labels: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class ReviewFact:
    """A question to a person, and the answer if there was one."""

    asked_at: datetime
    decided_at: datetime | None
    by: str
    decision: str
    late: bool


@dataclass(frozen=True, slots=True)
class CallFact:
    """A question to a language model."""

    at: datetime
    model: str
    cost: float
    tokens: int


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What is not counted yet of a final job. `was` is the state it is counted under, if it is."""

    workflow_id: int
    state: str
    was: str
    created_at: datetime
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime
    ends: Sequence[End] = ()
    steps: Sequence[StepFact] = ()
    reviews: Sequence[ReviewFact] = ()
    calls: Sequence[CallFact] = ()


CountKey = tuple[int, str, datetime, str]
SlotKey = tuple[int, datetime]


@dataclass(slots=True)
class Added:
    """What some jobs add, by quarter of an hour: to the counts of jobs, and to the other figures."""

    counts: Counter[CountKey] = field(default_factory=Counter)
    figures: dict[SlotKey, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def see(self, workflow_id: int, created_at: datetime) -> None:
        """Add that a job came in, whatever becomes of it."""
        self.counts[workflow_id, "new", slot_of(created_at, QUARTER), ""] += 1

    def add(self, job: JobFacts) -> None:
        """Add what is new of a job."""
        came = slot_of(job.created_at, QUARTER)
        self.counts[job.workflow_id, "in", came, job.state] += 1
        if job.was:
            self.counts[job.workflow_id, "in", came, job.was] -= 1
        for end in job.ends:
            self.counts[job.workflow_id, "end", slot_of(end.at, QUARTER), end.state] += 1
            if end.state in BAD:
                self._figures(job, end.at)[name_of("why", end.error, end.step, message_group(end.message))] += 1
        self._add_spans(job)
        for review in job.reviews:
            self._add_review(job, review)
        for call in job.calls:
            figures = self._figures(job, call.at)
            for name, amount in (("calls", 1), ("cost", call.cost), ("tokens", call.tokens)):
                figures[name_of(name, call.model)] += amount  # type: ignore[assignment]

    def _add_spans(self, job: JobFacts) -> None:
        if job.state == State.SUCCEEDED:
            figures = self._figures(job, job.finished_at)
            figures[name_of("took", bucket_of((job.finished_at - job.created_at).total_seconds()))] += 1
            if job.started_at is not None:
                figures[name_of("wait", bucket_of((job.started_at - job.due_at).total_seconds()))] += 1
        for step in job.steps:
            figures = self._figures(job, step.at)
            figures[name_of("failed" if step.failed else "ran", step.key)] += 1
            figures[name_of("step", step.key, bucket_of(step.seconds))] += 1
            for label in step.labels:
                figures[name_of("label", step.key, *label)] += 1

    def _add_review(self, job: JobFacts, review: ReviewFact) -> None:
        self._figures(job, review.asked_at)["asked"] += 1
        if review.decided_at is None:
            return
        figures = self._figures(job, review.decided_at)
        figures[name_of("decided", review.by, review.decision)] += 1
        figures["late"] += int(review.late)
        figures[name_of("answer", bucket_of((review.decided_at - review.asked_at).total_seconds()))] += 1

    def _figures(self, job: JobFacts, at: datetime) -> Counter[str]:
        return self.figures[job.workflow_id, slot_of(at, QUARTER)]

    def all_counts(self) -> dict[tuple[int, str, int, datetime, str], int]:
        """Return the counts by every width of slot, without those that come to nothing."""
        found: Counter[tuple[int, str, int, datetime, str]] = Counter()
        for (workflow_id, moment, slot, state), jobs in self.counts.items():
            for width in WIDTHS:
                found[workflow_id, moment, width, slot_of(slot, width), state] += jobs
        return {key: jobs for key, jobs in found.items() if jobs}

    def all_figures(self) -> dict[tuple[int, int, datetime], Counter[str]]:
        """Return the other figures by every width of slot."""
        found: dict[tuple[int, int, datetime], Counter[str]] = defaultdict(Counter)
        for (workflow_id, slot), figures in self.figures.items():
            for width in WIDTHS:
                found[workflow_id, width, slot_of(slot, width)].update(figures)
        return {key: figures for key, figures in found.items() if any(figures.values())}


def label_of(value: Any, known: Sequence[Any]) -> str:
    """Return a value as a label; one that is not on the list counts as another."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value in known else OTHER


def slots_between(since: datetime | None, until: datetime | None) -> list[tuple[int, datetime | None, datetime | None]]:
    """Return ranges of slots that together are the time from `since` on before `until`: (width, start, end).

    Both lie on quarters of an hour. Days are taken where they fit, quarters at the edges.
    """
    first = None if since is None else slot_of(since + timedelta(seconds=DAY - 1), DAY)
    last = None if until is None else slot_of(until, DAY)
    if since is not None and until is not None and first is not None and last is not None and first >= last:
        return [(QUARTER, since, until)] if since < until else []
    ranges: list[tuple[int, datetime | None, datetime | None]] = [(DAY, first, last)]
    if since is not None and first is not None and since < first:
        ranges.append((QUARTER, since, first))
    if until is not None and last is not None and last < until:
        ranges.append((QUARTER, last, until))
    return ranges
