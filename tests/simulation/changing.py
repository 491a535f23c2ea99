"""Changed tables: the application gets new versions, at the host first and at the stations when it pleases (7.8).

One more table, whose columns come, are renamed and go. Each place knows by its database (`user_version`) how far its
application is, so that one that is set back is so with its columns. Every cell is written once, by one place.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from replicator.errors import ReplicatorError
from replicator.operations.rules_admin import set_rule
from replicator.operations.table_admin import add_tables
from replicator.operations.table_upgrades import upgrade_tables
from replicator.protocol.codec_plain import unpack_rows
from replicator.store import catalogue
from replicator.types import Kinds

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

TABLE = "form"
UNCERTAIN = {"power", "restore", "image", "clone", "host-restore", "host-image", "promotion"}
"""After these a write may be gone, rightly."""
PATIENCE = 6
"""Rounds until a person looks after a station for which nothing comes."""


class Release(NamedTuple):
    """What one version of the application does to the table."""

    what: str
    """'add', 'rename' or 'drop'."""
    column: str
    new: str = ""


class Changing:
    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = Random(f"schema {world.ledger.written} {len(world.faults)} {sorted(world.faults)}")
        self._unique = itertools.count(1).__next__
        self._releases: list[Release] = []
        self._written: dict[int, dict[str, int]] = {}
        """By row: values by the column's first name."""
        self._whose: dict[int, str] = {}
        self._changed_back: set[str] = set()
        self._certain = not UNCERTAIN & world.faults

    def begin(self) -> None:
        world, node = self._world, self._world.host.process
        world.host.application.raw.execute(f"CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY, a INTEGER)")
        add_tables(node, [TABLE])
        for station in world.stations:
            if station is not world.keeper:
                set_rule(node, station.station, TABLE, to_remote=Kinds.ALL, to_host=Kinds.ALL)
        # Most fires come early: the backup station is to have heard of the table.
        for each in 2 * world.nodes if world.keeper is not None and self._dice.random() < 0.9 else ():
            world.run(each)

    def happenings(self, node: SimulatedNode) -> None:
        if node.application.open or node.was_set_back or not _columns(node):
            return
        x = self._dice.random()
        if x < 0.3:
            if node is not self._world.keeper:
                self._write(node)
        elif x < 0.36 and node is self._world.host:
            self._release(node)
        elif x < 0.4 and node not in (self._world.host, self._world.keeper):
            # Nobody works at a backup station, and its table follows the host's by itself.
            self._migrate(node, self._dice.randint(0, self._done(self._world.host)))

    # --- the application ---------------------------------------------------------------------------------------------

    def _write(self, node: SimulatedNode) -> None:
        raw, columns = node.application.raw, _columns(node)
        node.before_write()
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return
        mine = [row for row, whose in self._whose.items() if whose == node.name]
        names = {name: self._first_name(node, name) for name in columns}
        if mine and self._dice.random() < 0.5:
            row = self._dice.choice(mine)
            free = [name for name in columns if names[name] not in self._written[row]]
            there = raw.execute(f"SELECT 1 FROM {TABLE} WHERE id = ?", (row,)).fetchone()
            if free and there:
                name, value = self._dice.choice(free), self._unique()
                raw.execute(f"UPDATE {TABLE} SET {name} = ? WHERE id = ?", (value, row))
                self._written[row][names[name]] = value
        else:
            row = self._unique()
            values = {name: self._unique() for name in columns if self._dice.random() < 0.7}
            listed, marks = ", ".join(["id", *values]), ", ".join("?" * (len(values) + 1))
            raw.execute(f"INSERT INTO {TABLE} ({listed}) VALUES ({marks})", (row, *values.values()))
            self._written[row], self._whose[row] = {names[name]: value for name, value in values.items()}, node.name
        raw.execute("COMMIT")
        self._world.tell("%s: the application: %s %s", node.name, TABLE, (row, self._written[row]))

    def _first_name(self, node: SimulatedNode, name: str) -> str:
        for release in reversed(self._releases[: self._done(node)]):
            if release.what == "rename" and release.new == name:
                name = release.column
        return name

    def _now(self, first: str, done: int) -> str | None:
        """What a column is called now; None: it was dropped."""
        name: str | None = first
        for release in self._releases[:done]:
            if release.column == name and release.what != "add":
                name = release.new if release.what == "rename" else None
        return name

    # --- new versions ------------------------------------------------------------------------------------------------

    def _done(self, node: SimulatedNode) -> int:
        """How many releases this place's application has seen; where the replicator made the table, what it shows."""
        told = int(node.application.raw.execute("PRAGMA user_version").fetchone()[0])
        if told or (node is self._world.host and not node.promoted):
            return told
        here = set(_columns(node))
        states = [["a"]]
        for release in self._releases:
            renamed = [release.new if name == release.column else name for name in states[-1]]
            states.append(
                [*states[-1], release.column] if release.what == "add" else [name for name in renamed if name]
            )
        return max((done for done, state in enumerate(states) if here.issuperset(state)), default=0)

    def _release(self, host: SimulatedNode) -> None:
        """The host's application gets a new version: one that there was before it was set back, or a new one."""
        done, columns = self._done(host), _columns(host)
        if done == len(self._releases):
            what = self._dice.choice(["add", "add", "rename", "drop"])
            column = self._dice.choice(columns)
            new = f"c{len(self._releases)}"
            if what == "add" or (what == "drop" and len(columns) < 3):
                self._releases.append(Release("add", new))
            else:
                self._releases.append(Release(what, column, new if what == "rename" else ""))
        self._migrate(host, done + 1)

    def _migrate(self, node: SimulatedNode, to: int) -> None:
        done = self._done(node)
        if to <= done or node.application.open:
            return
        raw = node.application.raw
        node.before_write()
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return
        for release in self._releases[done:to]:
            self._world.tell("%s: the application is upgraded: %s", node.name, release)
            self._carry_out(node, release)
        raw.execute(f"PRAGMA user_version = {to}")
        raw.execute("COMMIT")
        self.take_over(node)

    def _carry_out(self, node: SimulatedNode, release: Release) -> None:
        raw, columns = node.application.raw, _columns(node)
        if release.what == "add":
            if release.column not in columns:
                raw.execute(f"ALTER TABLE {TABLE} ADD COLUMN {release.column} INTEGER")
        elif release.what == "rename":
            if release.column in columns:
                raw.execute(f"ALTER TABLE {TABLE} RENAME COLUMN {release.column} TO {release.new}")
        else:
            kept = [name for name in columns if name != release.column]
            raw.execute(f"CREATE TABLE made (id INTEGER PRIMARY KEY, {', '.join(f'{name} INTEGER' for name in kept)})")
            raw.execute(f"INSERT INTO made SELECT id, {', '.join(kept)} FROM {TABLE}")
            raw.execute(f"DROP TABLE {TABLE}")
            raw.execute(f"ALTER TABLE made RENAME TO {TABLE}")

    def take_over(self, node: SimulatedNode) -> None:
        """What a person does behind a migration; again, where it died on its way."""

        def deed(node: SimulatedNode) -> None:
            try:
                upgrade_tables(node.process, [TABLE], self._renamed(node, _known(node)))
            except ReplicatorError as error:
                self._world.tell("  %s", error)

        self._world.act(node, "table upgrade", deed)

    def see_to_stations(self, turn: int) -> None:
        """A station whose application was early waits for the host's word, and a host that was set back for what the
        station has by the former names: a person changes the table back, as status says, and upgrades again later."""
        if turn % PATIENCE != PATIENCE - 1:
            return
        for station in self._world.stations:
            if _holds_up_all(station):
                self._change_back(station)
                self._changed_back.add(station.name)
            elif station.name in self._changed_back:
                self._changed_back.discard(station.name)
                self._migrate(station, len(self._releases))

    def _change_back(self, station: SimulatedNode) -> None:
        raw, known = station.application.raw, _known(station)
        for name, now in self._renamed(station, known).items():
            self._world.tell("%s: a person changes back: %s to %s", station.name, now, name)
            raw.execute(f"ALTER TABLE {TABLE} RENAME COLUMN {now} TO {name}")
        for name in sorted({*known} - {"id", *_columns(station)}):
            raw.execute(f"ALTER TABLE {TABLE} ADD COLUMN {name} INTEGER")
        raw.execute("PRAGMA user_version = 0")

    def say_again(self) -> None:
        """A person at the host whose 'table upgrade' died says it again: until then no load can be made (seed 946)."""
        if _columns(self._world.host):
            self.take_over(self._world.host)

    def _renamed(self, node: SimulatedNode, names: Iterable[str]) -> dict[str, str]:
        """What columns that the replicator knows by these names are called here now. No name is given twice."""
        here, found = set(_columns(node)), {}
        for name in names:
            now = name
            for release in self._releases[: self._done(node)]:
                if release.what == "rename" and release.column == now:
                    now = release.new
            if now != name and now in here:
                found[name] = now
        return found

    def after_a_fire(self) -> None:
        """The new host gets the version of the application that the branches have already."""
        if _columns(self._world.host):
            versions = [self._done(node) for node in self._world.nodes if _columns(node)]
            self._migrate(self._world.host, max(versions))

    # --- at the end --------------------------------------------------------------------------------------------------

    def at_rest(self) -> None:
        """Everybody has the newest version of the application, the host first."""
        for node in self._world.nodes:
            if _columns(node):
                self._migrate(node, len(self._releases))
                self.take_over(node)

    def verify(self) -> None:
        world, host = self._world, self._world.host
        columns = _columns(host)
        if not columns and world.promoted:
            return  # a fire before the backup station had heard of the table
        rows = _rows(host, columns)
        gone = {release.column for release in self._releases if release.what != "add"}
        for station in world.stations:
            if here := _columns(station):
                # A station whose application was ahead has dropped or renamed a column before the host's word came that
                # there is one: it was made once more, and stands until a person drops it again (seed 2573).
                fits = {*columns} <= {*here} <= {*columns} | gone
                world.expect(
                    fits and _rows(station, columns) == rows,
                    f"diverged: {TABLE}",
                    lambda station=station, here=here: f"{station.name} {_rows(station, here)}, {host.name} {rows}",
                )
        if not self._certain:
            return
        kept = _on_record(host)
        lost = [
            (row, first, value)
            for row, values in self._written.items()
            for first, value in values.items()
            if (name := self._now(first, len(self._releases))) is not None
            and rows.get(row, {}).get(name) != value
            and value not in kept
        ]
        world.expect(not lost, "a value of a changed table is lost", lambda: repr(lost))


def _known(node: SimulatedNode) -> tuple[str, ...]:
    """The columns that the replicator knows at this place."""
    with node.process.database.transaction(write=False) as connection:
        tables = {table.name: table for table in catalogue.load_tables(connection).values()}
    return tables[TABLE].definition.column_names if TABLE in tables else ()


def _holds_up_all(station: SimulatedNode) -> bool:
    """Nothing is applied until the table is as it was."""
    query = "SELECT 1 FROM replicator_notice WHERE kind = 'capture-waits' AND subject = ?"
    return station.application.raw.execute(query, (f"{TABLE} what has come",)).fetchone() is not None


def _on_record(host: SimulatedNode) -> set[object]:
    images = host.application.raw.execute("SELECT station_image, host_image FROM replicator_conflict").fetchall()
    return {value for pair in images for image in pair if image for value in unpack_rows([image])[0]}


def _columns(node: SimulatedNode) -> list[str]:
    """But for the key; none where the table has not come yet."""
    found = node.application.raw.execute("SELECT name FROM pragma_table_info(?)", (TABLE,)).fetchall()
    return [name for (name,) in found if name != "id"]


def _rows(node: SimulatedNode, columns: Iterable[str]) -> dict[int, dict[str, int | None]]:
    names = sorted(columns)
    found = node.application.raw.execute(f"SELECT id, {', '.join(names)} FROM {TABLE}").fetchall()
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in found}
