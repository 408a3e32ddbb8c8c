"""Multi-row inserts: what goes in comes out, also where all rows share a value, which is then written into the SQL."""

import pytest

from jobs.models import Event
from taskflow.lib.clock import utcnow
from taskflow.lib.db import database_time, insert_rows, update_rows
from tests.factories import make_job

pytestmark = pytest.mark.django_db
COLUMNS = ("job_id", "at", "kind", "state", "attempt", "actor", "data")
TEXTS = [
    "",
    "plain text",
    "host:123",
    "it's",
    "100 %s",
    "%(a)s",
    "back\\slash",
    'a "quote"',
    "`",
    "a;b -- c",
    "é",
    "\n",
    "x" * 99,
]


@pytest.fixture
def job():
    job = make_job()
    Event.objects.all().delete()
    return job


def insert(job, values: list[tuple[str, str | None]]) -> list[tuple[object, ...]]:
    now = database_time(utcnow())
    insert_rows(Event, COLUMNS, [(job.pk, now, "noted", "", 3, actor, data) for actor, data in values])
    rows = Event.objects.order_by("id").values_list("actor", "data", "attempt", "kind", "state")
    assert {row[2:] for row in rows} == {(3, "noted", "")}
    return [row[:2] for row in rows]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_all_rows_share_comes_back_as_it_was(job, text):
    assert insert(job, [(text, None)] * 3) == [(text, None)] * 3


def test_texts_that_differ_stay_in_their_rows(job):
    assert insert(job, [(text, None) for text in TEXTS]) == [(text, None) for text in TEXTS]


def test_nothing_and_something_in_one_column_stay_apart(job):
    assert insert(job, [("a", None), ("a", '"b"'), ("a", None)]) == [("a", None), ("a", "b"), ("a", None)]


def test_one_row_and_no_row_are_inserted_too(job):
    assert insert(job, [("it's", "1.5")]) == [("it's", 1.5)]
    insert_rows(Event, COLUMNS, [])
    assert Event.objects.count() == 1


def test_rows_are_given_values_of_their_own_and_values_that_all_share(job):
    insert(job, [(text, None) for text in TEXTS])
    ids = list(Event.objects.order_by("id").values_list("id", flat=True))
    given = {pk: (index, text, '"100 %s"') for index, (pk, text) in enumerate(zip(ids, reversed(TEXTS), strict=True))}
    assert update_rows(Event, ("attempt", "actor", "data"), given) == len(ids)
    rows = Event.objects.order_by("id").values_list("attempt", "actor", "data")
    assert list(rows) == [(index, text, "100 %s") for index, text in enumerate(reversed(TEXTS))]
    assert update_rows(Event, ("attempt",), {0: (1,)}) == 0
    assert update_rows(Event, ("attempt",), {}) == 0
