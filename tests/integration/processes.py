"""Nodes as real processes: the installed console script on databases, homes and a mail folder below one folder.

A process takes half a second to start: what only leads up to a test is done in this one (`here`, `exchange`).
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from command_line import SCHEMA, Result

from replicator.cli import main

PATIENCE = 90
"""Seconds for a process that should take one, on a machine that does much else."""

Rows = list[tuple[Any, ...]]


def command() -> list[str]:
    """The console script of this environment; its module where the package is only on the path."""
    script = Path(sys.executable).with_name("replicator")
    return [str(script)] if script.exists() else [sys.executable, "-m", "replicator.cli.main"]


@dataclass
class Computer:
    """`folder/NAME` is its home, `folder/NAME.db` its database, `folder/mail` everybody's mail."""

    folder: Path
    name: str
    address: str = field(init=False)

    def __post_init__(self) -> None:
        self.address = f"{self.name}@example.com"

    @property
    def home(self) -> Path:
        return self.folder / self.name

    @property
    def database_file(self) -> Path:
        return self.folder / f"{self.name}.db"

    @property
    def inbox(self) -> Path:
        return self.folder / "mail" / self.address / "new"

    @property
    def run_command(self) -> str:
        return "host-run" if self.name == "office" else "remote-run"

    @property
    def options(self) -> list[str]:
        return ["--database", f"sqlite:///{self.database_file}", "--mailbox", f"folder:{self.folder / 'mail'}"]

    # --- processes ----------------------------------------------------------------------------------------------------

    def start(self, *arguments: str | Path, program: list[str] | None = None, **options: Any) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REPLICATOR_")}
        environment |= {"REPLICATOR_HOME": str(self.home), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipe = subprocess.PIPE
        whole: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, "text": True} | options
        words = [*(program or command()), *map(str, arguments)]
        return subprocess.Popen(words, env=environment, cwd=self.folder, **whole)

    def call(self, *arguments: str | Path, **options: Any) -> Result:
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=PATIENCE)
        return Result(process.returncode, out, err)

    def done(self, *arguments: str | Path) -> str:
        """The command has to succeed without a word on stderr; gives what it printed."""
        result = self.call(*arguments)
        assert (result.code, result.err) == (0, ""), result
        return result.out

    def refused(self, *arguments: str | Path, code: int, **options: Any) -> str:
        """The command has to fail with one line, which is returned."""
        result = self.call(*arguments, **options)
        assert result.code == code, result
        assert result.err.count("\n") == 1, result.err
        assert result.err.startswith("replicator: "), result.err
        assert "Traceback" not in result.err
        assert "error of ours" not in result.err, (self.home / "log" / "replicator.log").read_text(encoding="utf-8")
        return result.err.removeprefix("replicator: ").strip()

    def run(self, *arguments: str) -> str:
        """One synchronisation, which has to succeed."""
        return self.done(self.run_command, *arguments)

    def here(self, *arguments: str | Path) -> str:
        """The command in this process; it has to succeed. Gives what it printed."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.run(["--home", str(self.home), *map(str, arguments)])
        assert (code, err.getvalue()) == (0, ""), (code, err.getvalue(), out.getvalue())
        return out.getvalue()

    # --- the application ----------------------------------------------------------------------------------------------

    def sql(self, statement: str, *parameters: object) -> Rows:
        with closing(sqlite3.connect(self.database_file, timeout=30)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def many(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        with closing(sqlite3.connect(self.database_file, timeout=30)) as connection, connection:
            connection.executemany(statement, rows)

    def script(self, statements: str) -> None:
        with closing(sqlite3.connect(self.database_file, timeout=30)) as connection:
            connection.executescript(statements)

    def rows(self, table: str) -> Rows:
        """All rows; none where the table has not come yet."""
        try:
            return sorted(self.sql(f"SELECT * FROM {table}"), key=repr)
        except sqlite3.OperationalError:
            return []

    # --- the node -----------------------------------------------------------------------------------------------------

    def configure(self, **limits: int) -> None:
        """Change values of replicator.toml, wherever they stand in it."""
        file = self.home / "replicator.toml"
        text = file.read_text(encoding="utf-8")
        for name, value in limits.items():
            text, count = re.subn(rf"(?m)^#? ?{name} = .*$", f"{name} = {str(value).lower()}", text)
            assert count == 1, name
        file.write_text(text, encoding="utf-8")

    def mails(self) -> list[Path]:
        return sorted(self.inbox.glob("*")) if self.inbox.exists() else []


def new_host(folder: Path, schema: str = SCHEMA, tables: tuple[str, ...] = ("orders", "customers")) -> Computer:
    office = Computer(folder, "office")
    office.script(schema)
    office.here("host-init", *office.options, "--address", office.address)
    office.here("table", "add", *tables)
    return office


def invite(office: Computer, name: str, *, down: str = "all", up: str = "all", what: str = "all") -> Computer:
    """A station with a rule, set up by its invitation; nothing has been exchanged yet."""
    station = Computer(office.folder, name)
    office.here("station", "add", name, "--address", station.address, "--out", office.folder / f"{name}.invitation")
    office.here("rule", "set", name, what, "--to-remote", down, "--to-host", up)
    station.here("remote-init", office.folder / f"{name}.invitation", *station.options)
    return station


def exchange(*computers: Computer, rounds: int = 2) -> None:
    """Everybody in turn, so that all of it goes both ways and is acknowledged."""
    for _ in range(rounds):
        for computer in computers:
            computer.here(computer.run_command)


def equal(one: Computer, other: Computer) -> bool:
    return all(one.rows(table) == other.rows(table) for table in ("customers", "orders"))


def until(condition: Callable[[], bool], seconds: float = PATIENCE, step: float = 0.005) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(step)


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """What a lasting process prints, as it comes."""
    assert process.stdout is not None
    yield from process.stdout
