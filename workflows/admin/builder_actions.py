"""What the builder's buttons do: each parses the form, makes one service call, and says where to go on."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from django.http import HttpRequest, QueryDict

from workflows.admin.builder_input import read_fields, read_settings, read_step
from workflows.admin.palette import card_of
from workflows.domain.drafts import BadEdit, DraftStep, make_key
from workflows.models import Workflow
from workflows.queries import get_draft, get_draft_content
from workflows.services import drafting
from workflows.services.asking import first_config
from workflows.services.checking import check_file
from workflows.services.drafting import Conflict, Edited

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LARGEST_FILE = 2_000_000


class SettingsRefused(ValueError):
    """Settings that cannot be kept; `problems` says why, by name."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems.values()))


class Common(TypedDict):
    """What every edit takes."""

    workflow: Workflow
    revision: int
    by: "User | None"
    now: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for an edit of which draft, and how it looked to them."""

    workflow: Workflow
    posted: QueryDict
    by: "User | None"
    now: datetime
    request: HttpRequest

    @property
    def key(self) -> str:
        return self.posted.get("step", "")

    @property
    def revision(self) -> int:
        """The draft's revision as the person saw it; -1, which never is one, where that is not told."""
        text = self.posted.get("revision", "")
        return int(text) if text.isdecimal() and len(text) < 10 else -1

    @property
    def opened(self) -> str:
        return self.posted.get("opened", "")

    @property
    def common(self) -> Common:
        return {"workflow": self.workflow, "revision": self.revision, "by": self.by, "now": self.now}


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in words, and the part of the builder to show next."""

    query: str
    told: tuple[str, ...] = field(default=())
    undoable: bool = False


def add_step(asked: Asked) -> Done:
    """Add a step of the chosen kind, and open it."""
    kind = asked.posted.get("kind", "")
    title = card_of(kind).title
    config = first_config(kind, asked.workflow.tenant_id)
    made = drafting.add_step(
        **asked.common,
        step=DraftStep(make_key(title, kind or "step"), title, kind, config=config),
        after=asked.posted.get("after"),
    )
    return _done(made)


def copy_step(asked: Asked) -> Done:
    """Copy a step, and open the copy."""
    return _done(drafting.copy_step(**asked.common, key=asked.key, opened=asked.opened))


def move_step(asked: Asked) -> Done:
    """Move a step behind another; what is open stays open."""
    made = drafting.move_step(**asked.common, key=asked.key, after=asked.posted.get("after", ""))
    return replace(_done(made), query=_open_before(asked))


def switch_step(asked: Asked) -> Done:
    """Switch a step off or on; what is open stays open."""
    made = drafting.switch_step(
        **asked.common, key=asked.key, enabled=asked.posted.get("enabled") == "1", opened=asked.opened
    )
    return replace(_done(made), query=_open_before(asked))


def delete_step(asked: Asked) -> Done:
    """Delete a step; what else is open stays open."""
    made = drafting.delete_step(**asked.common, key=asked.key, opened=asked.opened)
    query = _open_before(asked)
    return replace(_done(made), query="" if query == f"?step={asked.key}" else query)


def save_step(asked: Asked) -> Done:
    """Save the open step as it was typed. A step that was deleted meanwhile comes back if the person says so."""
    content = get_draft_content(asked.workflow, get_draft(asked.workflow))
    stored = content.find(asked.key)
    if stored is None and asked.posted.get("again"):
        fresh = DraftStep(asked.key, asked.key, asked.posted.get("kind", ""))
        made = drafting.add_step(**asked.common, step=read_step(asked.posted, fresh))
        return _done(made)
    if stored is None:
        raise Conflict(drafting.changes_since(asked.workflow, asked.revision))
    step = read_step(asked.posted, stored)
    return _done(drafting.save_step(**asked.common, key=asked.key, step=step, opened=asked.opened))


def save_fields(asked: Asked) -> Done:
    """Save the table of fields."""
    made = drafting.save_fields(**asked.common, fields=read_fields(asked.posted), opened=asked.opened)
    return replace(_done(made), query="?panel=fields")


def save_settings(asked: Asked) -> Done:
    """Save names, labels, queue and the policies of the whole workflow."""
    typed = read_settings(asked.posted)
    if typed.problems:
        raise SettingsRefused(typed.problems)
    made = drafting.save_settings(
        **asked.common,
        settings=typed.values,
        timeout=typed.timeout,
        retry_policy=typed.retry_policy,
        opened=asked.opened,
    )
    return replace(_done(made), query="?panel=settings")


def switch_off(asked: Asked) -> Done:
    """Let the workflow take no new jobs; it can be switched on again in its settings."""
    draft = get_draft(asked.workflow)
    content = get_draft_content(asked.workflow, draft)
    made = drafting.save_settings(
        workflow=asked.workflow,
        settings={"active": False},
        timeout=content.timeout,
        retry_policy=content.retry_policy,
        revision=0 if draft is None else draft.revision,
        by=asked.by,
        now=asked.now,
    )
    return replace(_done(made), query="?panel=settings")


def undo(asked: Asked) -> Done:
    """Take the last edit back."""
    number = asked.posted.get("change", "")
    change = drafting.undo_change(
        workflow=asked.workflow,
        change_id=int(number) if number.isdecimal() and len(number) < 19 else 0,
        by=asked.by,
        now=asked.now,
    )
    content = get_draft_content(asked.workflow, get_draft(asked.workflow))
    query = f"?step={change.step_key}" if content.find(change.step_key) else ""
    return Done(query, (f"Undone: {change.text}.",))


def discard(asked: Asked) -> Done:
    """Make the draft what is live."""
    made = drafting.discard_changes(**asked.common)
    return replace(_done(made), query="")


def import_file(asked: Asked) -> Done:
    """Replace the draft by an uploaded file. Raises DefinitionError with everything that is wrong with it."""
    file = asked.request.FILES.get("file")
    if file is None:
        raise BadEdit("file", "Choose a file.")
    if (file.size or 0) > LARGEST_FILE:
        raise BadEdit("file", f"The file is larger than {LARGEST_FILE // 1_000_000} MB.")
    try:
        definition = check_file(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadEdit("file", "The file is not text in UTF-8.") from None
    made = drafting.replace_draft(**asked.common, definition=definition, source=str(file.name)[:100])
    return replace(_done(made), query="")


Action = Callable[[Asked], Done]
#: Name of the button -> what it does, and the part of the builder it stands in.
ACTIONS: dict[str, tuple[Action, str]] = {
    "add-step": (add_step, "add"),
    "copy-step": (copy_step, "overview"),
    "move-step": (move_step, "overview"),
    "switch-step": (switch_step, "overview"),
    "delete-step": (delete_step, "overview"),
    "save-step": (save_step, "step"),
    "save-fields": (save_fields, "fields"),
    "save-settings": (save_settings, "settings"),
    "switch-off": (switch_off, "overview"),
    "undo": (undo, "overview"),
    "discard": (discard, "overview"),
    "import": (import_file, "import"),
}


def _done(made: Edited) -> Done:
    query = f"?step={made.step_key}" if made.step_key else ""
    if made.change is None:
        return Done(query, ("Nothing was changed.", *made.told))
    return Done(query, (f"{made.change.text}.", *made.told), undoable=True)


def _open_before(asked: Asked) -> str:
    """Return what was open when a button of the list was pressed."""
    step, panel = asked.posted.get("open_step", ""), asked.posted.get("open_panel", "")
    if step:
        return f"?step={step}"
    return f"?panel={panel}" if panel.isalpha() else ""
