"""The ledger always adds up, and what is counted in the background equals what the rows say."""

import random
from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from jobs.domain.periods import Period, start_of
from jobs.models import Review, UncountedJob
from jobs.queries.dashboard import get_throughput
from jobs.queries.ledger import get_ledgers
from jobs.services.figures import count_figures
from tests.factories import NOW
from tests.figures import (
    History,
    counted_ends,
    counted_figures,
    direct_ends,
    direct_figures,
    direct_states,
    make_counted_workflow,
)

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=3)
ALL = Period("all")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_after_any_history_the_ledger_is_exact_and_the_figures_are_those_of_the_rows(seed: int) -> None:
    lots = random.Random(seed)
    workflow, other = make_counted_workflow(), make_counted_workflow()
    history, beside = History(workflow, lots), History(other, lots)
    now = NOW
    for _ in range(40):
        now += timedelta(minutes=lots.choice((0, 1, 9, 40)))
        history.act(now)
        beside.act(now)
        if lots.random() < 0.4:
            count_figures(now=now)
        since = now.replace(minute=0) - timedelta(hours=3)
        for span in (Period("all"), Period("custom", since), Period("custom", since, since + timedelta(minutes=45))):
            ledgers = get_ledgers([workflow.pk, other.pk], span)
            for each in (workflow, other):
                assert ledgers[each.pk].states == direct_states(each, span.since, span.until)
    assert (
        get_ledgers([workflow.pk], ALL)[workflow.pk].for_person
        == Review.objects.filter(workflow=workflow, job__state="WAITING", state__in=["open", "decided"])
        .exclude(state="decided", wake_at=None)
        .count()
    )
    history.end(LATER)
    beside.end(LATER)
    count_figures(now=LATER + timedelta(minutes=1))
    assert not UncountedJob.objects.filter(workflow__isnull=False).exists()
    for each in (workflow, other):
        assert counted_ends(each) == direct_ends(each)
        assert counted_figures(each, 900) == counted_figures(each, 86_400) == direct_figures(each)
        for zone in (ZoneInfo("UTC"), ZoneInfo("Asia/Kathmandu")):
            first = start_of((NOW - timedelta(days=1)).date(), zone)
            bars = get_throughput([each.pk], (first, LATER + timedelta(days=1)), zone)
            total = sum((bar.numbers for bar in bars), Counter())
            assert total["in"] == sum(direct_states(each).values())
            assert total["done"] == direct_states(each).get("SUCCEEDED", 0)
