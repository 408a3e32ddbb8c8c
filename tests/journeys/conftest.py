"""Two tenants with a row of everything."""

import pytest
from django.contrib.auth.models import Group
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

from tests.factories import NOW, make_lease
from tests.journeys.belongings import WORD, Belongings, furnish


@pytest.fixture
def mine(db: None) -> Belongings:
    make_lease(host="some-host")
    Group.objects.create(name="some group")
    every = IntervalSchedule.objects.create(every=1, period="days")
    PeriodicTask.objects.create(name="some task", interval=every)
    CrontabSchedule.objects.create()
    ClockedSchedule.objects.create(clocked_time=NOW)
    SolarSchedule.objects.create(event="sunset", latitude=50, longitude=8)
    return furnish("acme", "flow-of-acme")


@pytest.fixture
def theirs(mine: Belongings) -> Belongings:
    return furnish(WORD, "flow-of-theirs")
