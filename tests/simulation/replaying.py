"""The host's journal replayed: what it leads to is what the host has, and had at positions that were noted.

Nothing is decided by the seed's dice here, so that its story is the same with and without this.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from replicator.engine.rebuilding import gather, rows_of
from replicator.store import bases, journal, state
from replicator.store.net_changes import NetChanges
from tests.simulation.schema import SPECS, Content, Row, RowKey, token

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from replicator.types import Position
    from tests.simulation.world import World

NOTED, LOOKED_AT = 7, 6
"""Of so many commits of the host one is noted; so many of those are looked at in the end."""


class Replaying:
    """The host's rows after some of its commits, by the position that its journal had reached."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._commits = 0
        self._known: dict[Position, Content] = {}

    def committed(self) -> None:
        """Called behind every commit of the host."""
        self._commits += 1
        if self._commits % NOTED:
            return
        host = self._world.host.application
        epoch, n, open_group = host.raw.execute("SELECT host_epoch, last_n, open_group FROM replicator_node").fetchone()
        waits = host.raw.execute("SELECT EXISTS (SELECT 1 FROM replicator_outbox)").fetchone()[0]
        if not open_group and not waits:
            self._known[epoch, n] = host.content()

    def set_back(self, last: int) -> None:
        """The host's log goes on from an earlier place, perhaps without anybody noticing."""
        self._known = {position: content for position, content in self._known.items() if position[1] <= last}

    def verify(self) -> None:
        """All has come to rest, so all that was captured is in the journal."""
        world = self._world
        with world.host.process.database.transaction(write=False) as connection:
            node = state.load_node(connection)
            self._hold(connection, node.last_n, world.host.application.content(), "now")
            # What was noted of a timeline that is over was never so on this one.
            there = [position for position in self._known if _is_here(connection, position)]
            for position in Random(len(there)).sample(there, min(LOOKED_AT, len(there))):
                self._hold(connection, position[1], self._known[position], str(position))

    def _hold(self, connection: Connection, n: int, there: Content, when: str) -> None:
        known = [
            base
            for base in bases.load(connection)
            if base.complete and base.reach_n <= n and base.name in SPECS and not (base.ended_n and n > base.ended_n)
        ]
        with NetChanges() as net:
            gather(connection, net, known, n)
            for base in known:
                spec = SPECS[base.name]
                places = [base.definition.index_of(column) for column in spec.columns]
                built: dict[RowKey, Row] = {}
                for page in rows_of(connection, base, net):
                    for image in page:
                        row = dict(zip(spec.columns, [image[place] for place in places], strict=True))
                        built[tuple(row[column] for column in spec.key)] = row
                self._compare(base.name, built, there[base.name], when)

    def _compare(self, table: str, built: dict[RowKey, Row], there: dict[RowKey, Row], when: str) -> None:
        for key in dict.fromkeys([*built, *there]):
            one, other = built.get(key), there.get(key)
            self._world.expect(
                _plain(one) == _plain(other),
                f"replay: {table} is not what the host {'has' if when == 'now' else 'had'}",
                lambda key=key, one=one, other=other: f"{when}: {key}: replayed {one}, there {other}",
            )


def _is_here(connection: Connection, position: Position) -> bool:
    group = journal.group(connection, position[1])
    return group is not None and group.host_epoch == position[0]


def _plain(row: Row | None) -> dict[str, str] | None:
    return None if row is None else {column: token(value) for column, value in row.items()}
