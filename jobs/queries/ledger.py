"""The ledger of workflows: exact, and of one instant, from the counts and the jobs that are not counted yet.

All of it is one statement, which a database answers from one snapshot. The mark of the counting is a part of the
answer: where it moved on since it was read, the statement is asked again with the new one.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from jobs.domain.figures import slots_between
from jobs.domain.ledger import Ledger
from jobs.domain.periods import Period
from jobs.models import FigureMark
from jobs.queries.job_pages import ALL_STATES
from taskflow.lib.db import database_time

#: How far the creation times of jobs may lie from the order of their ids, with room for clocks that differ.
MARGIN = timedelta(hours=1)
#: A mark that moves at every try would be that of a counting gone mad.
TRIES = 50
PERSON = "PERSON"


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the counting is: the last job behind it, and when that came in."""

    job_id: int
    created_at: datetime | None


def read_mark() -> Mark:
    """Return how far the counting is."""
    row = FigureMark.objects.filter(pk=1).values_list("job_id", "job_created_at").first()
    return Mark(0, None) if row is None else Mark(*row)


def get_ledgers(workflow_ids: Sequence[int], period: Period) -> dict[int, Ledger]:
    """Return the ledger of each workflow over the jobs that came in during `period`, all at one instant."""
    if not workflow_ids:
        return {}
    for _ in range(TRIES):
        mark = read_mark()
        found = _ask(_Statement(workflow_ids, period, mark))
        if found is not None:
            return {pk: found.get(pk, Ledger()) for pk in workflow_ids}
    raise RuntimeError("The mark of the counting moves too fast.")


def _ask(statement: "_Statement") -> dict[int, Ledger] | None:
    """Return the ledgers by workflow; None where the mark moved on meanwhile."""
    sql, parameters = statement.compile()
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        for workflow_id, state, number in cursor.fetchall():
            counts[int(workflow_id)][str(state)] += int(number)
    if counts.pop(0, Counter())["MARK"] != statement.mark.job_id:
        return None
    return {pk: _ledger(found) for pk, found in counts.items()}


def _ledger(found: Counter[str]) -> Ledger:
    person = found.pop(PERSON, 0)
    return Ledger({state: number for state, number in found.items() if number}, person)


class _Statement:
    """The parts of the statement; each gives workflow, state and a number to add."""

    def __init__(self, workflow_ids: Sequence[int], period: Period, mark: Mark) -> None:
        self.workflows, self.period, self.mark = list(workflow_ids), period, mark
        self.parts: list[str] = []
        self.parameters: list[Any] = []
        self.marks = ", ".join(["%s"] * len(self.workflows))

    def compile(self) -> tuple[str, list[Any]]:
        """Return SQL and parameters. What is put into the text is ours; values are parameters."""
        self._add("SELECT 0 AS w, 'MARK' AS s, COALESCE(SUM(job_id), 0) AS n FROM jobs_figuremark WHERE id = 1")
        self._counted()
        self._after_the_mark()
        self._behind_the_mark()
        self._for_people()
        return " UNION ALL ".join(self.parts), self.parameters

    def _add(self, sql: str, *parameters: Any) -> None:
        self.parts.append(sql)
        self.parameters += parameters

    def _counted(self) -> None:
        for width, start, end in slots_between(self.period.since, self.period.until):
            sql = (
                "SELECT workflow_id, state, SUM(jobs) FROM jobs_jobcount"  # noqa: S608
                f" WHERE workflow_id IN ({self.marks}) AND moment = 'in' AND width = %s"
            )
            values: list[Any] = [*self.workflows, width]
            for sign, moment in ((">=", start), ("<", end)):
                if moment is not None:
                    sql += f" AND slot {sign} %s"
                    values.append(database_time(moment))
            self._add(f"{sql} GROUP BY workflow_id, state", *values)

    def _after_the_mark(self) -> None:
        """Add the jobs that the mark has not gone by. The index alone answers unless the period begins among them."""
        within, values = self._came_in("", only_if_needed=True)
        states = ", ".join(["%s"] * len(ALL_STATES))
        self._add(
            "SELECT workflow_id, state, COUNT(*) FROM jobs_job"  # noqa: S608
            f" WHERE workflow_id IN ({self.marks}) AND state IN ({states}) AND id > %s{within}"
            " GROUP BY workflow_id, state",
            *self.workflows,
            *ALL_STATES,
            self.mark.job_id,
            *values,
        )

    def _behind_the_mark(self) -> None:
        """Add those that were open when it went by, and take away those that are counted under another state."""
        within, values = self._came_in("j.")
        known = f"FROM jobs_uncountedjob u JOIN jobs_job j ON j.id = u.job_id WHERE u.workflow_id IN ({self.marks})"
        self._add(
            f"SELECT j.workflow_id, j.state, COUNT(*) {known}{within} GROUP BY j.workflow_id, j.state",
            *self.workflows,
            *values,
        )
        self._add(
            f"SELECT j.workflow_id, u.was, -COUNT(*) {known} AND u.was <> ''{within} GROUP BY j.workflow_id, u.was",
            *self.workflows,
            *values,
        )
        self._add(
            "SELECT j.workflow_id, j.state, COUNT(*) FROM jobs_uncountedjob u JOIN jobs_job j ON j.id = u.job_id"  # noqa: S608
            f" WHERE u.workflow_id IS NULL AND j.workflow_id IN ({self.marks}){within} GROUP BY j.workflow_id, j.state",
            *self.workflows,
            *values,
        )

    def _for_people(self) -> None:
        """Say how many of the waiting jobs wait for a review: an open one, or a decision that may still be undone."""
        within, values = self._came_in("j.")
        for alive in ("r.state = 'open'", "r.state = 'decided' AND r.wake_at IS NOT NULL"):
            self._add(
                f"SELECT j.workflow_id, '{PERSON}', COUNT(*) FROM jobs_review r JOIN jobs_job j"  # noqa: S608
                " ON j.id = r.job_id AND j.state = 'WAITING' AND j.position = r.position"
                f" AND j.run_number = r.run_number WHERE r.workflow_id IN ({self.marks}) AND {alive}{within}"
                " GROUP BY j.workflow_id",
                *self.workflows,
                *values,
            )

    def _came_in(self, table: str, *, only_if_needed: bool = False) -> tuple[str, list[Any]]:
        """Return the condition that a job came in during the period, with its values."""
        since, until, mark = self.period.since, self.period.until, self.mark.created_at
        if only_if_needed and since is not None and mark is not None and since < mark - MARGIN:
            since = None
        ends = [(">=", since), ("<", until)]
        wanted = [(f" AND {table}created_at {sign} %s", database_time(moment)) for sign, moment in ends if moment]
        return "".join(sql for sql, _ in wanted), [value for _, value in wanted]
