"""Ends servers when the test process is gone, however it went: run as `python guardian.py FOLDER`.

Standard input is a pipe that the test process holds open and never writes to; when it ends, the folder's servers are
killed and the folder is removed. PR_SET_PDEATHSIG would not do: the kernel forgets it as soon as a process changes its
user, as Postfix's master does. A server is known by the folder in its command line; what it started is in its group, or
works in the folder: PostgreSQL's processes make groups of their own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

SERVERS = (b"dovecot", b"master", b"postgres", b"mariadbd")


def groups_of(folder: str) -> set[int]:
    """Process groups of the servers that were started with a configuration in `folder`."""
    found = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            program, *words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
            # A server may write what it does into its name: "postgres: checkpointer".
            if os.path.basename(program).split(b":")[0] not in SERVERS:
                continue
            works_in = os.readlink(f"/proc/{entry}/cwd").encode()
            if any(word.startswith(folder.encode() + b"/") for word in (works_in, *words)):
                found.add(os.getpgid(int(entry)))
    return found


def end(folder: str) -> None:
    """Kill them all. Looked for until there are none, since one may have been about to start."""
    while groups := groups_of(folder):
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        time.sleep(0.05)


def main() -> None:
    folder = sys.argv[1]
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    end(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
