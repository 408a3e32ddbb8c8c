"""The embedded broker: kombu's folder of messages, with every file appearing whole.

kombu opens a message under its final name and writes it then; a worker that looks in between takes an empty file and
ends on it. Here a file gets its name when it is complete.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A channel that never shows a file half written."""

    def _put(self, queue: str, payload: Any, **_kwargs: Any) -> None:  # type: ignore[override]
        name = f"{time.time_ns()}_{uuid4()}.{queue}.msg"
        _write_whole(Path(self.data_folder_out) / name, dumps(payload))

    def _queue_bind(self, exchange: str, routing_key: str | None, pattern: str | None, queue: str) -> None:
        table = self.control_folder / f"{exchange}.exchange"
        with (self.control_folder / "binding.lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if not table.exists():
                _write_whole(table, "[]")
            super()._queue_bind(exchange, routing_key or "", pattern or "", queue)


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{uuid4()}.part")
    part.write_text(text)
    os.replace(part, path)


class Transport(filesystem.Transport):
    """kombu's filesystem transport over `Channel`."""

    Channel = Channel
