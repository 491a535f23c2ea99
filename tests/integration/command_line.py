"""A node as a person uses it: by its command line, on a database of its own, with folders for mail."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from replicator.cli import main
from replicator.engine.session import Summary
from replicator.engine.session import run as run_session
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home

SCHEMA = """
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT);
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), note TEXT, scan BLOB
    );
    CREATE TABLE logbook (line TEXT);
    INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Köln');
    INSERT INTO orders VALUES (1, 1, NULL, x'00ff');
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Place:
    """One computer: `folder/NAME` is its home, `folder/NAME.db` its database, `folder/mail` the mail of all."""

    folder: Path
    name: str
    capture: pytest.CaptureFixture[str]

    @property
    def home(self) -> Path:
        return self.folder / self.name

    @property
    def database_file(self) -> Path:
        return self.folder / f"{self.name}.db"

    @property
    def options(self) -> list[str]:
        return ["--database", f"sqlite:///{self.database_file}", "--mailbox", f"folder:{self.folder / 'mail'}"]

    @property
    def application_url(self) -> str:
        """The database as an application opens it by SQLAlchemy."""
        return f"sqlite:///{self.database_file}"

    @property
    def is_alone(self) -> bool:
        """Whoever writes keeps all others from writing."""
        return True

    @property
    def django(self) -> dict[str, Any]:
        """The database's settings in Django's words."""
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self.database_file)}

    def call(self, *arguments: str | Path) -> Result:
        self.capture.readouterr()
        code = main.run(["--home", str(self.home), *map(str, arguments)])
        out, err = self.capture.readouterr()
        return Result(code, out, err)

    def done(self, *arguments: str | Path) -> Result:
        """The command has to succeed."""
        result = self.call(*arguments)
        assert (result.code, result.err) == (0, ""), result.err or result.out
        return result

    def refused(self, *arguments: str | Path, code: int = 2) -> str:
        """The command has to fail with one line, which is returned."""
        result = self.call(*arguments)
        assert result.code == code, result
        assert result.err.count("\n") == 1, result.err
        assert "Traceback" not in result.err
        return result.err.removeprefix("replicator: ").strip()

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What the application does."""
        connection = sqlite3.connect(self.database_file)
        try:
            with connection:
                return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def back_up(self) -> None:
        """By the database's own means."""
        with closing(sqlite3.connect(self.database_file)) as live, closing(sqlite3.connect(self.backup)) as copy:
            live.backup(copy)

    def put_back(self) -> None:
        for end in ("-wal", "-shm"):
            Path(f"{self.database_file}{end}").unlink(missing_ok=True)
        shutil.copyfile(self.backup, self.database_file)

    @property
    def backup(self) -> Path:
        return self.folder / f"{self.name}.backup"

    def run(self, *, later: int = 0) -> Summary:
        """A synchronisation, in so many seconds from now."""
        runtime = Runtime(now=lambda: time.time_ns() // 1000 + later * 1_000_000)
        with open_node(Home(self.home, Files(runtime)), runtime) as node:
            return run_session(node)


def new_office(folder: Path, capture: pytest.CaptureFixture[str]) -> Place:
    """A host with two replicated tables and the station Köln, invited."""
    office = Place(folder, "office", capture)
    connection = sqlite3.connect(office.database_file)
    connection.executescript(SCHEMA)
    connection.close()
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "orders", "customers", "--area", "Sales")
    office.done("station", "add", "Köln", "--address", "koeln@example.com", "--out", folder / "k.invitation")
    return office


def join(folder: Path, capture: pytest.CaptureFixture[str], name: str = "koeln") -> Place:
    """The computer of the station Köln, by the invitation in the folder."""
    station = Place(folder, name, capture)
    station.done("remote-init", folder / "k.invitation", *station.options)
    return station


def enrol(office: Place, *stations: Place) -> None:
    """Invite these computers, with rules for all in both directions, and join them."""
    for station in stations:
        invitation = station.folder / f"{station.name}.invitation"
        office.done("station", "add", station.name, "--address", f"{station.name}@example.com", "--out", invitation)
        office.done("rule", "set", station.name, "all", "--to-remote", "all", "--to-host", "all")
        station.done("remote-init", invitation, *station.options)


def exchange(*places: Place, rounds: int = 3) -> None:
    for _ in range(rounds):
        for place in places:
            place.run()
