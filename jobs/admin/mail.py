"""Mailboxes and what came in: which parts of a message become which fields, who may write, and what was left alone."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from jobs.domain.inbound import Outcome, Part, guess_mapping
from jobs.models import InboundMessage, Mailbox
from jobs.services.mail import new_mailbox_key
from jobs.templatetags.jobs_admin import ago
from tenants.admin import ScopedRelatedFilter, TenantScopedAdmin
from tenants.domain.roles import Permission
from workflows.domain.fields import InputField, Role, read_fields
from workflows.models import Workflow

PART_LABELS = {
    Part.SUBJECT: "Subject",
    Part.FROM: "Sender's address",
    Part.FROM_NAME: "Sender's name",
    Part.TO: "Recipients",
    Part.TEXT: "Text",
    Part.HTML: "HTML",
    Part.DATE: "Date",
    Part.MESSAGE_ID: "Message id",
    Part.ATTACHMENTS: "Attachments",
}
TONES = {
    Outcome.ACCEPTED: "succeeded",
    Outcome.DUPLICATE: "scheduled",
    Outcome.IGNORED: "cancelled",
    Outcome.REFUSED: "failed",
}
PREFIX = "part_"
MOST_COUNTED = 2000


MODEL_FIELDS = (
    *("tenant", "name", "workflow", "active", "connection", "address"),
    *("allowed_senders", "take_automatic", "keep_source"),
)


class MailboxForm(forms.ModelForm):  # type: ignore[type-arg]
    """A mailbox; once its workflow is known, with a choice of field for each part of a message."""

    class Meta:
        model = Mailbox
        fields = MODEL_FIELDS
        widgets = {"allowed_senders": UnfoldAdminTextareaWidget(attrs={"rows": 4})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            return
        inputs = inputs_of(self.instance.workflow)
        mapping = self.instance.mapping or guess_mapping(inputs)
        choices = [("", "–"), *((field.key, field.shown_label) for field in inputs)]
        for part in Part:
            self.fields[PREFIX + part.value] = forms.ChoiceField(
                label=PART_LABELS[part],
                required=False,
                widget=UnfoldAdminSelectWidget,
                choices=choices,
                initial=mapping.get(part.value, ""),
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        tenant = cleaned.get("tenant") or (self.instance.tenant if self.instance.pk else None)
        for name in ("workflow", "connection"):
            row = cleaned.get(name)
            if row is not None and tenant is not None and row.tenant_id != tenant.pk:
                self.add_error(name, f"This belongs to another tenant than {tenant}.")
        return cleaned

    def mapping(self) -> dict[str, str]:
        """Return the fields that were chosen, by part."""
        chosen = {part.value: self.cleaned_data.get(PREFIX + part.value, "") for part in Part}
        return {part: key for part, key in chosen.items() if key}


PART_FIELDS = tuple(PREFIX + part.value for part in Part)


class ShortPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of a list that may be endless: no more is counted than anybody pages through."""

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[Any]", self.object_list).order_by()[:MOST_COUNTED].count()


def inputs_of(workflow: Workflow) -> list[InputField]:
    """Return the input fields of the version that new jobs of a workflow run."""
    live = workflow.live_version
    return [field for field in read_fields(live.fields) if field.role is Role.INPUT] if live else []


@admin.register(Mailbox)
class MailboxAdmin(TenantScopedAdmin):
    """Where a workflow's mail comes in. Editors make mailboxes; the webhook's address is shown once."""

    view_permission = Permission.VIEW_WORKFLOWS
    add_permission = Permission.EDIT_WORKFLOWS
    change_permission = Permission.EDIT_WORKFLOWS
    delete_permission = Permission.EDIT_WORKFLOWS
    form = MailboxForm
    list_display = ("name", "workflow", "ways", "state", "log")
    list_filter = (("tenant", ScopedRelatedFilter),)
    list_select_related = ("workflow", "tenant", "connection")
    search_fields = ("name",)
    empty_hint = "A mailbox turns each message it gets into a job of a workflow."
    actions = ("renew_key",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        basics = (None, {"fields": ("tenant", "name", "workflow", "active")})
        ways = ("webhook", "connection", "address") if obj else ("connection", "address")
        way = ("Where mail comes from", {"fields": ways})
        rules = ("What is taken", {"fields": ("allowed_senders", "take_automatic", "keep_source")})
        parts = ("What becomes of a message", {"fields": PART_FIELDS})
        state = ("State", {"fields": ("state", "log")})
        return [basics, way, rules, parts, state] if obj else [basics, way, rules]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = (*super().get_readonly_fields(request, obj), "webhook", "state", "log")
        return (*fixed, "workflow") if obj else fixed

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        # The choices of parts are no fields of the model; the form has them, whatever is asked for.
        kwargs["fields"] = MODEL_FIELDS
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Mailbox, form: Any, change: bool) -> None:
        if change:
            obj.mapping = form.mapping()
        super().save_model(request, obj, form, change)
        if not change:
            self._tell_key(request, obj)

    def _tell_key(self, request: HttpRequest, obj: Mailbox) -> None:
        address = request.build_absolute_uri(reverse("inbound-mail", args=[new_mailbox_key(mailbox=obj)]))
        text = "Copy the webhook's address now; it is not shown again, and whoever knows it can send mail in: {}"
        messages.success(request, format_html(text, format_html("<code>{}</code>", address)))

    def has_renew_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Permission.EDIT_WORKFLOWS)

    @admin.action(description="Give the chosen mailboxes new webhook addresses", permissions=["renew"])
    def renew_key(self, request: HttpRequest, queryset: Any) -> None:
        for mailbox in queryset:
            if self.may(request, Permission.EDIT_WORKFLOWS, mailbox):
                self._tell_key(request, mailbox)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return not lookup.startswith("key_hash") and super().lookup_allowed(lookup, value, request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "connection":
            field.queryset = cast("QuerySet[Any]", field.queryset).filter(kind="imap")
        return field

    @admin.display(description="Webhook")
    def webhook(self, obj: Mailbox) -> str:
        return f"/api/v1/inbound-mail/{obj.key_prefix}…" if obj.key_prefix else "–"

    @admin.display(description="Comes by")
    def ways(self, obj: Mailbox) -> str:
        return "Webhook" if obj.connection is None else "Webhook and IMAP"

    @admin.display(description="State")
    def state(self, obj: Mailbox) -> str:
        if not obj.active:
            return "Switched off"
        if obj.poll_problem:
            return format_html('<span class="tf-badge tf-failed">Problem</span> {}', obj.poll_problem)
        if obj.connection is None:
            return "Waits for the webhook"
        return format_html("Looked into {}", ago(obj.polled_at)) if obj.polled_at else "Not looked into yet"

    @admin.display(description="What came in")
    def log(self, obj: Mailbox) -> str:
        address = f"{reverse('admin:jobs_inboundmessage_changelist')}?mailbox__id__exact={obj.pk}"
        return format_html('<a class="tf-textlink" href="{}">Show</a>', address)


@admin.register(InboundMessage)
class InboundMessageAdmin(TenantScopedAdmin):
    """The log of what came in. It is read, never written by hand."""

    view_permission = Permission.VIEW_JOBS
    list_display = ("shown_outcome", "subject_or_none", "sender", "mailbox", "came", "why", "shown_job")
    list_display_links = ("subject_or_none",)
    list_filter = ("outcome", ("mailbox", ScopedRelatedFilter))
    list_select_related = ("mailbox", "job", "tenant")
    show_full_result_count = False
    paginator = ShortPaginator
    list_per_page = 50
    fields = ("shown_outcome", "why", "shown_job", "mailbox", "subject", "sender", "message_id", "size", "via", "came")
    readonly_fields = fields
    empty_hint = "Every message that a mailbox gets leaves a line here, with what became of it."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="Outcome", ordering="outcome")
    def shown_outcome(self, obj: InboundMessage) -> str:
        tone = TONES[Outcome(obj.outcome)]
        return format_html('<span class="tf-badge tf-{}">{}</span>', tone, obj.outcome.title())

    @admin.display(description="Subject")
    def subject_or_none(self, obj: InboundMessage) -> str:
        return obj.subject or "(no subject)"

    @admin.display(description="Why")
    def why(self, obj: InboundMessage) -> str:
        return obj.reason or "–"

    @admin.display(description="Came in", ordering="id")
    def came(self, obj: InboundMessage) -> str:
        return ago(obj.received_at)

    @admin.display(description="Job")
    def shown_job(self, obj: InboundMessage) -> str:
        if obj.job is None:
            return "–"
        address = reverse("admin:jobs_job_change", args=[obj.job.uid])
        return format_html('<a class="tf-textlink" href="{}">{}</a>', address, str(obj.job.uid)[-8:])
