"""A host and its stations in a folder, set up by the real operations, with databases and mailboxes as in production."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

from bench.data import Row
from bench.sites import Site
from replicator.engine import session
from replicator.engine.node import Node
from replicator.engine.session import Summary
from replicator.operations.comparing import compare
from replicator.operations.journal_replay import replay_into
from replicator.operations.node_setup import host_init, remote_init
from replicator.operations.numbers_admin import Wish, set_numbers
from replicator.operations.opening import open_node
from replicator.operations.rules_admin import set_rule
from replicator.operations.stations import add_station
from replicator.operations.table_admin import add_tables
from replicator.runtime import Runtime
from replicator.store import conflicts, sql
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.types import Kinds

HOST = "host"


class Places:
    """A host with one table set and stations that get and send everything."""

    def __init__(
        self,
        folder: Path,
        schema: str,
        tables: list[str],
        stations: Iterable[str] = ("koeln",),
        sites: Mapping[str, Site] | None = None,
    ) -> None:
        """Stations exist at the host only, until `enrol`; nothing has been mailed yet.

        `sites`: the databases of the nodes that have one on a server; the host's has its tables already. All others
        are SQLite files.
        """
        folder.mkdir(parents=True)
        self.folder = folder
        self._sites = dict(sites or {})
        self.stations = list(stations)
        self._runtime = Runtime()
        self._files = Files(self._runtime)
        if HOST not in self._sites:
            with closing(sqlite3.connect(self.database(HOST))) as raw:
                raw.executescript(schema)
        host_init(
            self._home(HOST),
            self._runtime,
            database=self._url(HOST),
            address=self.address(HOST),
            mailbox=f"folder:{self.mail}",
        )
        with open_node(self._home(HOST), self._runtime) as host:
            add_tables(host, tables)
            for name in self.stations:
                self._invite(host, name)

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    def database(self, node: str) -> Path:
        return self.folder / f"{node}.db"

    def _url(self, node: str) -> str:
        return self._sites[node].url if node in self._sites else f"sqlite:///{self.database(node)}"

    @staticmethod
    def address(node: str) -> str:
        return f"{node}@example.com"

    def home(self, node: str) -> Path:
        return self.folder / node

    def _home(self, node: str) -> Home:
        return Home(self.home(node), self._files)

    def _invitation(self, station: str) -> Path:
        return self.folder / f"{station}.invitation"

    def invite(self, station: str) -> None:
        """A station more, with the rules of the others."""
        self.stations.append(station)
        with open_node(self._home(HOST), self._runtime) as host:
            self._invite(host, station)

    def _invite(self, host: Node, station: str) -> None:
        add_station(host, station, self.address(station), out=self._invitation(station))
        set_rule(host, station, "all", to_remote=Kinds.ALL, to_host=Kinds.ALL)

    def add(self, *tables: str) -> None:
        """Replicate these, too; nobody gets them."""
        with open_node(self._home(HOST), self._runtime) as host:
            add_tables(host, tables)

    def enrol(self, station: str) -> None:
        """Set the station up from its invitation."""
        remote_init(
            self._home(station),
            self._runtime,
            self._invitation(station),
            passphrase=None,
            database=self._url(station),
            mailbox=f"folder:{self.mail}",
        )

    def run(self, node: str) -> Summary:
        """One synchronisation, with opening and closing, as a command of its own would do it."""
        with open_node(self._home(node), self._runtime) as opened:
            return session.run(opened)

    def number(self, node: str, table: str, column: str, block: int) -> None:
        """The host, by its own name, or a station draws numbers of a column, so many at a time."""
        with open_node(self._home(HOST), self._runtime) as host:
            set_numbers(host, host.name if node == HOST else node, table, column, Wish(block=block))

    def replay(self, url: str) -> None:
        """Build the tables of the host's journal in the empty database of this URL."""
        replay_into(self._home(HOST), self._runtime, url)

    def compare(self, station: str) -> None:
        """Have the station's rows compared by the next runs."""
        with open_node(self._home(HOST), self._runtime) as host:
            compare(host, [station])

    def compared(self) -> tuple[str, int]:
        """State of the last comparison, and how many rows it found."""
        with open_node(self._home(HOST), self._runtime) as host, host.unit() as unit:
            state = sql.one(unit.connection, "SELECT state FROM replicator_comparison ORDER BY id DESC LIMIT 1")
            found = sql.one(unit.connection, "SELECT count(*) FROM replicator_comparison_row")
            return ("" if state is None else state[0]), (0 if found is None else found[0])

    def exchange(self, source: str, target: str) -> None:
        """One run of each."""
        self.run(source)
        self.run(target)

    def rest(self, *nodes: str) -> None:
        """Run until everything that is under way has arrived and has been acknowledged."""
        for _ in range(3):
            for node in nodes:
                self.run(node)

    def write(self, node: str, work: Callable[[sqlite3.Connection], object]) -> None:
        """The application at work on this node's SQLite database, in one transaction."""
        with closing(sqlite3.connect(self.database(node))) as raw:
            work(raw)
            raw.commit()

    def content(self, node: str, table: str) -> list[Row]:
        if node in self._sites:
            return self._sites[node].content(table)
        with closing(sqlite3.connect(self.database(node))) as raw:
            return raw.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()

    def conflicts(self) -> int:
        """How many are on record at the host."""
        with open_node(self._home(HOST), self._runtime) as host, host.unit() as unit:
            return conflicts.count(unit.connection)

    def mail_sizes(self, node: str) -> list[int]:
        """Bytes of the whole mails that wait for this node."""
        new = self.mail / self.address(node) / "new"
        return sorted(file.stat().st_size for file in new.iterdir()) if new.is_dir() else []
