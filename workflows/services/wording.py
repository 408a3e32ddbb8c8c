"""How edits of a draft are told, in the words of the forms."""

from collections.abc import Mapping, Sequence
from typing import Any

from workflows.domain.drafts import DraftContent, DraftStep
from workflows.kinds.registry import KINDS
from workflows.queries import typed_config

#: A step's own settings, as its form calls them.
STEP_TITLES = {
    "name": "Name",
    "key": "Key",
    "on_error": "What happens on an error",
    "timeout": "Time limit",
    "retry": "Retry policy",
    "review": "Review rule",
}
SETTING_TITLES = {
    "name": "Name",
    "label_singular": "Label for one",
    "label_plural": "Label for many",
    "icon": "Icon",
    "description": "Description",
    "queue": "Queue",
    "active": "Whether it is active",
    "timeout": "Time limit",
    "retry_policy": "Retry policy",
}


def tell_step(before: DraftStep, after: DraftStep) -> str:
    """Say what of a step changed: "Instruction and Labels of 'Sort' changed"."""
    changed = changed_titles(before, after)
    return f"{_listed(changed)} of '{after.name}' changed" if changed else f"'{after.name}' saved"


def changed_titles(before: DraftStep, after: DraftStep) -> list[str]:
    """Return the titles of what differs between two states of a step, of its config by its kind's form."""
    own = [title for name, title in STEP_TITLES.items() if getattr(before, name) != getattr(after, name)]
    kind = KINDS.get(after.kind)
    known = {} if kind is None else kind.Config.model_fields
    old, new = _values(before, after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return own + [(known[name].title if name in known else None) or name for name in names]


def same_config(before: DraftStep, after: DraftStep) -> bool:
    """Say whether two configs mean the same, though one may spell out what is as usual."""
    old, new = _values(before, after)
    return old == new


def _values(before: DraftStep, after: DraftStep) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the values of two configs, with those that are as usual where both can be read at all."""
    old, new = (typed_config(step.kind, step.config) for step in (before, after))
    return (before.config, after.config) if old is None or new is None else (dict(old), dict(new))


def tell_fields(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str:
    """Say which fields were added, removed and changed."""
    old, new = ({str(field.get("key")): field for field in fields} for fields in (before, after))
    told = [
        (f"added {key}" for key in new if key not in old),
        (f"removed {key}" for key in old if key not in new),
        (f"changed {key}" for key in new if key in old and old[key] != new[key]),
    ]
    parts = [part for group in told for part in group]
    return f"Fields: {', '.join(parts) or 'put in another order'}"


def tell_settings(
    before: Mapping[str, Any], after: Mapping[str, Any], content: DraftContent, made: DraftContent
) -> str:
    """Say which settings changed."""
    names = [name for name in after if before[name] != after[name]]
    names += [name for name in ("timeout", "retry_policy") if getattr(content, name) != getattr(made, name)]
    return f"Settings: {_listed([SETTING_TITLES[name] for name in names])} changed"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
