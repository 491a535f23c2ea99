"""The five places: a node each, with its database, its home folder, and a fault proxy before each of its servers."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from replicator.cli import main
from tests.servers.farm import SMALL_QUOTA_USER, USERS, MailFarm
from tests.servers.fault_proxy import FaultProxy

HOST, *STATIONS = USERS
WAYS = {
    "server": ("imaps", "smtps"),
    "remote1": ("pop3s", "smtps"),
    "remote2": ("imap", "silent"),
    "remote3": ("imaps", "smtp"),
    "remote4": ("pop3", "smtp"),
}
"""How each fetches and sends: two of the farm's ports. `silent` takes small mails only and doesn't say so."""
BY_TOKEN = "remote2"
"""Who logs in by XOAUTH2."""
FULL = SMALL_QUOTA_USER
"""Whose mailbox holds little."""

TABLES = ("customers", "documents", "shared")
SCHEMA = """
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, changes INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), title TEXT, scan BLOB
    );
    CREATE TABLE shared (id INTEGER PRIMARY KEY, note TEXT);
"""

AUDIT = """
    CREATE TABLE audit_rows (table_id INTEGER, row_key BLOB, epoch INTEGER, n INTEGER);
    CREATE TABLE audit_batches (peer INTEGER, epoch TEXT, before INTEGER, n INTEGER);
    CREATE TRIGGER audit_new_row AFTER INSERT ON replicator_row_version WHEN NEW.n > 0 BEGIN
        INSERT INTO audit_rows VALUES (NEW.table_id, NEW.row_key, NEW.epoch, NEW.n);
    END;
    CREATE TRIGGER audit_row AFTER UPDATE ON replicator_row_version
    WHEN NEW.n <> OLD.n OR NEW.epoch <> OLD.epoch BEGIN
        INSERT INTO audit_rows VALUES (NEW.table_id, NEW.row_key, NEW.epoch, NEW.n);
    END;
    CREATE TRIGGER audit_batch AFTER UPDATE OF in_n ON replicator_link WHEN NEW.in_n <> OLD.in_n BEGIN
        INSERT INTO audit_batches VALUES (
            NEW.peer, NEW.in_epoch_epoch || '.' || NEW.in_epoch_n, OLD.in_n, NEW.in_n
        );
    END;
"""
"""Counts what is applied, from outside: each state that a row is given, each batch that a link goes on by. Triggers on
the replicated tables themselves would be silent while the replicator applies."""

_CLIENT = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Ended:
    """How a process went."""

    code: int
    """Below zero: ended by that signal."""
    outcome: dict[str, Any] | None
    """What it printed, where it came to that."""
    err: str
    seconds: float
    peak: int
    """Bytes of memory at most."""


@dataclass
class Place:
    farm: MailFarm
    folder: Path
    user: str
    sending: FaultProxy = field(init=False)
    fetching: FaultProxy = field(init=False)
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        fetches, sends = WAYS[self.user]
        self.sending, self.fetching = FaultProxy(self.farm.port[sends]), FaultProxy(self.farm.port[fetches])

    @property
    def is_host(self) -> bool:
        return self.user == HOST

    @property
    def home(self) -> Path:
        return self.folder / self.user

    @property
    def database_file(self) -> Path:
        return self.folder / f"{self.user}.db"

    def close(self) -> None:
        self.kill()
        for proxy in (self.sending, self.fetching):
            proxy.close()

    # --- set-up -------------------------------------------------------------------------------------------------

    def here(self, *arguments: str | Path, good: Collection[int] = (0,)) -> str:
        """A command, in this process; it has to end with one of these codes. Gives what it printed."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.run(["--home", str(self.home), *map(str, arguments)])
        assert code in good, (self.user, arguments, code, err.getvalue())
        return out.getvalue()

    def account_options(self) -> list[str]:
        """Of host-init and remote-init."""
        fetches, sends = WAYS[self.user]
        password = self.folder / f"{self.user}.password"
        password.touch(mode=0o600)
        password.write_text(self.farm.password(self.user), encoding="utf-8")
        return [
            *("--database", f"sqlite:///{self.database_file}", "--ca", str(self.farm.authority)),
            *("--mailbox", self.farm.url(fetches, self.user, port=self.fetching.port)),
            *("--send", self.farm.url(sends, self.user, port=self.sending.port)),
            *("--password-file", str(password)),
        ]

    def sign_in(self) -> None:
        """From now on it logs in by XOAUTH2."""
        authority = self.farm.tokens.authority

        def enter_the_code() -> None:
            while not (codes := self.farm.tokens.waiting()):
                time.sleep(0.02)
            self.farm.tokens.approve(codes[0], self.farm.address(self.user))

        person = threading.Thread(target=enter_the_code, daemon=True)
        person.start()
        self.here("account", "set", "--auth", "oauth2", "--oauth-client-id", _CLIENT, "--oauth-authority", authority)

    def configure(self, **values: int) -> None:
        """Change values of replicator.toml, wherever they stand in it."""
        file = self.home / "replicator.toml"
        text = file.read_text(encoding="utf-8")
        for name, value in values.items():
            text, count = re.subn(rf"(?m)^#? ?{name} = .*$", f"{name} = {value}", text)
            assert count == 1, name
        file.write_text(text, encoding="utf-8")

    # --- runs ---------------------------------------------------------------------------------------------------

    def start(self, *options: str) -> None:
        words = [sys.executable, "-m", "replicator.cli.main", "host-run" if self.is_host else "remote-run", "--json"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REPLICATOR_")}
        self._began = time.monotonic()
        with self._said("out").open("w") as out, self._said("err").open("w") as err:
            self._process = subprocess.Popen(
                [*words, *options],
                env=kept | {"REPLICATOR_HOME": str(self.home), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )

    def kill(self) -> None:
        """As in a power cut. Nothing, where nothing runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def ended(self) -> Ended | None:
        """How the process went; None: it runs. To be asked until it is not, and not again then."""
        assert self._process is not None
        found, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if not found:
            return None
        self._process.returncode = os.waitstatus_to_exitcode(status)
        out = self._said("out").read_text(encoding="utf-8")
        return Ended(
            code=self._process.returncode,
            outcome=json.loads(out) if out.strip() and self._process.returncode >= 0 else None,
            err=self._said("err").read_text(encoding="utf-8").strip(),
            seconds=time.monotonic() - self._began,
            peak=usage.ru_maxrss * 1024,
        )

    def _said(self, stream: str) -> Path:
        return self.folder / f"{self.user}.{stream}"

    # --- the database -------------------------------------------------------------------------------------------

    @contextmanager
    def opened(self, *, timeout: float = 60) -> Iterator[sqlite3.Connection]:
        """As the application opens it."""
        with closing(sqlite3.connect(self.database_file, timeout=timeout, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.opened() as connection:
            return connection.execute(statement, parameters).fetchall()


def set_up(farm: MailFarm, folder: Path, fill: str, **settings: int) -> list[Place]:
    """Host and stations, the host first; nothing has been exchanged. `fill` is SQL that fills the host's tables."""
    places = [Place(farm, folder, user) for user in USERS]
    host, *stations = places
    with host.opened() as connection:
        connection.executescript(f"PRAGMA synchronous = OFF; {SCHEMA}; {fill}")
    host.here("host-init", "--address", farm.address(HOST), *host.account_options())
    host.here("table", "add", *TABLES)
    for station in stations:
        invitation = folder / f"{station.user}.invitation"
        host.here("station", "add", station.user, "--address", farm.address(station.user), "--out", invitation)
        host.here("rule", "set", station.user, "all", "--to-remote", "all", "--to-host", "all")
        station.here("remote-init", invitation, *station.account_options())
        if station.user == BY_TOKEN:
            station.sign_in()
    for place in places:
        place.configure(probe_minutes=1, **settings)
        with place.opened() as connection:
            connection.executescript(AUDIT)
    return places
