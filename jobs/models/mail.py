"""Mailboxes whose messages become jobs, and the log of what came in."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from jobs.domain.inbound import Outcome
from jobs.models.jobs import Job
from taskflow.lib.fields import JSONTextField
from taskflow.lib.ids import new_uid
from tenants.models import Connection, Tenant, TenantScopedQuerySet
from workflows.models import Workflow


class Mailbox(models.Model):
    """Where a workflow's mail comes in: by a webhook, by looking into an IMAP folder, or by both.

    `mapping` names the field each part of a message becomes. `key_hash` is the SHA-256 of the webhook's key.
    `uid_validity` and `last_uid` say how far the folder was read; who moves `polling_until` on reads it.
    """

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="mailboxes")
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="mailboxes")
    name = models.CharField(max_length=100)
    active = models.BooleanField(_("switched on"), default=True)
    address = models.EmailField(
        _("its own address"), blank=True, default="", help_text=_("Mail from here is a loop, and is left alone.")
    )
    mapping: Any = JSONTextField(default=dict, blank=True)
    allowed_senders = models.TextField(
        blank=True, default="", help_text=_("One on each line: ann@example.com, @example.com. Empty: everybody.")
    )
    take_automatic = models.BooleanField(
        _("take mail of programs"),
        default=False,
        help_text=_("Invoices of a shop, notices, newsletters. Answers of robots and bounces are never taken."),
    )
    keep_source = models.BooleanField(
        _("keep the message as a file"), default=False, help_text=_("As message.eml, beside its attachments.")
    )
    key_hash = models.CharField(max_length=64, unique=True, null=True, editable=False)
    key_prefix = models.CharField(max_length=12, blank=True, default="", editable=False)
    connection = models.ForeignKey(
        Connection,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="mailboxes",
        verbose_name=_("IMAP connection"),
        help_text=_("Its folder is looked into every minute. Empty: mail comes by the webhook alone."),
    )
    uid_validity = models.BigIntegerField(default=0, editable=False)
    last_uid = models.BigIntegerField(default=0, editable=False)
    polling_until = models.DateTimeField(null=True, editable=False)
    polled_at = models.DateTimeField(null=True, editable=False)
    poll_problem = models.CharField(max_length=500, blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "mailboxes"

    def __str__(self) -> str:
        return self.name


class InboundMessage(models.Model):
    """A message that came in, and what became of it. Its text is the job's alone."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="inbound_messages", db_index=False)
    mailbox = models.ForeignKey(Mailbox, models.CASCADE, related_name="messages", db_index=False)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    via = models.CharField(max_length=10)
    outcome = models.CharField(max_length=10, choices=[(outcome.value, outcome.value.title()) for outcome in Outcome])
    reason = models.CharField(max_length=500, blank=True)
    sender = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    message_id = models.CharField(max_length=255, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    received_at = models.DateTimeField(db_index=True)

    objects = TenantScopedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "mail that came in"
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("tenant", "id"), name="inbound_tenant"),
            models.Index(fields=("mailbox", "id"), name="inbound_mailbox"),
        )

    def __str__(self) -> str:
        return self.subject or self.sender or str(self.uid)
