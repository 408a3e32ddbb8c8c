"""The filters and the cursor of the job list."""

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import django_filters
from django.db.models import Q
from django.http import QueryDict
from django_filters import CharFilter, IsoDateTimeFilter, MultipleChoiceFilter, NumberFilter, UUIDFilter

from jobs.api.value_filters import narrow_by_values
from jobs.domain.job_filter import JobFilter
from jobs.domain.states import FINAL
from jobs.domain.view_address import ROOTS
from jobs.models import Job, Queue
from jobs.models.jobs import STATES
from jobs.queries.rare import find_few_finished, find_few_with_priority
from taskflow.lib.clock import YEARS, YEARS_IN_WORDS
from taskflow.lib.problems import FieldError, invalid
from workflows.models import Workflow

PAGE_SIZE, LARGEST_PAGE = 50, 200
PAGING = ("cursor", "page_size")
VIEW = "view"


class JobFilterSet(django_filters.FilterSet):
    """What the list may be narrowed to; all of it must hold."""

    state = MultipleChoiceFilter(choices=STATES, help_text="One or more, repeated or separated by commas.")
    workflow = CharFilter(help_text="The slug of a workflow.")
    queue = CharFilter(help_text="The slug of a queue.")
    priority = NumberFilter(min_value=0, max_value=1000, decimal_places=0)
    created_after = IsoDateTimeFilter(help_text="Created at this time or later.")
    created_before = IsoDateTimeFilter(help_text="Created before this time.")
    finished_after = IsoDateTimeFilter(help_text="Finished at this time or later.")
    finished_before = IsoDateTimeFilter(help_text="Finished before this time.")
    correlation_id = CharFilter(max_length=100)
    parent = UUIDFilter(help_text="The id of the job that made them.")

    class Meta:
        model = Job
        fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a client asked the list for: conditions, where to go on, and how many."""

    wanted: JobFilter
    extra: Q
    before: int | None
    size: int


def parse_list_request(tenant_id: int, query: QueryDict) -> ListRequest:
    """Read the list's parameters. Raises Refused, naming each that is unknown or wrong."""
    known = {*JobFilterSet.base_filters, *PAGING, VIEW}
    faults: list[FieldError] = [
        (name, "There is no such filter.") for name in query if name not in known and not name.startswith(ROOTS)
    ]
    form = JobFilterSet(_spread_states(query)).form
    if not form.is_valid():
        faults += [(name, str(reason)) for name, reasons in form.errors.items() for reason in reasons]
    given = form.cleaned_data.items()
    faults += [(n, YEARS_IN_WORDS) for n, v in given if isinstance(v, datetime) and v.year not in YEARS]
    faults += [(n, "Given more than once.") for n in query if n != "state" and len(query.getlist(n)) > 1]
    if faults:
        raise invalid(faults)
    asked = _read(tenant_id, form.cleaned_data, query)
    given_fields = {name: str(query[name]) for name in query if name.startswith(ROOTS)}
    wanted = narrow_by_values(tenant_id, asked.wanted, given_fields, query.get(VIEW, ""))
    return replace(asked, wanted=wanted)


def _spread_states(query: QueryDict) -> QueryDict:
    spread = query.copy()
    if "state" in query:
        states = [word.strip().upper() for value in query.getlist("state") for word in value.split(",")]
        spread.setlist("state", states)
    return spread


def _read(tenant_id: int, given: dict[str, Any], query: QueryDict) -> ListRequest:
    wanted = JobFilter(
        workflow_id=workflow_id(tenant_id, given["workflow"]),
        queue_id=_queue_id(given["queue"]),
        states=tuple(given["state"]),
        created_from=given["created_after"],
        # What finished before a moment was created before it, and ids can be searched by that.
        created_to=min(filter(None, (given["created_before"], given["finished_before"])), default=None),
        correlation_id=given["correlation_id"],
    )
    since, until = given["finished_after"], given["finished_before"]
    if since or until:
        states = wanted.states or tuple(sorted(state.value for state in FINAL))
        wanted = replace(wanted, states=states, ids=find_few_finished(tenant_id, since, until))
    if given["priority"] is not None and wanted.ids is None:
        wanted = replace(wanted, ids=find_few_with_priority(tenant_id, int(given["priority"]), wanted))
    before = decode_cursor(str(query["cursor"])) if "cursor" in query else None
    return ListRequest(wanted, _extra(given), before, page_size(query.get("page_size", str(PAGE_SIZE))))


def _extra(given: dict[str, Any]) -> Q:
    conditions = {
        "priority": given["priority"],
        "parent__uid": given["parent"],
        "finished_at__gte": given["finished_after"],
        "finished_at__lt": given["finished_before"],
    }
    return Q(**{name: value for name, value in conditions.items() if value is not None})


def workflow_id(tenant_id: int, slug: str) -> int | None:
    """Return the row id of a workflow; None for an empty slug. Raises Refused for one that is not there."""
    if not slug:
        return None
    found = Workflow.objects.for_tenant(tenant_id).filter(slug=slug).values_list("pk", flat=True).first()
    if found is None:
        raise invalid([("workflow", f"There is no workflow '{slug}'.")])
    return int(found)


def _queue_id(slug: str) -> int | None:
    if not slug:
        return None
    found = Queue.objects.filter(slug=slug).values_list("pk", flat=True).first()
    if found is None:
        raise invalid([("queue", f"There is no queue '{slug}'.")])
    return found


def page_size(text: str) -> int:
    """Read the parameter `page_size`; raises Refused."""
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= LARGEST_PAGE):
        raise invalid([("page_size", f"Must be a whole number from 1 to {LARGEST_PAGE}.")])
    return int(text)


def encode_cursor(last_id: int) -> str:
    """Return the cursor behind the job with this row id; what is in it is nobody's business."""
    return base64.urlsafe_b64encode(f"j{last_id}".encode()).decode().rstrip("=")


def decode_cursor(text: str) -> int:
    """Return the row id in a cursor; raises Refused for what never was one."""
    try:
        plain = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, UnicodeError):
        plain = ""
    if not (plain[:1] == "j" and plain[1:].isdigit() and len(plain) < 20):
        raise invalid([("cursor", "Not a cursor of this list. Use `next_cursor` of the page before.")])
    return int(plain[1:])
