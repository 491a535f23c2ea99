"""The whole way: a batch with anything in it, sealed by a known peer, received and applied by a real node on SQLite.

Allowed is: applied, in whole; or not, with nothing of the application's changed and a note that says why. Whatever
happens, the run goes on, mail of another station at the host is applied in the same run, the next run works as well,
and all that is stored can be listed. A node halts only where an acknowledgement or an echo shows a fork.
"""

from __future__ import annotations

import atexit
import io
import shutil
import sqlite3
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from functools import cache
from random import Random

from replicator.cli.console import print_json
from replicator.cli.formats import record
from replicator.engine.node import Node
from replicator.errors import Halted
from replicator.operations.conflict_listing import list_conflicts, show_conflict
from replicator.operations.journal_pages import list_journal, show_group
from replicator.operations.status import status_of
from replicator.protocol.envelope import MAGIC
from replicator.store import notices, state
from replicator.store.state import LinkState
from replicator.transport.base import Mail
from replicator.transport.mime import compose
from replicator.types import HOST_PEER
from tests.fuzzing.cases import Sending, from_bytes, plaintext_of, some_case, to_bytes
from tests.fuzzing.mutating import some_bytes
from tests.fuzzing.nodes import HOST, OTHER, STATION, Nodes, address, new_nodes
from tests.fuzzing.sealing import sealed_message
from tests.fuzzing.sound_batches import sound_batches
from tests.fuzzing.target import Target, demand


@dataclass(frozen=True, slots=True)
class Place:
    """What stays the same for all inputs: the nodes at rest, their keys and links."""

    nodes: Nodes
    secrets: dict[str, bytes]
    publics: dict[str, bytes]
    sending: dict[bool, Sending]
    """By direction: upward or not."""
    other: bytes
    """A sound mail of the other station to the host."""


@cache
def place() -> Place:
    nodes = new_nodes()
    atexit.register(shutil.rmtree, nodes.folder, ignore_errors=True)
    secrets, publics = {}, {}
    for name in (HOST, STATION):
        with nodes.opened(name) as node:
            secrets[name], publics[name] = bytes(node.identity.private_key), node.identity.public_key
            if name == STATION:
                up = Sending(STATION, HOST, _link(node, HOST_PEER).link)
            else:
                with node.database.transaction(write=False) as connection:
                    peer = state.find_peer(connection, STATION).id
                down = Sending(HOST, STATION, _link(node, peer).link)
    nodes.write(OTHER, "INSERT INTO places VALUES ('Bonn', 7, 'of the other station')")
    nodes.run(OTHER)
    (mail,) = nodes.mails(HOST)
    return Place(nodes, secrets, publics, {True: up, False: down}, mail)


def _link(node: Node, peer: int) -> LinkState:
    with node.database.transaction(write=False) as connection:
        return state.load_link(connection, peer, node.role)


def seeds() -> list[bytes]:
    return [to_bytes(case) for case in sound_batches(place().nodes)]


def mutate(data: bytes, dice: Random) -> bytes:
    case = from_bytes(data)
    return some_bytes(data, dice) if case is None else to_bytes(some_case(case, dice))


def run(data: bytes) -> None:
    case = from_bytes(data)
    if case is None:
        return
    there = place()
    sending = there.sending[case.upward]
    name, nodes = sending.receiver, there.nodes
    tape, payload = plaintext_of(case, sending)
    blob = sealed_message(tape, payload, there.secrets[sending.sender], there.publics[name])
    nodes.set_back(name)
    nodes.deliver(name, _mail(blob, sending))
    if name == HOST:
        nodes.deliver(HOST, there.other)
    if case.busy:
        nodes.write(name, *WRITES)
    before = nodes.content(name)
    applied = 0
    try:
        for _ in range(2):
            applied += nodes.run(name).applied.batches
    except Halted:
        demand(bool(case.header), "a node halted though nothing showed a fork")
        demand(nodes.content(name) == before, "a halted node applied something")
        return
    _look(nodes, name)
    if name == HOST:
        bonn = [row for row in before if "of the other station" in str(row)]
        demand(not bonn and "of the other station" in str(nodes.content(name)), "another station's mail was stopped")
        demand(1 <= applied <= 2, "more was applied than was sent")
    elif not applied:
        demand(nodes.content(name) == before, "a batch that was not applied left something")


def _mail(blob: bytes, sending: Sending) -> bytes:
    demand(blob.startswith(MAGIC), "an envelope without its magic")
    sender, receiver = address(sending.sender), address(sending.receiver)
    return compose(Mail(sender, receiver, "Replicator", "A word.", (blob,), "<1@example.com>", 0))


def _look(nodes: Nodes, name: str) -> None:
    """The database is sound, and what is stored can be shown: by terminals that speak UTF-8 and nothing else."""
    with closing(sqlite3.connect(nodes.database(name))) as raw:
        demand(raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the database is damaged")
        demand(raw.execute("PRAGMA foreign_key_check").fetchall() == [], "a foreign key is broken")
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with nodes.viewed(name) as view, redirect_stdout(shown):
        print_json(record(status_of(view)))
        print_json([notice._asdict() for notice in notices.recent(view.connection)])
        lines = list_journal(view).lines
        print_json([record(line) for line in lines])
        for n in sorted({line.n for line in lines})[-5:]:
            print_json(record(show_group(view, n)))
        found = list_conflicts(view)
        print_json([record(line) for line in found])
        for line in found[-5:]:
            print_json(record(show_conflict(view, line.id)))
        shown.flush()


WRITES = (
    "UPDATE customers SET name = 'Mayr', email = 'neu@example.com' WHERE id = 1",
    "INSERT INTO customers VALUES (10, 'Here', 9, 'here@example.com')",
    "DELETE FROM orders WHERE id = 2",
    "DELETE FROM customers WHERE id = 2",
    "INSERT INTO orders VALUES (12, 10, 'here', NULL)",
    "UPDATE places SET note = 'here' WHERE town = 'Ulm'",
    "INSERT INTO places VALUES ('Aachen', 3, 'here')",
)


TARGET = Target("exchange", seeds, mutate, run)
