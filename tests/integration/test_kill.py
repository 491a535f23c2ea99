"""kill -9, SIGTERM and Ctrl-C of host-run and remote-run at random moments, while both applications write.

Each write carries a token of its own. At the end both databases hold what was committed: nothing lost, nothing doubled,
and no conflict, as no row is written by two sides. REPLICATOR_KILLS tells how often to kill; 200 by hand.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from processes import Computer, exchange, invite, new_host

KILLS = int(os.environ.get("REPLICATOR_KILLS", "30"))
PARTS = 2
"""Tests that share the kills, so that they can run side by side."""
STOPPED = (1, "replicator: stopped; nothing is lost\n")
SCHEMA = """
    CREATE TABLE entries (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, filling TEXT);
    CREATE TABLE states (id INTEGER PRIMARY KEY, token TEXT NOT NULL, count INTEGER NOT NULL);
"""


class Application:
    """Inserts, updates, deletes; what has been committed stands in `entries` and `states`. Ids of two don't meet."""

    def __init__(self, computer: Computer, number: int, seed: int) -> None:
        self._computer = computer
        self._number = number
        self._dice = random.Random(seed)
        self._next = number
        self.entries: dict[int, str] = {}
        self.states: dict[int, tuple[str, int]] = {}
        self.writes = 0

    def __call__(self, stop: threading.Event) -> None:
        with closing(sqlite3.connect(self._computer.database_file, timeout=60, isolation_level=None)) as connection:
            while not stop.is_set():
                connection.execute("BEGIN IMMEDIATE")
                entries, states = dict(self.entries), dict(self.states)
                for _ in range(self._dice.choice((1, 1, 5, 40))):
                    self._write(connection, entries, states)
                if self._dice.random() < 0.1:
                    connection.execute("ROLLBACK")
                else:
                    connection.execute("COMMIT")
                    self.entries, self.states = entries, states
                stop.wait(self._dice.random() * 0.05)

    def _write(
        self, connection: sqlite3.Connection, entries: dict[int, str], states: dict[int, tuple[str, int]]
    ) -> None:
        self.writes += 1
        token, kind = f"{self._computer.name}-{self.writes}", self._dice.random()
        if kind < 0.5:
            self._next += 2
            connection.execute("INSERT INTO entries VALUES (?, ?, ?)", (self._next, token, "x" * 200))
            entries[self._next] = token
        elif kind < 0.6 and entries:
            gone = self._dice.choice(list(entries))
            connection.execute("DELETE FROM entries WHERE id = ?", (gone,))
            del entries[gone]
        else:
            row = self._dice.randrange(20) * 2 + self._number
            # Counted by the database: an update that came back twice would show.
            connection.execute(
                "INSERT INTO states VALUES (?, ?, 1)"
                " ON CONFLICT (id) DO UPDATE SET token = excluded.token, count = count + 1",
                (row, token),
            )
            states[row] = (token, states.get(row, ("", 0))[1] + 1)


@contextmanager
def writing(*applications: Application) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=application, args=(stop,)) for application in applications]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def killed(computers: list[Computer], dice: random.Random, how: signal.Signals) -> int:
    """Both runs at once, each killed at a moment of its own, after it has begun. Returns how many died of it."""
    processes = [(computer, computer.start(computer.run_command)) for computer in computers]
    threads = [threading.Thread(target=_kill, args=(*each, dice.random(), how)) for each in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    died = 0
    for _, process in processes:
        out, err = process.communicate()
        # By -SIGTERM it dies when all is done, and Python is about to end.
        assert (process.returncode, err) in ((0, ""), (-how, ""), STOPPED), (out, err)
        assert how != signal.SIGKILL or process.returncode <= 0
        died += process.returncode != 0
    return died


def _kill(computer: Computer, process: subprocess.Popen[str], when: float, how: signal.Signals) -> None:
    running = computer.home / "running"
    before = _written(running)
    while process.poll() is None and _written(running) == before:
        time.sleep(0.001)
    time.sleep(when * 0.5)
    process.send_signal(how)
    process.wait()


def _written(path: Path) -> int:
    """When a process last noted itself; a killed one leaves its note."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def settle(office: Computer, station: Computer) -> None:
    for _ in range(20):
        exchange(office, station, rounds=1)
        if all(json.loads(each.here(each.run_command, "--json"))["idle"] for each in (office, station)):
            return
        # An acknowledgement that died with its sender is asked for after a quarter of an hour, or now.
        office.here("host-run", "--resend-now")
        station.here("remote-run", "--resend-now")
    pytest.fail("it does not come to rest")


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_moment(tmp_path: Path, part: int) -> None:
    dies_at_random(tmp_path, part, (signal.SIGKILL,), KILLS // PARTS)


def test_stopped_at_any_moment(tmp_path: Path) -> None:
    """One line, and then as with kill -9."""
    dies_at_random(tmp_path, PARTS, (signal.SIGTERM, signal.SIGINT), KILLS // PARTS)


def dies_at_random(tmp_path: Path, part: int, ways: tuple[signal.Signals, ...], times: int) -> None:
    dice = random.Random(part)
    office = new_host(tmp_path, SCHEMA, ("entries", "states"))
    office.many("INSERT INTO entries VALUES (?, ?, NULL)", [(-number, f"old-{number}") for number in range(2000)])
    koeln = invite(office, "koeln")
    for computer in (office, koeln):
        computer.configure(part_bytes=10_000, batch_bytes=10_000, window_bytes=100_000)
    died, rounds = 0, 0
    applications = [Application(office, 0, part)]
    while died < times:
        rounds += 1
        assert rounds < 20 + 2 * times, "hardly any run lives long enough to be killed"
        if len(applications) == 1 and koeln.rows("entries"):
            applications.append(Application(koeln, 1, part + 100))
        with writing(*applications):
            died += killed([office, koeln], dice, dice.choice(ways))
            if rounds % 4 == 0:
                time.sleep(0.1)
                exchange(koeln, office, rounds=1)
    settle(office, koeln)
    old = {(-number, f"old-{number}") for number in range(2000)}
    entries = {pair for application in applications for pair in application.entries.items()} | old
    states = {(row, *state) for application in applications for row, state in application.states.items()}
    for computer in (office, koeln):
        tokens = Counter(token for (token,) in computer.sql("SELECT token FROM entries"))
        assert not [token for token, count in tokens.items() if count > 1]
        assert set(computer.sql("SELECT id, token FROM entries")) == entries
        assert set(computer.sql("SELECT * FROM states")) == states
        assert computer.sql("SELECT count(*) FROM replicator_conflict") == [(0,)]
        assert not list((computer.home / "aside").iterdir())
        orphans = [path for path in (computer.home / "spool").rglob("*") if path.is_file()]
        assert not orphans, "all is acknowledged and applied: nothing needs the spool"
    print(f"{died} died in {rounds} rounds, {sum(application.writes for application in applications)} writes")


def test_ctrl_c_at_the_very_end_prints_nothing() -> None:
    """All is done, and Python is about to end: it would tell of an exception that nobody can act on."""
    code = (
        "import signal, sys; from replicator.cli.main import run; sys.argv[1:] = ['--version']; run();"
        " sys.exit(signal.getsignal(signal.SIGINT) is not signal.SIG_DFL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
