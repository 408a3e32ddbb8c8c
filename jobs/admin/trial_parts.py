"""What the pages of tests share: the workflow that is meant, and how inputs and samples are shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from jobs.admin.columns import as_text
from jobs.domain.comparing import explains
from jobs.queries.trials import source_job_uid
from jobs.services.sample_picks import Picked
from tenants.admin.current import allowed
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.domain.fields import FILE_TYPES, InputField, Role
from workflows.domain.outcomes import Record
from workflows.models import Sample, Workflow

LONGEST_LINE = 240
#: What the names of a form's values begin with.
INPUT, EXPECTED = "input-", "expected-"


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A sample as its table shows it."""

    sample: Sample
    title: str
    input: str
    expected: str
    job: str


def workflow_of(tenant: Tenant, slug: str) -> Workflow:
    """Return the tenant's workflow of this slug. Raises Http404."""
    rows = Workflow.objects.select_related("live_version", "tenant")
    found: Workflow = get_object_or_404(rows, tenant=tenant, slug=slug)
    return found


def may_edit(request: HttpRequest, workflow: Workflow) -> bool:
    """Say whether the person may change samples and start tests."""
    return allowed(request, Permission.EDIT_WORKFLOWS, workflow.tenant_id)


def to_tests(workflow: Workflow) -> HttpResponseRedirect:
    """Lead back to the workflow's page of samples and tests."""
    return HttpResponseRedirect(reverse("tests", args=[workflow.slug]))


def sample_row(sample: Sample, fields: Sequence[InputField]) -> SampleRow:
    """Return how a sample is shown in one line."""
    uid = source_job_uid(sample.origin)
    expected = sample.expected if isinstance(sample.expected, dict) else {}
    return SampleRow(
        sample=sample,
        title=sample.name or f"Sample {sample.pk}",
        input=in_short(sample.input, fields),
        expected=in_short(expected, fields),
        job="" if uid is None else str(uid),
    )


def in_short(record: Any, fields: Sequence[InputField]) -> str:
    """Return a record on one line: the value alone where there is but one, else labels with values."""
    if not isinstance(record, Mapping):
        return as_text(record)[:LONGEST_LINE]
    labels = {field.key: field.shown_label for field in fields}
    pairs = [(labels.get(key, key), as_text(value)) for key, value in record.items() if value not in (None, "")]
    if len(pairs) == 1:
        return pairs[0][1][:LONGEST_LINE]
    return " · ".join(f"{label}: {text}" for label, text in pairs)[:LONGEST_LINE]


def expected_keys(fields: Sequence[InputField], *records: Mapping[str, Any] | None) -> list[str]:
    """Return the keys for which an expectation may be written: output fields, and what these records hold."""
    keys = [field.key for field in fields if field.role is Role.OUTPUT]
    for record in records:
        keys += [key for key in record or {} if not explains(key) and not key.startswith("would_")]
    return list(dict.fromkeys(keys))


def input_keys(fields: Sequence[InputField], record: Record) -> list[str]:
    """Return the keys of an input that can be written: the workflow's input fields, and what else it holds.

    Files are not among them: they come with jobs.
    """
    keys = dict.fromkeys([*(field.key for field in fields if field.role is Role.INPUT), *record])
    files = {field.key for field in fields if field.type in FILE_TYPES}
    return [key for key in keys if key not in files]


def file_names(fields: Sequence[InputField], record: Record) -> list[str]:
    """Return the names of the files that an input refers to."""
    values = [record.get(field.key) for field in fields if field.type in FILE_TYPES]
    files = [file for value in values for file in (value if isinstance(value, list) else [value])]
    return [str(file.get("name") or file.get("id")) for file in files if isinstance(file, Mapping)]


def tell_picked(request: HttpRequest, picked: Picked) -> None:
    """Tell the person what became of the jobs they picked."""
    words = [f"{sample_count(len(picked.added))} added."] if picked.added else ["No sample was added."]
    if picked.known:
        words.append(f"{picked.known} {'was' if picked.known == 1 else 'were'} there already.")
    if picked.unfit:
        words.append(
            f"{picked.unfit} did not fit the draft's fields and {'was' if picked.unfit == 1 else 'were'} left out."
        )
    if not picked.added and not picked.known and not picked.unfit:
        words.append("There are no such jobs.")
    (messages.success if picked.added else messages.warning)(request, " ".join(words))


def sample_count(number: int) -> str:
    """Return so many samples, in words."""
    return f"{number} sample{'' if number == 1 else 's'}"


def as_json(value: Any) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2)
