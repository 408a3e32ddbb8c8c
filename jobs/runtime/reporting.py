"""Sending reports: by one process each, and at most once where it is not known whether a mail went out."""

import smtplib
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from jobs.domain.reports import Cadence, DeliveryState
from jobs.models import ReportDelivery, ReportSubscription
from jobs.queries.reports import Report, get_report
from jobs.services import reports
from jobs.services.figures import count_figures
from taskflow.lib.clock import utcnow
from taskflow.lib.http import CallRefused
from tenants.domain.connections import Connection, ConnectionUnusable, find_connection
from tenants.domain.roles import Permission
from tenants.queries import may
from tenants.services.connections import connections_of
from tenants.services.mail import MailFailed, backend_for, mail_failure

NO_SERVER = "There is no mail server: name a connection of kind mail, or have the operator set EMAIL_HOST."
MAIL_ERRORS = (CallRefused, smtplib.SMTPException, OSError)


def send_reports(*, now: datetime) -> int:
    """Send the reports that are due; returns how many went out."""
    reports.give_up_stale(now=now)
    if reports.make_due(now=now):
        count_figures(now=now)
    sent = 0
    while (delivery := reports.take_delivery(now=now)) is not None:
        sent += _send(delivery, utcnow())
    return sent


def _send(delivery: ReportDelivery, now: datetime) -> bool:
    subscription = delivery.subscription
    refusal = _refusal(subscription)
    if refusal:
        reports.end_delivery(delivery, DeliveryState.SKIPPED, detail=refusal, now=now)
        return False
    try:
        connection, backend = _way(subscription)
        message = compose(subscription, due=delivery.due_at, now=now, sender=_sender(connection))
        backend.open()
    except (ConnectionUnusable, MailFailed) as error:
        reports.end_delivery(delivery, DeliveryState.FAILED, detail=str(error), now=now)
        return False
    except MAIL_ERRORS as error:
        _not_sent(delivery, mail_failure(error), now)
        return False
    if not reports.begin_sending(delivery):
        backend.close()
        return False
    return _hand_over(delivery, message, backend)


def _hand_over(delivery: ReportDelivery, message: EmailMultiAlternatives, backend: BaseEmailBackend) -> bool:
    """Give the mail to the server. What the server refused did not go out; anything else may have."""
    try:
        backend.send_messages([message])
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
        _not_sent(delivery, mail_failure(error), utcnow())
        return False
    except MAIL_ERRORS as error:
        detail = f"{mail_failure(error)} It may have arrived, and is not sent again."
        reports.end_delivery(delivery, DeliveryState.UNKNOWN, detail=detail, now=utcnow())
        return False
    finally:
        _close(backend)
    reports.end_delivery(delivery, DeliveryState.SENT, now=utcnow())
    return True


def _close(backend: BaseEmailBackend) -> None:
    try:
        backend.close()
    except (OSError, smtplib.SMTPException):
        return


def _not_sent(delivery: ReportDelivery, failure: MailFailed, now: datetime) -> None:
    if failure.permanent:
        reports.end_delivery(delivery, DeliveryState.FAILED, detail=str(failure), now=now)
    else:
        reports.try_again(delivery, detail=str(failure), now=now)


def _refusal(subscription: ReportSubscription) -> str:
    """Return why this person gets no report any more; empty where they do."""
    user, tenant = subscription.user, subscription.tenant
    if not user.is_active or not tenant.active or not may(user, tenant, Permission.VIEW_JOBS):
        return "The person may not see the jobs of this tenant any more."
    return "" if user.email else "The person has no mail address."


def _way(subscription: ReportSubscription) -> tuple[Connection | None, BaseEmailBackend]:
    if not subscription.connection:
        if not settings.EMAIL_HOST:
            raise MailFailed(NO_SERVER, permanent=True)
        return None, get_connection()
    connection = find_connection(connections_of(subscription.tenant_id), subscription.connection)
    if connection.kind != "mail":
        raise MailFailed(f"The connection '{connection.slug}' is not one to a mail server.", permanent=True)
    return connection, backend_for(connection)


def _sender(connection: Connection | None) -> str:
    return settings.DEFAULT_FROM_EMAIL if connection is None else str(connection.config["sender"])


def compose(subscription: ReportSubscription, *, due: datetime, now: datetime, sender: str) -> EmailMultiAlternatives:
    """Write the report that is due at `due`, as text and as HTML."""
    report = get_report(subscription, due=due, now=now)
    workflow, tenant = subscription.workflow, subscription.tenant
    context = _context(subscription, report)
    with timezone.override(ZoneInfo(tenant.time_zone)):
        text = render_to_string("taskflow/mail/report.txt", context)
        html = render_to_string("taskflow/mail/report.html", context)
    ledger = report.now.ledger
    about = workflow.name if workflow is not None else tenant.name
    subject = f"{about}: {ledger.came_in:,} came in, {report.now.done:,} done, {report.now.failed:,} failed"
    headers = {
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": f"<{context['unsubscribe_url']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    to = [subscription.user.email]
    message = EmailMultiAlternatives(" ".join(subject.split()), text, sender, to, headers=headers)
    message.attach_alternative(html, "text/html")
    return message


def _context(subscription: ReportSubscription, report: Report) -> dict[str, Any]:
    base = (settings.PUBLIC_URL or subscription.address).rstrip("/")
    workflow, tenant = subscription.workflow, subscription.tenant
    page, jobs = reverse("admin:index"), reverse("admin:jobs_job_changelist")
    if workflow is not None:
        page = reverse("workflow_dashboard", args=[workflow.slug])
        jobs = reverse("admin:jobs_job_of", args=[workflow.slug])
    period = "24h" if subscription.cadence == Cadence.DAILY else "7d"
    token = reports.unsubscribe_token(subscription)
    return {
        "subscription": subscription,
        "tenant": tenant,
        "workflow": workflow,
        "report": report,
        "dashboard_url": f"{base}{page}?tenant={tenant.slug}&period={period}",
        "failed_url": f"{base}{jobs}?tenant={tenant.slug}&state=attention",
        "reviews_url": f"{base}{reverse('admin:jobs_review_inbox')}?tenant={tenant.slug}",
        "unsubscribe_url": f"{base}{reverse('report_unsubscribe', args=[token])}",
    }
