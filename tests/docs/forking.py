"""The program, loaded once and forked for each command: pages that tell to type dozens of them are played in seconds.

Each command is a process of its own, with the folder, environment and files of whoever typed it. `MACHINE` and `DAYS`
in its environment say on which computer, and how many days from now, it runs.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CLIENT = """\
import json, os, socket, sys
there = socket.socket(socket.AF_UNIX)
there.connect({path!r})
told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(there, [len(told).to_bytes(4, "big")], [0, 1, 2])
there.sendall(told)
sys.exit((there.recv(1) or b"\\x7f")[0])
"""


@contextmanager
def serving(folder: Path, program: Path) -> Iterator[None]:
    """Within: what stands at `program` is the replicator. `folder`: of a short path."""
    path = str(folder / "s")
    client = folder / "client.py"
    client.write_text(CLIENT.format(path=path), encoding="utf-8")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "{client}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"}
    with subprocess.Popen([sys.executable, __file__, path], env=environment, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            server.terminate()


def _serve(path: str) -> None:
    import replicator

    for module in pkgutil.walk_packages(replicator.__path__, "replicator."):
        with suppress(ImportError):  # of another platform, or what is optional
            if not module.name.endswith(("__main__", ".env")):  # what Alembic runs
                importlib.import_module(module.name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while True:
            there, _ = listening.accept()
            with there:
                if not os.fork():
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    listening.close()
                    _attend(there)


def _attend(there: socket.socket) -> None:
    """Fork once more, and tell how that ended."""
    head, files, _, _ = socket.recv_fds(there, 4, 3)
    told = b""
    while len(told) < int.from_bytes(head, "big"):
        told += there.recv(1 << 20)
    child = os.fork()
    if not child:
        there.close()
        _become(files, *json.loads(told))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    there.sendall(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def _become(files: list[int], arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    # Python's own were made for other files.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["replicator", *arguments]
    _move(environment.get("MACHINE", ""), int(environment.get("DAYS", "0")))
    from replicator.cli.main import run

    code = 1
    try:
        code = run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _move(machine_number: str, days: int) -> None:
    """To another computer, and another day."""
    from replicator.store import machine

    if machine_number:
        machine._machine_id = lambda: machine_number  # type: ignore[assignment]
    shift, now = days * 86_400 * 10**9, time.time_ns
    time.time_ns = lambda: now() + shift


if __name__ == "__main__":
    _serve(sys.argv[1])
