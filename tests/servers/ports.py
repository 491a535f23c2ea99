"""Ports for servers that get theirs written into a configuration file, and must find them free after a crash, too.

Asking the system for a free port and giving it back is no use: it comes from the range of which every outgoing
connection of every test takes, and several test processes run at once. So ports come from below that range, in blocks
that are locked for as long as the block is held. The system drops the lock when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path("/var/tmp/replicator-test-ports")
FIRST, LAST = 20_000, 32_000
BLOCK = 20


class PortBlock:
    """`BLOCK` ports of 127.0.0.1 that nobody uses and no other test process will take. Iterate to get them."""

    def __init__(self) -> None:
        FOLDER.mkdir(mode=0o1777, exist_ok=True)
        blocks = list(range(FIRST, LAST, BLOCK))
        random.shuffle(blocks)
        for first in blocks:
            lock = os.open(FOLDER / str(first), os.O_RDWR | os.O_CREAT, 0o666)
            if _locked(lock) and all(is_free(port) for port in range(first, first + BLOCK)):
                self._lock = lock
                self._ports = range(first, first + BLOCK)
                return
            os.close(lock)
        raise OSError(f"no {BLOCK} free ports in a row between {FIRST} and {LAST}")

    def __iter__(self) -> Iterator[int]:
        return iter(self._ports)

    def release(self) -> None:
        """Leave the ports to others. May be repeated."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_free(port: int) -> bool:
    """Nobody listens there."""
    with socket.socket() as probe:
        # As the servers do: a connection of an earlier test that is still in TIME_WAIT is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
