"""What a tenant has besides jobs: a draft with mistakes, a test of one, connections, a mailbox."""

from dataclasses import replace
from datetime import datetime, timedelta

from jobs.models import InboundMessage, Mailbox, Trial
from taskflow.lib.clock import utcnow
from tenants.models import Connection, ConnectionSpend
from tenants.services.gate import note_spend
from tests.browser.scene_jobs import RECEIPT
from tests.factories import Cast, make_connection, make_trial
from workflows.domain.drafts import DraftStep
from workflows.models import Sample, Step, Workflow
from workflows.queries import content_of, get_draft
from workflows.services.drafting import add_step, save_step
from workflows.services.gallery import get_starter, install_starter


def try_draft(workflow: Workflow, cast: Cast) -> Trial:
    """Change the draft so that some samples come out better and one worse, and test it."""
    step = Step.objects.get(version__draft_of=workflow, key="post")
    step.config = {"function": "echo", "params": {"date": "2019-01-15"}}
    step.save()
    read = (
        ("Blue Anchor Stores Ltd", "15/01/2019", 193.0, "2019-01-15"),
        ("Ojc Marketing Sdn Bhd", "2019-01-15", 48.6, "2019-01-15"),
        ("Gardenia Bakeries", "2018-03-02", 22.3, "2018-03-02"),
        ("Popular Book Co.", "02.03.2018", 17.5, None),
        ("Restoran Wan Sheng", "15 Jan 2019", 9.9, "2019-01-15"),
    )
    for number, (company, date, total, right) in enumerate(read, start=1):
        text = RECEIPT.replace("BLUE ANCHOR STORES LTD", company.upper()).replace("193.00", f"{total:.2f}")
        Sample.objects.create(
            workflow=workflow,
            name=f"{company}, {number}",
            input={"text": text, "company": company, "date": date, "total": total},
            expected=None if right is None else {"company": company, "date": right},
            origin="pasted",
            created_by=cast.editor,
        )
    return make_trial(workflow, workflow.samples.order_by("pk"), created_at=utcnow(), created_by=cast.editor)


def add_draft(cast: Cast, now: datetime) -> None:
    """Make a workflow whose draft two people changed, with mistakes in it."""
    starter = get_starter("support-tickets")
    sort = install_starter(
        tenant=cast.tenant, starter=starter, slug="sort-tickets", name="Sort tickets", now=now, user=cast.editor
    ).workflow
    told = DraftStep("tell", "Tell the customer", "notify")
    add_step(workflow=sort, step=told, revision=0, by=cast.owner, now=now - timedelta(minutes=9))
    draft = get_draft(sort)
    assert draft is not None
    route = content_of(draft).step("route")
    routes = [dict(route.config["routes"][0], goto="tel"), *route.config["routes"][1:]]
    wrong = replace(route, config={**route.config, "routes": routes})
    save_step(
        workflow=sort, key="route", step=wrong, revision=draft.revision, by=cast.editor, now=now - timedelta(minutes=2)
    )


def add_connections(cast: Cast, now: datetime) -> None:
    """Make connections that work, do not, and have spent their budget."""
    model = make_connection(
        cast.tenant, slug="default", name="Language model", concurrent=8, tokens_per_minute=200_000, monthly_budget=50
    )
    note_spend(cast.tenant.pk, model.pk, now, tokens=4_210_000, cost=50.12)
    ConnectionSpend.objects.update(paused_at=now)
    shop = {"base_url": "https://accounting.example/api/v2", "auth": "bearer"}
    accounting = make_connection(
        cast.tenant, slug="accounting", name="Accounting", kind="http", config=shop, secrets={"token": "secret"}
    )
    chat = {"webhook_url": "https://hooks.slack.com/services/T/B/x"}
    team = make_connection(cast.tenant, slug="team", name="Team channel", kind="slack", config={}, secrets=chat)
    for row, ok, message in (
        (accounting, False, "accounting.example does not accept the key or password (401): token expired"),
        (team, True, "hooks.slack.com took a test message."),
    ):
        Connection.objects.filter(pk=row.pk).update(last_test={"ok": ok, "message": message, "at": now.isoformat()})


def add_mail(workflow: Workflow, now: datetime) -> None:
    """Make a mailbox with some mail."""
    mailbox = Mailbox.objects.create(
        tenant=workflow.tenant, workflow=workflow, name="Support", address="help@acme.test", key_prefix="hK3x9_"
    )
    came = (
        ("accepted", "My card has not arrived yet", "ann@example.com", ""),
        ("duplicate", "My card has not arrived yet", "ann@example.com", "The same message came before."),
        ("ignored", "Out of office", "bob@example.com", "It is the answer of a robot, such as an out-of-office note."),
        ("refused", "", "eve@example.com", "payload.question: is required, and must not be empty"),
    )
    for minutes, (outcome, subject, sender, reason) in enumerate(came):
        job = workflow.jobs.first() if outcome in ("accepted", "duplicate") else None
        at = now - timedelta(minutes=10 - minutes)
        told = {"outcome": outcome, "subject": subject, "sender": sender, "reason": reason, "job": job}
        InboundMessage.objects.create(
            tenant=workflow.tenant, mailbox=mailbox, via="webhook", size=4200, received_at=at, **told
        )
