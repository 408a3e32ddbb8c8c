"""Has a document read by a process of its own, which may die of it: this one does not."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from workflows.documents.answer import Answer, Unreadable, Wish
from workflows.documents.limits import OUTPUT_BYTES

ROOT = Path(__file__).resolve().parents[2]
#: The process sees no secret of ours: nothing of our environment but this.
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
#: The wall clock's limit is this many times the processor's: on a busy machine a process waits for its turn.
PATIENCE = 2


class ReaderTimeout(Exception):
    """The process did not answer in time, without having used up its processor time: the machine is busy."""


def read_in_child(file: IO[bytes], *, name: str, wish: Wish, seconds: float, memory_mb: int) -> Answer:
    """Return the text of `file`, an open file of the operating system. Raises Unreadable, ReaderTimeout."""
    task = {"name": name, "memory_mb": memory_mb, "cpu_seconds": max(int(seconds), 1), "wish": asdict(wish)}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-s", "-m", "workflows.documents.read", json.dumps(task)],
            stdin=file,
            stdout=output,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise ReaderTimeout(f"The document was not read within {seconds * PATIENCE:g} seconds.") from None
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        return _answer(code, output.read(OUTPUT_BYTES + 1), seconds)


def _answer(code: int, said: bytes, seconds: float) -> Answer:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise Unreadable(f"The document takes more than {seconds:g} seconds to read, or more memory than it may have.")
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        raise Unreadable("The file is damaged: reading it ended the reader.") from None
    if "unreadable" in answer:
        raise Unreadable(answer["unreadable"])
    return Answer(str(answer["text"]), dict(answer["facts"]), list(answer["warnings"]))
