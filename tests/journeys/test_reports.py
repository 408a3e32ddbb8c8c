"""Reports by mail: subscribed to, sent once for each time they are due, ended by a link."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from jobs.domain.states import State
from jobs.models import ReportDelivery, ReportSubscription
from jobs.runtime.reporting import send_reports
from jobs.services import reports
from tests.factories import NOW, Cast, make_connection, make_job, make_workflow
from tests.journeys.test_dashboards import login, text_of
from tests.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db
#: A Monday, and seven in the morning of the day after it.
MONDAY = NOW
DUE = datetime(2026, 3, 3, 7, tzinfo=UTC)
FORM = {"about": "", "person": "", "cadence": "daily", "weekday": "0", "hour": "7", "connection": ""}


@pytest.fixture
def smtp(settings: Any) -> Iterator[SmtpServer]:
    """The deployment's mail server."""
    server = SmtpServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", server.port, False
    settings.PUBLIC_URL = "https://flow.example"
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1/32"]
    yield server
    server.close()


def subscription(cast: Cast, **changes: Any) -> ReportSubscription:
    wanted = {"workflow": None, "cadence": "daily", "weekday": 0, "hour": 7, "connection": "", "address": "http://x/"}
    wanted |= {"user": cast.viewer, "by": cast.owner, "now": MONDAY} | changes
    return reports.subscribe(tenant=cast.tenant, **wanted)


def states() -> list[str]:
    return list(ReportDelivery.objects.order_by("due_at").values_list("state", flat=True))


def parts(smtp: SmtpServer) -> tuple[str, str]:
    """Return the text and the HTML of the last mail."""
    (_, message) = smtp.mails[-1]
    text, html = (part.get_payload(decode=True) for part in message.get_payload())
    return text.decode(), html.decode()


def test_a_report_is_sent_once_when_it_is_due_and_says_the_numbers(acme: Cast, smtp: SmtpServer) -> None:
    workflow = make_workflow(acme.tenant, "bills", name="Bills")
    yesterday = MONDAY + timedelta(hours=2)
    for state in (State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.WAITING):
        make_job(workflow, state, now=yesterday, error_class="HttpError" if state is State.FAILED else "")
    make_job(workflow, State.SUCCEEDED, now=yesterday - timedelta(days=1))
    subscription(acme, workflow=workflow)
    assert send_reports(now=DUE - timedelta(seconds=1)) == 0
    assert send_reports(now=DUE) == 1
    assert send_reports(now=DUE) == send_reports(now=DUE + timedelta(minutes=1)) == 0
    ((to, message),) = smtp.mails
    assert to == [acme.viewer.email]
    assert message["Subject"] == "Bills: 4 came in, 2 done, 1 failed"
    text, html = parts(smtp)
    assert "Came in              4 (1)" in text
    assert "66.7 % (100 %)" in text
    assert "1 x HttpError" in text
    assert "https://flow.example/admin/build/bills/dashboard/?tenant=acme&period=24h" in text
    assert "<b>4</b> (1)" in html
    assert states() == ["sent"]


def test_a_weekly_report_comes_on_its_day_in_the_tenants_zone(acme: Cast, smtp: SmtpServer) -> None:
    acme.tenant.time_zone = "America/New_York"
    acme.tenant.save()
    row = subscription(acme, cadence="weekly", weekday=4, hour=9)
    assert row.next_at == datetime(2026, 3, 6, 14, tzinfo=UTC)
    send_reports(now=row.next_at)
    row.refresh_from_db()
    # The clocks went forward on the eighth.
    assert row.next_at == datetime(2026, 3, 13, 13, tzinfo=UTC)


def test_of_reports_that_were_missed_the_latest_is_sent(acme: Cast, smtp: SmtpServer) -> None:
    subscription(acme)
    assert send_reports(now=DUE + timedelta(days=5, hours=3)) == 1
    assert ReportDelivery.objects.get().due_at == DUE + timedelta(days=5)
    assert ReportSubscription.objects.get().next_at == DUE + timedelta(days=6)


def test_a_server_that_is_away_is_tried_again_and_one_that_refuses_is_not(acme: Cast, smtp: SmtpServer) -> None:
    subscription(acme)
    smtp.replies["MAIL"] = "451 come back later"
    assert send_reports(now=DUE) == 0
    assert states() == ["waiting"]
    smtp.replies["MAIL"] = "550 no"
    ReportDelivery.objects.update(turn_at=DUE)
    assert send_reports(now=DUE) == 0
    assert states() == ["failed"]
    assert "550" in ReportDelivery.objects.get().detail
    assert smtp.mails == []


def test_a_mail_that_may_have_gone_out_is_not_sent_again(acme: Cast, smtp: SmtpServer) -> None:
    row = subscription(acme)
    delivery = reports.send_now(row, now=MONDAY)
    taken = reports.take_delivery(now=MONDAY)
    assert taken == delivery
    assert reports.take_delivery(now=MONDAY) is None
    assert reports.begin_sending(taken)
    later = MONDAY + timedelta(minutes=11)
    assert send_reports(now=later) == 0
    assert states() == ["unknown"]
    assert smtp.mails == []


def test_a_sender_that_dies_before_the_mail_goes_out_loses_its_turn(acme: Cast, smtp: SmtpServer) -> None:
    reports.send_now(subscription(acme), now=MONDAY)
    dead = reports.take_delivery(now=MONDAY)
    assert dead is not None
    assert send_reports(now=MONDAY + timedelta(minutes=11)) == 1
    assert not reports.begin_sending(dead)
    assert states() == ["sent"]


def test_who_lost_access_gets_nothing(acme: Cast, smtp: SmtpServer) -> None:
    subscription(acme)
    acme.tenant.memberships.filter(user=acme.viewer).delete()
    assert send_reports(now=DUE) == 0
    assert states() == ["skipped"]


def test_a_report_goes_over_a_mail_connection_of_the_tenant(acme: Cast, smtp: SmtpServer, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    config = {"host": "127.0.0.1", "port": smtp.port, "security": "none", "username": "", "sender": "flow@acme.test"}
    make_connection(acme.tenant, slug="post", kind="mail", config=config, secrets={})
    reports.send_now(subscription(acme, connection="post"), now=MONDAY)
    reports.send_now(subscription(acme, user=acme.owner), now=MONDAY)
    assert send_reports(now=MONDAY) == 1
    assert smtp.mails[0][1]["From"] == "flow@acme.test"
    assert sorted(states()) == ["failed", "sent"]


def test_the_link_in_a_mail_asks_and_then_ends_the_subscription(acme: Cast, smtp: SmtpServer) -> None:
    reports.send_now(subscription(acme), now=MONDAY)
    send_reports(now=MONDAY)
    text, _ = parts(smtp)
    found = re.search(r"https://flow.example(/reports/unsubscribe/\S+)", text)
    assert found is not None
    assert "".join(smtp.mails[0][1]["List-Unsubscribe"].split()) == f"<{found[0]}>"
    stranger = Client(enforce_csrf_checks=True)
    assert "No more of these mails" in stranger.get(found[1]).content.decode()
    assert ReportSubscription.objects.exists()
    assert stranger.post(found[1], {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not ReportSubscription.objects.exists()
    assert stranger.post(found[1]).status_code == stranger.get(f"{found[1]}x").status_code == 404


def test_a_person_subscribes_changes_it_sends_one_and_ends_it(acme: Cast) -> None:
    make_workflow(acme.tenant, "bills", name="Bills")
    client = login(acme.viewer)
    for hour in ("7", "9"):
        answer = client.post("/admin/reports/", FORM | {"about": "bills", "hour": hour}, follow=True)
        assert f"{acme.viewer.email} gets a daily report about Bills" in answer.content.decode()
    row = ReportSubscription.objects.get()
    assert (row.user, row.hour, row.workflow.slug) == (acme.viewer, 9, "bills")
    assert "is on its way" in client.post(f"/admin/reports/{row.uid}/now/", follow=True).content.decode()
    assert states() == ["waiting"]
    client.post(f"/admin/reports/{row.uid}/end/")
    assert not ReportSubscription.objects.exists()


def test_who_has_no_mail_address_is_told_and_still_sees_what_there_is(acme: Cast) -> None:
    subscription(acme)
    acme.owner.email = ""
    acme.owner.save()
    told = login(acme.owner).post("/admin/reports/", FORM).content.decode()
    assert "This person has no mail address" in told
    assert acme.viewer.email in told


def test_only_an_owner_subscribes_and_sees_others_and_only_of_the_tenant(acme: Cast, globex: Cast) -> None:
    other = {"person": str(acme.editor.pk)}
    assert "Select a valid choice" in login(acme.viewer).post("/admin/reports/", FORM | other).content.decode()
    stranger = {"person": str(globex.owner.pk)}
    assert "Select a valid choice" in login(acme.owner).post("/admin/reports/", FORM | stranger).content.decode()
    assert not ReportSubscription.objects.exists()
    login(acme.owner).post("/admin/reports/", FORM | other)
    row = ReportSubscription.objects.get()
    assert row.user == acme.editor
    assert acme.editor.email in text_of(login(acme.owner), "/admin/reports/")
    assert f"{row.uid}" not in text_of(login(acme.viewer), "/admin/reports/")
    for person in (acme.viewer, globex.owner):
        assert login(person).post(f"/admin/reports/{row.uid}/end/").status_code == 404
