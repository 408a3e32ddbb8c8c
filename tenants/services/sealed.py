"""All sealed secrets there are: sealing them with another key, and finding those that do not open.

Apps above this one have rows with secrets too; each says which by `register`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from taskflow.lib.sealing import CannotOpen, is_current, reseal, unseal
from tenants.models import Connection


class Holder(Protocol):
    """A row with secrets: the columns `sealed`, and whom they are sealed for."""

    pk: Any
    sealed: str

    @property
    def owner(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Holders:
    """The rows of one table that hold secrets; each with a name for people (`tenant/connection`)."""

    rows: Callable[[], Iterable[tuple[Holder, str]]]
    replace: Callable[[Holder, str], bool]


_holders: list[Holders] = []


def register(holders: Holders) -> None:
    """Count these rows among all that hold secrets."""
    _holders.append(holders)


@dataclass(slots=True)
class Resealed:
    """How many were sealed anew, how many needed nothing, and which could not be opened (`tenant/connection`)."""

    resealed: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)


def reseal_all() -> Resealed:
    """Seal the secrets of every row that holds some with the first key.

    One that somebody changes meanwhile is left alone: it is sealed with the first key by that.
    """
    done = Resealed()
    for holders in _holders:
        for row, name in holders.rows():
            if is_current(row.sealed):
                done.current += 1
                continue
            try:
                fresh = reseal(row.sealed)
            except CannotOpen:
                done.unreadable.append(name)
                continue
            done.resealed += holders.replace(row, fresh)
    return done


def list_unreadable() -> list[str]:
    """Return the names of the rows whose secrets no key opens."""
    return [name for holders in _holders for row, name in holders.rows() if not _opens(row)]


def _opens(row: Holder) -> bool:
    try:
        unseal(row.sealed, owner=row.owner)
    except CannotOpen:
        return False
    return True


def _connections() -> Iterable[tuple[Holder, str]]:
    rows = Connection.objects.exclude(sealed="").select_related("tenant").order_by("tenant__slug", "slug")
    return [(row, f"{row.tenant.slug}/{row.slug}") for row in rows]


def _replace(row: Holder, fresh: str) -> bool:
    return Connection.objects.filter(pk=row.pk, sealed=row.sealed).update(sealed=fresh) == 1


register(Holders(_connections, _replace))
