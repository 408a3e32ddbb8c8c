"""The filters of a job list, as its address carries them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.http import QueryDict

from jobs.domain.job_filter import JobFilter
from jobs.domain.ledger import FOR_OTHERS, FOR_PERSON
from jobs.domain.states import State
from jobs.models import Queue
from taskflow.lib.clock import YEARS, YEARS_IN_WORDS

#: Choices of the state filter that mean more than one state.
GROUPS = {
    "attention": ("Needs attention", (State.FAILED.value, State.DEAD.value)),
    "open": ("Open", tuple(s.value for s in (State.PENDING, State.SCHEDULED, State.RUNNING, State.WAITING))),
}
CHOICES = GROUPS | {state.value.lower(): (state.value.title(), (state.value,)) for state in State}
LONGEST_SEARCH = 100
KEPT = ("state", "waits", "queue", "from", "to", "q")


@dataclass(slots=True)
class Chip:
    """A condition in words, and the list without it; no link where it is part of the view."""

    text: str
    without: str = ""


@dataclass(slots=True)
class ListFilters:
    """What was asked for: as text for the form, as a JobFilter for the database, and what was wrong with it.

    `words` says what holds besides the state and the view, by the name of its parameter.
    """

    text: dict[str, str]
    wanted: JobFilter
    problems: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)

    @property
    def chips(self) -> list[Chip]:
        return [Chip(words, self.query(**{name: ""})) for name, words in self.words.items()]

    @property
    def kept(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.text.items() if value]

    @property
    def cleared(self) -> str:
        """The query of the same view without anything that was added to it."""
        return self.query(**{name: "" for name in self.text if name != "view"})

    @property
    def active(self) -> bool:
        return any(value for name, value in self.text.items() if (name, value) != ("view", "all"))

    def query(self, **changes: str) -> str:
        """Return the list's query string with `changes`; an empty value drops a filter."""
        query = QueryDict(mutable=True)
        query.update({name: value for name, value in (self.text | changes).items() if value})
        return query.urlencode()


def read_filters(query: QueryDict, *, workflow_id: int | None, zone: ZoneInfo) -> ListFilters:
    """Read the filters from a query string. Values that make no sense are named in `problems` and left out."""
    text = {name: query.get(name, "").strip().replace("\x00", "")[:LONGEST_SEARCH] for name in KEPT}
    problems: list[str] = []
    since = _day(text["from"], "From", zone, problems)
    until = _day(text["to"], "To", zone, problems)
    wanted = JobFilter(
        workflow_id=workflow_id,
        queue_id=_queue(text["queue"], problems),
        states=_states(text["state"], problems),
        created_from=since,
        created_to=until if until is None or "T" in text["to"] else _next_day(until),
        correlation_id=text["q"],
        waits=_waits(text["waits"], problems),
    )
    return ListFilters(text, wanted, problems, _words(text, wanted, zone))


def _words(text: dict[str, str], wanted: JobFilter, zone: ZoneInfo) -> dict[str, str]:
    """Say in words what of the filters holds, but for the state, which the tabs say."""
    waits = {FOR_PERSON: "Wait for a review", FOR_OTHERS: "Wait for others"}
    said = {
        "q": f"Id is {wanted.correlation_id}" if wanted.correlation_id else "",
        "queue": f"Queue is {text['queue']}" if wanted.queue_id is not None else "",
        "from": f"Came in from {_moment(text['from'], wanted.created_from, zone)}" if wanted.created_from else "",
        "to": f"{_until(text['to'])} {_moment(text['to'], wanted.created_to, zone)}" if wanted.created_to else "",
        "waits": waits.get(wanted.waits, ""),
    }
    return {name: words for name, words in said.items() if words}


def _until(text: str) -> str:
    """Return what leads to an end: a day is meant with its evening, a moment is no longer in."""
    return "Came in before" if "T" in text else "Came in up to"


def _moment(text: str, moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%d %b %Y, %H:%M}" if moment is not None and "T" in text else text


def read_cursor(text: str | None) -> int | None:
    """Read an id from the address; None for anything that is not one."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _states(name: str, problems: list[str]) -> tuple[str, ...]:
    if not name:
        return ()
    if name not in CHOICES:
        problems.append(f"There is no state '{name}'.")
        return ()
    return CHOICES[name][1]


def _waits(what: str, problems: list[str]) -> str:
    if what in ("", FOR_PERSON, FOR_OTHERS):
        return what
    problems.append(f"Jobs wait for '{FOR_PERSON}' or '{FOR_OTHERS}', not for '{what}'.")
    return ""


def _queue(slug: str, problems: list[str]) -> int | None:
    if not slug:
        return None
    queue_id = Queue.objects.filter(slug=slug).values_list("pk", flat=True).first()
    if queue_id is None:
        problems.append(f"There is no queue '{slug}'.")
    return queue_id


def _day(text: str, label: str, zone: ZoneInfo, problems: list[str]) -> datetime | None:
    """Return the beginning of a day in the tenant's time zone, or the instant that is meant."""
    if not text:
        return None
    if "T" in text:
        return _instant(text, label, zone, problems)
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a calendar day
    except ValueError:
        problems.append(f"{label}: '{text}' is not a day. Write it as 2026-03-31.")
        return None
    if day.year not in YEARS:
        problems.append(f"{label}: {YEARS_IN_WORDS}")
        return None
    return datetime.combine(day, time(), zone)


def _instant(text: str, label: str, zone: ZoneInfo, problems: list[str]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        if moment.year in YEARS:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    problems.append(f"{label}: '{text}' is not a time. Write it as 2026-03-31T14:00Z.")
    return None


def _next_day(start: datetime) -> datetime:
    """Return the beginning of the day after, which with daylight saving is not always 24 hours later."""
    return datetime.combine(start.date() + timedelta(days=1), time(), start.tzinfo)
