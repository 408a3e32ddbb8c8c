"""Runs a command that ends when the process that started it ends, however that happens.

    python leash.py PARENT_PID COMMAND...

A file of its own without imports of ours: it is run before each child of the supervisor, and must be quick.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Ask the kernel for a SIGTERM at the parent's death (Linux only), then become the command."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:
            sys.exit("The supervisor ended before this process began.")
    os.execvp(command[0], command)  # noqa: S606 - the supervisor says which


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
