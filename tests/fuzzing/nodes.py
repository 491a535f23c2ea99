"""A host and two stations that have come to rest, in a folder, and each of them set back to that state in a moment."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from replicator.engine import session
from replicator.engine.node import Node
from replicator.operations.node_setup import host_init, remote_init
from replicator.operations.opening import View, open_node, open_view
from replicator.operations.rules_admin import set_rule
from replicator.operations.stations import add_station
from replicator.operations.table_admin import add_tables
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.types import Kinds

HOST, STATION, OTHER = "host", "koeln", "lager"
TABLES = ("customers", "orders", "places")

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(30) NOT NULL, credit REAL DEFAULT 0, email TEXT UNIQUE);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, item TEXT, photo BLOB
);
CREATE TABLE places (town TEXT, number INTEGER, note TEXT, PRIMARY KEY (town, number)) WITHOUT ROWID;
INSERT INTO customers VALUES (1, 'Maier', 0.5, 'maier@example.com'), (2, 'Özil', NULL, NULL), (3, 'Xu', 3, 'x@y');
INSERT INTO orders VALUES (1, 1, 'nails', NULL), (2, 1, 'screws', x'00ff'), (3, 3, '', x'');
INSERT INTO places VALUES ('Köln', 1, 'a'), ('Ulm', 2, NULL);
"""


class Nodes:
    """All of it lies in one folder; `set_back` is what makes an input's effect depend on nothing but the input."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._clock = 1_790_000_000_000_000
        self.runtime = Runtime(now=self._now)
        self._files = Files(self.runtime, durable=False)
        self._set_up()
        for name in (HOST, STATION, OTHER):
            kept = self.folder / "kept" / name
            kept.mkdir(parents=True)
            shutil.copyfile(self.database(name), kept / "app.db")
            shutil.copytree(self.home(name).path, kept / "home")

    def _now(self) -> int:
        self._clock += 1_000_000
        return self._clock

    def _set_up(self) -> None:
        with closing(sqlite3.connect(self.database(HOST))) as raw:
            raw.executescript(SCHEMA)
        url, mail = f"sqlite:///{self.database(HOST)}", f"folder:{self.folder / 'mail'}"
        host_init(self.home(HOST), self.runtime, database=url, address=address(HOST), mailbox=mail)
        with self.opened(HOST) as host:
            add_tables(host, TABLES)
            for name in (STATION, OTHER):
                add_station(host, name, address(name), out=self.folder / f"{name}.invitation")
                set_rule(host, name, "all", to_remote=Kinds.ALL, to_host=Kinds.ALL)
        for name in (STATION, OTHER):
            url, invitation = f"sqlite:///{self.database(name)}", self.folder / f"{name}.invitation"
            remote_init(self.home(name), self.runtime, invitation, passphrase=None, database=url, mailbox=mail)
        for _ in range(4):
            for name in (HOST, STATION, OTHER):
                self.run(name)

    def database(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def home(self, name: str) -> Home:
        return Home(self.folder / name, self._files)

    def inbox(self, name: str) -> Path:
        return self.folder / "mail" / address(name) / "new"

    @contextmanager
    def opened(self, name: str) -> Iterator[Node]:
        with open_node(self.home(name), self.runtime) as node:
            yield node

    @contextmanager
    def viewed(self, name: str) -> Iterator[View]:
        with open_view(self.home(name), self.runtime) as view:
            yield view

    def run(self, name: str) -> session.Summary:
        with self.opened(name) as node:
            return session.run(node)

    def write(self, name: str, *statements: str) -> None:
        """The application at work."""
        with closing(sqlite3.connect(self.database(name))) as raw:
            raw.execute("PRAGMA foreign_keys = ON")
            for statement in statements:
                raw.execute(statement)
            raw.commit()

    def content(self, name: str) -> list[object]:
        """All rows of the application's tables, the types of their values included."""
        with closing(sqlite3.connect(self.database(name))) as raw:
            raw.text_factory = bytes
            there = {table.decode() for (table,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            return [
                (table, repr(raw.execute(f'SELECT * FROM "{table}" ORDER BY 1, 2').fetchall()))
                for table in sorted(there)
                if not table.startswith(("replicator_", "sqlite_"))
            ]

    def mails(self, name: str) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.inbox(name).iterdir())]

    def deliver(self, name: str, mail: bytes) -> None:
        (self.inbox(name) / f"{self._now()}.eml").write_bytes(mail)

    def set_back(self, name: str) -> None:
        """Database and home as they were at rest, no mail for anybody."""
        kept = self.folder / "kept" / name
        for suffix in ("", "-wal", "-shm"):
            self.database(name).with_name(f"{name}.db{suffix}").unlink(missing_ok=True)
        shutil.copyfile(kept / "app.db", self.database(name))
        shutil.rmtree(self.home(name).path)
        shutil.copytree(kept / "home", self.home(name).path)
        for box in (self.folder / "mail").iterdir():
            for mail in (box / "new").iterdir():
                mail.unlink()


def address(name: str) -> str:
    return f"{name}@example.com"


def new_nodes() -> Nodes:
    """In memory where the system has a place for that: nothing in here has to outlive the process."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="replicator-fuzzing-", dir=memory if memory.is_dir() else None)
    return Nodes(Path(folder))
