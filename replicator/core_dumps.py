"""No core dumps of a process that holds keys: what a crash writes to the disk would hold them, too.

The system's own programs for crashes, such as systemd-coredump, go by the same limit. Windows has no such limit.
"""

from __future__ import annotations

import contextlib
import sys

if sys.platform != "win32":
    import resource


def switch_off() -> None:
    """For this process and what it starts, which may change it back. Never raises."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
