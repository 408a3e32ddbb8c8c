"""Storages for tests: one that keeps files where no process can open them by a path, as those in the cloud do."""

from django.core.files.storage import InMemoryStorage, default_storage


class FarStorage(InMemoryStorage):
    """Keeps files out of reach of the operating system."""


def stored_keys(folder: str = "") -> set[str]:
    """Return the names of everything in the default storage."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return set()
    prefix = f"{folder}/" if folder else ""
    inner = set().union(*(stored_keys(f"{prefix}{name}") for name in folders))
    return {f"{prefix}{name}" for name in files} | inner
