"""How many jobs a worker takes at once: a quarter second of work, so slow jobs alone, quick ones by the hundred."""

from collections.abc import Sequence
from dataclasses import dataclass

CHUNK_SECONDS = 0.25
CHUNK_JOBS = 100
#: A job expected to take this long runs on a thread of its own; quicker ones share one, a chunk at a time.
SLOW_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Room:
    """What a worker process can take: free threads, and whether it runs nothing at all at the moment."""

    slots: int
    empty: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A due job: its id, what it is expected to take in seconds, and how many workers died under it."""

    id: int
    expected: float
    crashes: int = 0


@dataclass(slots=True)
class Taking:
    """What has been taken so far by one claim, over all its lanes."""

    room: Room
    jobs: int = 0
    quick_seconds: float = 0.0
    slow: int = 0
    alone: bool = False

    @property
    def full(self) -> bool:
        """Say whether nothing more fits, of any kind."""
        return (
            self.alone or self.jobs >= CHUNK_JOBS or self.quick_seconds >= CHUNK_SECONDS or self.slow >= self.room.slots
        )

    def take(self, candidates: Sequence[Candidate], limit: int) -> list[Candidate]:
        """Return those of `candidates` that fit, at most `limit`, in order.

        A job under which a worker died is a suspect: it runs alone in its process, so that it takes no other with
        it. When it is its turn and other jobs still run, nothing more is taken until they are done.
        """
        taken: list[Candidate] = []
        for candidate in candidates:
            if len(taken) >= limit or self.full:
                break
            if candidate.crashes and not (self.room.empty and self.jobs == 0):
                self.alone = True
                break
            slow = candidate.expected >= SLOW_SECONDS
            if slow and self.slow + bool(self.quick_seconds) >= self.room.slots:
                break
            self._add(candidate, slow=slow)
            taken.append(candidate)
        return taken

    def _add(self, candidate: Candidate, *, slow: bool) -> None:
        self.jobs += 1
        self.alone = candidate.crashes > 0
        if slow:
            self.slow += 1
        else:
            self.quick_seconds += max(candidate.expected, 1e-6)
