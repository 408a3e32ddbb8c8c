"""Opening a stored file for a process to read, wherever the storage keeps it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from django.core.files.storage import default_storage

from workflows.domain.files import StoredFile


@contextmanager
def opened(file: StoredFile) -> Iterator[IO[bytes]]:
    """Give the stored file as an open file of the operating system. Raises FileNotFoundError, OSError."""
    with default_storage.open(file.key) as kept:
        inner: Any = kept.file
        if _is_local(inner):
            yield inner
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(kept, copy)
            copy.seek(0)
            yield copy


def _is_local(file: Any) -> bool:
    try:
        return bool(file.fileno() >= 0)
    except (AttributeError, OSError, ValueError):
        return False
