"""How long steps take: a running mean per version and step, kept in the process and saved now and then."""

from collections.abc import Iterable
from threading import Lock

from jobs.models import StepPace
from workflows.kinds.base import Effect
from workflows.runtime import Plan

WEIGHT = 0.2
GUESS = {Effect.PURE: 0.0005, Effect.COSTLY: 1.0, Effect.EXTERNAL: 0.1}


class Paces:
    """The running means this process knows. Safe to use from several threads."""

    def __init__(self) -> None:
        self._means: dict[tuple[int, int], float] = {}
        self._loaded: set[int] = set()
        self._changed: set[tuple[int, int]] = set()
        self._lock = Lock()

    def load(self, version_ids: Iterable[int]) -> None:
        """Read what other processes learned about versions that are new here."""
        missing = set(version_ids) - self._loaded
        if not missing:
            return
        rows = StepPace.objects.filter(version_id__in=missing).values_list("version_id", "position", "seconds")
        with self._lock:
            for version_id, position, seconds in rows:
                self._means.setdefault((version_id, position), seconds)
            self._loaded |= missing

    def expected(self, plan: Plan, position: int) -> float:
        """Return the seconds a job of `plan` is expected to take from `position` on; a guess by effect at first."""
        means = self._means
        version = plan.version_id
        return sum(
            means.get((version, index)) or GUESS[plan.steps[index].effect] for index in range(position, len(plan.steps))
        )

    def observe(self, version_id: int, position: int, seconds: float) -> None:
        """Take one more run of a step into its mean."""
        key = (version_id, position)
        with self._lock:
            mean = self._means.get(key)
            self._means[key] = seconds if mean is None else mean + WEIGHT * (seconds - mean)
            self._changed.add(key)

    def save(self) -> int:
        """Write the means that changed, for processes that start later; returns how many."""
        with self._lock:
            rows = [
                StepPace(version_id=version, position=position, seconds=self._means[version, position])
                for version, position in sorted(self._changed)
            ]
            self._changed.clear()
        for row in rows:
            StepPace.objects.update_or_create(
                version_id=row.version_id, position=row.position, defaults={"seconds": row.seconds}
            )
        return len(rows)
