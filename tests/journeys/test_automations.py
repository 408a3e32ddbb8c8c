"""Rules through the public door: files and commands in, the tasks that beat sends, jobs seen by the API."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from automations import tasks
from automations.models import AutomationRule, Firing
from automations.services.beat import celery_fields
from automations.services.rules import delete_rule, edit_rule, set_enabled
from automations.services.trying import run_now
from taskflow.lib.clock import utcnow
from taskflow.settings import BASE_DIR
from tenants.models import Tenant
from tests.factories import NOW, Cast, make_queue, make_rule, make_tenant, make_workflow
from tests.journeys.api.client import Api, read

pytestmark = pytest.mark.django_db
SAMPLES = Path(BASE_DIR) / "docs" / "samples"


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def jobs_of(tenant: Tenant) -> list[dict[str, Any]]:
    return read(Api(tenant).get("jobs"))["results"]


def at_seven(day: int) -> None:
    """Let beat's tick and a worker run a moment after 7 am."""
    with time_machine.travel(datetime(2026, 3, day, 7, 0, 1, tzinfo=UTC), tick=False):
        for _ in range(2):
            tasks.tick(unknown="keyword")
            tasks.fire(unknown="keyword")


def test_the_sample_recalculates_the_bill_of_each_pro_tenant_whose_usage_changed() -> None:
    acme = make_tenant("acme", plan="pro", attributes={"usage": 120})
    globex = make_tenant("globex", plan="pro", attributes={"usage": 80})
    free = make_tenant("free", plan="free", attributes={"usage": 80})
    new = make_tenant("new", plan="pro", attributes={})
    for tenant in (acme, globex, free, new):
        run("workflow", "import", str(SAMPLES / "recalculate-billing.yaml"), "--tenant", tenant.slug, "--publish")
    with time_machine.travel(datetime(2026, 3, 2, 12, 0, tzinfo=UTC), tick=False):
        said = run("rule", "import", str(SAMPLES / "recalculate-billing.rule.yaml"))
    assert said == (
        "Created “Recalculate billing”: Every day at 07:00 UTC, for each pro tenant with usage, if usage changed, "
        "create recalculate-billing.\n"
    )
    assert run("rule", "try", "Recalculate billing").splitlines() == [
        "acme: would create jobs recalculate-billing",
        "globex: would create jobs recalculate-billing",
    ]
    at_seven(3)
    acme.attributes = {"usage": 150}
    acme.save()
    at_seven(4)
    at_seven(5)
    assert [job["payload"] for job in jobs_of(acme)] == [
        {"customer": "Acme", "usage": 150, "usage_before": 120},
        {"customer": "Acme", "usage": 120, "usage_before": None},
    ]
    assert [job["payload"]["usage"] for job in jobs_of(globex)] == [80]
    assert (jobs_of(free), jobs_of(new)) == ([], [])


def test_a_rule_file_that_is_imported_again_changes_the_rule(tmp_path: Path) -> None:
    tenant = make_tenant("acme")
    make_workflow(tenant, "target")
    file = tmp_path / "rule.yaml"
    text = (
        "name: Every order\ntrigger: {kind: event, name: NAME}\nactions: [{kind: create_jobs, jobs: [{workflow: W}]}]"
    )
    file.write_text(text.replace("NAME", "order").replace("W", "target"))
    assert "When the event “order” is told, create target." in run("rule", "import", str(file), "--tenant", "acme")
    file.write_text(text.replace("NAME", "order.paid").replace("W", "target"))
    assert run("rule", "import", str(file), "--tenant", "acme").startswith(
        "Changed “Every order”: When the event “order."
    )
    assert AutomationRule.objects.get().revision == 2
    assert "Every order  on  When the event" in run("rule", "list", "--tenant", "acme")
    file.write_text(text.replace("W", "none").replace("NAME", "4 2"))
    with pytest.raises(CommandError) as error:
        run("rule", "import", str(file), "--tenant", "acme")
    assert "trigger.name: " in str(error.value)
    assert "actions.0.jobs.0.workflow: There is no workflow 'none'." in str(error.value)


def test_beat_has_an_entry_for_each_cron_rule_that_is_on() -> None:
    tenant = make_tenant(time_zone="Europe/Paris")
    make_workflow(tenant, "target")
    rule = make_rule(tenant, name="Daily", trigger={"kind": "cron", "expression": "30 7 * * MON-FRI"})
    entry = PeriodicTask.objects.get(name=f"automations: rule {rule.uid}")
    cron = entry.crontab
    assert (entry.task, entry.enabled, cron.hour, cron.minute, cron.day_of_week, str(cron.timezone)) == (
        "automations.tick", True, "7", "30", "1,2,3,4,5", "Europe/Paris",
    )  # fmt: skip
    rule = edit_rule(rule=rule, revision=1, values={"trigger": {"kind": "cron", "expression": "0 8 L * *"}}, now=NOW)
    entry.refresh_from_db()
    assert (entry.crontab.hour, entry.crontab.day_of_month) == ("8", "*")
    set_enabled(rule=rule, enabled=False, now=NOW)
    assert not PeriodicTask.objects.filter(name__startswith="automations: rule").exists()
    rule = set_enabled(rule=rule, enabled=True, now=NOW)
    delete_rule(rule=rule)
    assert not PeriodicTask.objects.filter(name__startswith="automations: rule").exists()


def test_where_beat_cannot_say_the_same_it_comes_more_often() -> None:
    assert celery_fields("0 7 1 * MON") == {
        "minute": "0", "hour": "7", "day_of_month": "*", "month_of_year": "*", "day_of_week": "*",
    }  # fmt: skip
    assert celery_fields("*/30 0-6 * 1 SUN") == {
        "minute": "0,30", "hour": "0,1,2,3,4,5,6", "day_of_month": "*", "month_of_year": "1", "day_of_week": "0",
    }  # fmt: skip


def test_a_job_that_a_rule_made_names_the_rule_and_the_firing(acme: Cast, client: Client) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, name="Every order")
    (firing,) = run_now(rule=rule, actor="ann", now=utcnow())
    tasks.fire()
    client.force_login(acme.viewer, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("admin:jobs_job_change", args=[firing.links.get().job.uid])).content.decode()
    assert f"rule “Every order”, firing {str(firing.uid)[-8:]}" in page


def test_what_is_old_is_taken_away_and_what_waits_stays(acme: Cast, settings: Any) -> None:
    make_workflow(acme.tenant, "target")
    make_queue()
    rule = make_rule(acme.tenant, condition="payload.size > 5")
    for size in (1, 9):
        run_now(rule=rule, actor="ann", now=utcnow(), payload={"size": size})
    tasks.fire()
    run_now(rule=rule, actor="ann", now=utcnow(), payload={"size": 1})
    assert [firing.matched for firing in Firing.objects.order_by("pk")] == [False, True, None]
    for days, left in ((13, 3), (15, 2), (91, 1)):
        minute = (utcnow() + timedelta(days=days)).replace(second=0, microsecond=0)
        AutomationRule.objects.update(enabled=False)
        with time_machine.travel(minute, tick=False):
            tasks.tick()
        assert Firing.objects.count() == left
