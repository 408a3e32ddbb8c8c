"""Many firings in one transaction: each comes out as it would alone, and one that fails takes no other with it."""

from datetime import timedelta
from typing import Any

import pytest

from automations.models import AutomationRule, Firing, JobLink, Notice, RuleMemory
from automations.runtime.fire import fire, work_on
from automations.services.events import tell_event
from automations.services.firings import MOST_SEEN, claim_firings
from automations.services.together import MOST_JOBS, carry_out_together
from jobs.domain.states import State
from jobs.models import Event, Job
from taskflow.lib.clock import utcnow
from tests.factories import NOW, Cast, make_connection, make_job, make_rule, make_tenant, make_workflow
from tests.rule_scenes import ON_ORDER, end, making, on_jobs, reading, the_firings

pytestmark = pytest.mark.django_db
FIELDS = {"version": {"fields": [{"key": "text", "type": "text", "required": True}]}}
NOTED = ("rule_name", "matched", "state", "why", "reason", "error", "jobs_made", "depth", "rule_revision", "attempts")
TOTALS: tuple[Any, ...] = (5, 500, "much", 700, 700, 900, 20)


def tell(tenant: Any, **payload: Any) -> None:
    tell_event(tenant_id=tenant.pk, name="order", payload=payload, now=utcnow())


def scene(slug: str) -> list[AutomationRule]:
    """Rules of every sort on one event, which comes seven times."""
    tenant = make_tenant(slug, name="Same")
    make_workflow(tenant, "target", **FIELDS)
    make_connection(tenant, slug="chat", kind="slack", config={}, secrets={"webhook_url": "https://s.test/x"})
    text = {"text": "{{ payload.total }} before {{ last.total }}"}
    plain: dict[str, Any] = {"workflow": "target", "payload": text}
    tells = {"kind": "notify", "channel": "slack", "connection": "chat", "text": "Order of {{ payload.total }}"}
    rules: list[dict[str, Any]] = [
        {
            "name": "number",
            "condition": "payload.total > 100",
            **making({"workflow": "target", "payload": {"text": "x"}}),
        },
        {"name": "remembers", "condition": "payload.total != last.total", **making(plain)},
        {"name": "limited", "rate_limit": 3, **making({"workflow": "target", "payload": {"text": "x"}})},
        {"name": "refused", **making({"workflow": "target", "payload": {"text": {"expression": "payload.total"}}})},
        {"name": "keyed", **making({"workflow": "target", "payload": {"text": "x"}, "key": "{{ payload.total }}"})},
        {"name": "tells", "condition": "payload.total == 5", "actions": [tells]},
        {"name": "off"},
    ]
    made = [make_rule(tenant, **{**ON_ORDER, **making(plain), **values}) for values in rules]
    for total in TOTALS:
        tell(tenant, total=total)
    AutomationRule.objects.filter(pk=made[-1].pk).update(enabled=False)
    return made


def outcome(rules: list[AutomationRule]) -> list[Any]:
    """Return all that is kept of the rules' firings, but for ids and times."""
    firings = Firing.objects.filter(rule__in=rules).order_by("rule_id", "pk")
    jobs = [
        (link.position, link.depth, link.job.payload, link.job.state, link.job.events.get().kind)
        for firing in firings
        for link in firing.links.select_related("job").order_by("position")
    ]
    told = [[{**line, "jobs": 0, "job": 0, "notice": 0} for line in firing.told] for firing in firings]
    notices = Notice.objects.filter(firing__in=firings).order_by("firing_id").values_list("position", "content")
    kept = RuleMemory.objects.filter(rule__in=rules).order_by("rule_id").values_list("rule__name", "last")
    return [list(firings.values_list(*NOTED)), told, jobs, list(notices), list(kept)]


def test_firings_that_come_together_end_as_each_would_alone() -> None:
    together, alone = scene("together"), scene("alone")
    now = utcnow()
    taken = claim_firings(now=now, limit=1000)
    mine = [firing for firing in taken if firing.rule in together]
    for firing in taken:
        if firing.rule in alone:
            work_on(firing, now=now)
    found = carry_out_together(firings=mine, now=now)
    assert {firing.rule_name for firing in found.alone} == {"keyed"}
    assert {firing.rule_name for firing, _ in found.refused} == {"number", "refused"}
    # What comes together is released, and everything that is left, done.
    Firing.objects.filter(state="pending").update(due_at=now, attempts=0)
    Notice.objects.update(state="sent")
    fire()
    assert outcome(together) == outcome(alone)
    numbers = Firing.objects.filter(rule=together[0]).order_by("pk").values_list("state", "matched")
    assert list(numbers)[:3] == [("done", False), ("done", True), ("failed", None)]
    assert Job.objects.filter(tenant__slug="together").count() > len(TOTALS)


def test_a_rule_does_not_go_beyond_its_limit_where_firings_come_together(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER, rate_limit=3)
    for _ in range(5):
        tell(acme.tenant)
    fire()
    assert [firing.matched for firing in the_firings(rule)] == [True, True, True, None, None]
    assert Job.objects.count() == 3


def test_firings_with_many_jobs_are_taken_in_turns_and_keep_their_order(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    template = {"workflow": "target", "payload": {"text": "{{ payload.n }}"}}
    rule = make_rule(acme.tenant, **ON_ORDER, **making(template, for_each="payload.of", most=1000))
    many = MOST_JOBS // 2 + 1
    for number, count in enumerate((many, many, 1)):
        tell(acme.tenant, n=number, of=[0] * count)
    found = carry_out_together(firings=claim_firings(now=utcnow(), limit=10), now=utcnow())
    assert [firing.event["payload"]["n"] for firing in found.done] == [0]
    assert [firing.event["payload"]["n"] for firing in found.alone] == [1, 2]
    Firing.objects.filter(state="pending").update(due_at=utcnow())
    fire()
    assert [firing.jobs_made for firing in the_firings(rule)] == [many, many, 1]
    assert JobLink.objects.count() == Job.objects.count() == 2 * many + 1


def test_an_unforeseen_surprise_of_one_firing_leaves_the_others_done(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER)
    for _ in range(3):
        tell(acme.tenant)
    broken = the_firings(rule)[1]
    Firing.objects.filter(pk=broken.pk).update(event={"kind": "event", "at": "no instant"})
    fire()
    assert [firing.state for firing in the_firings(rule)] == ["done", "pending", "done"]
    assert the_firings(rule)[1].error.startswith("ValueError: ")
    assert Job.objects.count() == JobLink.objects.count() == Event.objects.count() == 2


def test_what_somebody_else_has_taken_up_meanwhile_is_left_to_them(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **ON_ORDER)
    for _ in range(3):
        tell(acme.tenant)
    mine = claim_firings(now=utcnow(), limit=10)
    Firing.objects.filter(pk=mine[0].pk).update(due_at=utcnow())
    (theirs,) = claim_firings(now=utcnow(), limit=1)
    found = carry_out_together(firings=mine, now=utcnow())
    assert (len(found.done), found.alone, Job.objects.count()) == (2, [], 2)
    assert work_on(theirs, now=utcnow()) is True
    assert [firing.jobs_made for firing in the_firings(rule)] == [1, 1, 1]


def test_chains_are_followed_where_firings_come_together(acme: Cast) -> None:
    source, _ = make_workflow(acme.tenant, "source"), make_workflow(acme.tenant, "target")
    rule = make_rule(acme.tenant, **on_jobs("job_failed"), **making({"workflow": "target"}), now=utcnow())
    first = make_rule(acme.tenant, **ON_ORDER)
    tell(acme.tenant)
    fire()
    made = JobLink.objects.get(firing__rule=first).job
    for job in (make_job(source), made, make_job(source, parent=made)):
        end(job, "failed", State.FAILED)
    reading()
    assert [firing.depth for firing in the_firings(rule)] == [0, 1, 1]
    assert sorted(JobLink.objects.filter(firing__rule=rule).values_list("depth", flat=True)) == [1, 2, 2]


def test_few_firings_are_taken_up_at_once_where_they_are_large(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    make_rule(acme.tenant, **ON_ORDER)
    for _ in range(3):
        tell(acme.tenant, text="x" * (MOST_SEEN // 2))
    assert [len(claim_firings(now=utcnow(), limit=10)) for _ in range(4)] == [1, 1, 1, 0]
    Firing.objects.update(due_at=NOW - timedelta(days=1), event={"kind": "event", "payload": {}})
    assert len(claim_firings(now=utcnow(), limit=10)) == 3
