"""The peers' own environment, and what the results page says about the machine."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.servers import versions
from bench.subject import ROOT

REQUIREMENTS = ROOT / "bench" / "requirements-peers.txt"
PEERS = ROOT / ".stamps" / "peers"


def peers_python() -> Path | str:
    """Return the Python that runs the peers, making their environment if needed; else why that failed."""
    python, stamp = PEERS / "bin" / "python", PEERS / "requirements"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    uv = shutil.which("uv") or str(ROOT / ".stamps" / "uv" / "bin" / "uv")
    commands = (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(PEERS)],
        [uv, "pip", "install", "--quiet", "--python", str(python), "--requirements", str(REQUIREMENTS)],
    )
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            return f"missing: the peers' packages cannot be installed: {error}"
        if done.returncode:
            return f"missing: the peers' packages could not be installed: {done.stderr.strip()[-300:]}"
    stamp.write_text(wanted)
    return python


def machine() -> str:
    """Return what was measured, where and when, in a paragraph."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("django", "celery", "redis", "mysqlclient"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC at commit {commit()}, on {os.cpu_count()} cores"
        f" ({processor()}), {memory:.0f} GB, {platform.system()} {platform.release()}.\n"
        f"{versions()} (InnoDB's log flushed at every commit); Python {platform.python_version()}, {packages}.\n"
        "Everything ran on this one machine, the load and the measurement included."
    )


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """Return the commit that is checked out, with a plus where files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--", "*.py")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")
