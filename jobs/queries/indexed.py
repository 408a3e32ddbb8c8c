"""Which fields of a workflow have an index of their values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jobs.domain.view_paths import is_fixed
from jobs.domain.view_spec import ViewSpec
from jobs.models import BulkAction, IndexedField, JobExport, SavedView
from taskflow.lib.cache import remember
from workflows.domain.fields import InputField, Role, read_fields
from workflows.models import Workflow

#: A process may use a list of fields this old. What fills a new field begins some seconds later than that.
CACHE_SECONDS = 1.0
#: More indexed fields than this a workflow cannot have: every job writes a row for each.
MOST_FIELDS = 30


@dataclass(frozen=True, slots=True)
class Indexed:
    """An indexed field: its row's id, its path, and whether a job's value is known when it is made."""

    pk: int
    path: str
    fixed: bool


@remember(seconds=CACHE_SECONDS)
def indexed_fields(workflow_id: int) -> tuple[Indexed, ...]:
    """Return the fields whose values every job of the workflow writes, at most a second old."""
    rows = IndexedField.objects.filter(workflow_id=workflow_id).exclude(state=IndexedField.State.DROPPING)
    return tuple(Indexed(pk, path, is_fixed(path)) for pk, path in rows.values_list("pk", "path").order_by("pk"))


def get_fields(workflow_id: int) -> dict[str, IndexedField]:
    """Return the indexed fields of a workflow by path, as they are now."""
    rows = IndexedField.objects.filter(workflow_id=workflow_id).exclude(state=IndexedField.State.DROPPING)
    return {row.path: row for row in rows}


def fields_of(workflow: Workflow) -> tuple[InputField, ...]:
    """Return the fields of a workflow's live version; none where it is not published."""
    version = workflow.live_version
    return () if version is None else read_fields(version.fields)


def redacted_names(workflow: Workflow) -> frozenset[str]:
    """Return the keys whose values are left out of what is kept, in the live version or the one that follows it."""
    versions = (workflow.live_version, workflow.next_version)
    fields = [field for version in versions if version is not None for field in read_fields(version.fields)]
    return frozenset(field.key for field in fields if field.redact)


def path_of(field: InputField) -> str:
    """Return where a field's value lies in a job."""
    return f"{'payload' if field.role is Role.INPUT else 'result'}.{field.key}"


def wanted_paths(workflow: Workflow) -> list[str]:
    """Return the paths that should have an index: fields of the list, and what views and running work ask by."""
    redacted = redacted_names(workflow)
    paths = [path_of(field) for field in fields_of(workflow) if field.in_list]
    for spec in SavedView.objects.filter(workflow=workflow).values_list("spec", flat=True):
        paths += spec_paths(spec)
    paths += _in_use(workflow)
    wanted = [path for path in dict.fromkeys(paths) if not redacted.intersection(path.split(".")[1:])]
    return wanted[:MOST_FIELDS]


def spec_paths(spec: dict[str, object]) -> list[str]:
    """Return the paths that a stored view filters, sorts or counts by."""
    return ViewSpec.model_validate(spec).asked_paths


def _in_use(workflow: Workflow) -> Iterable[str]:
    """Return the paths by which work that still runs finds its jobs."""
    exports = JobExport.objects.filter(workflow=workflow, state=JobExport.State.RUNNING)
    for wanted, spec in exports.values_list("wanted", "spec"):
        yield from _asked_by(wanted)
        yield from spec_paths(spec)
    actions = BulkAction.objects.filter(tenant_id=workflow.tenant_id, finished_at=None)
    for filters in actions.values_list("filters", flat=True):
        if filters["wanted"]["workflow_id"] == workflow.pk:
            yield from _asked_by(filters["wanted"])


def _asked_by(wanted: dict[str, Any]) -> list[str]:
    """Return the paths of a JobFilter as it is stored."""
    return [each[0] for each in wanted.get("values", ())]
