"""Starting, stopping and killing the servers, and waiting until they answer."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PATIENCE = 60
"""Seconds for what takes a tenth of one, on a machine that does much else."""


class Server:
    """One server in a process group of its own; `log` is where it says why it does not start.

    `user`: whose rights it gets, where the tests run as root and the server refuses to. `ending`: the signal that asks
    for an orderly stop.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        ending: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._command = list(command)
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._identity = identity_of(user)
        self._ending = ending
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self._identity,
            )

    def stop(self) -> None:
        """In an orderly way: connections are ended, what was taken is on the disk. May be repeated."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self._ending)
            self._wait()

    def kill(self) -> None:
        """As in a power cut: the master and all it started, at once. May be repeated."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._wait()

    def _wait(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise
        finally:
            self._process = None

    def require_running(self) -> None:
        """Raises RuntimeError with what the server said if it has ended."""
        if not self.is_running:
            raise RuntimeError(f"{self._command[0]} ended at once:\n{self._log.read_text(errors='replace')}")

    def await_port(self, port: int) -> None:
        """Until the server greets there. A port that only listens may belong to a server that can't answer yet."""

        def greets() -> bool:
            self.require_running()
            try:
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                    return bool(connection.recv(1))
            except OSError:
                return False

        wait_until(greets, f"{self._command[0]} greets on port {port}")


def identity_of(user: str | None) -> dict[str, Any]:
    """Arguments for `subprocess` that start a program as this user; none where nobody asks, or we may not."""
    if user is None or os.getuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}


class Guardian:
    """See guardian.py. It stands from the first moment, so that nothing is left behind if a start fails."""

    def __init__(self, folder: Path) -> None:
        script = Path(__file__).with_name("guardian.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def close(self) -> None:
        """Kill what is left of the folder's servers, and remove the folder. May be repeated."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Ask again and again, at first very often. Raises TimeoutError with `what` after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    pause = 0.002
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE} s in vain until {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
