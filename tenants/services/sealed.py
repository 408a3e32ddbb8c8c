"""All sealed secrets there are: sealing them with another key, and finding those that do not open."""

from dataclasses import dataclass, field

from taskflow.lib.sealing import CannotOpen, is_current, reseal, unseal
from tenants.models import Connection


@dataclass(slots=True)
class Resealed:
    """How many were sealed anew, how many needed nothing, and which could not be opened (`tenant/connection`)."""

    resealed: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)


def reseal_all() -> Resealed:
    """Seal the secrets of every connection with the first key.

    One that somebody changes meanwhile is left alone: it is sealed with the first key by that.
    """
    done = Resealed()
    for row in _sealed():
        if is_current(row.sealed):
            done.current += 1
            continue
        try:
            fresh = reseal(row.sealed)
        except CannotOpen:
            done.unreadable.append(_name(row))
            continue
        done.resealed += Connection.objects.filter(pk=row.pk, sealed=row.sealed).update(sealed=fresh)
    return done


def list_unreadable() -> list[str]:
    """Return the connections whose secrets no key opens."""
    return [_name(row) for row in _sealed() if not _opens(row)]


def _sealed() -> list[Connection]:
    return list(Connection.objects.exclude(sealed="").select_related("tenant").order_by("tenant__slug", "slug"))


def _opens(row: Connection) -> bool:
    try:
        unseal(row.sealed, owner=row.owner)
    except CannotOpen:
        return False
    return True


def _name(row: Connection) -> str:
    return f"{row.tenant.slug}/{row.slug}"
