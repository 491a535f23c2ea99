"""How a row stands at this node now: its version, whose it is, what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replicator.operations.listings import Fields
from replicator.operations.opening import View
from replicator.operations.writing import position_text
from replicator.protocol.working_set import Version
from replicator.store import catalogue, journal, quarantine, rows, state
from replicator.store.quarantine import SetAside
from replicator.types import HOST_PEER, Key, Kinds, Table, Tie

_TIES = {
    Tie.SHARED: "shared with the host",
    Tie.DETACHED: "detached: the host has deleted it, and this station keeps it",
    Tie.HIDDEN: "hidden: this station has deleted it, and the host keeps it",
    Tie.NONE: "private: the host does not know of it",
}


@dataclass(frozen=True, slots=True)
class RowState:
    key: Key
    """As it stands here, or as it would most likely be written."""
    row: Fields | None
    version: Version | None
    aside: list[SetAside]
    """What is in quarantine of it."""
    sentences: list[str]
    is_known: bool
    """There is, or was, such a row, as far as this node knows."""


def state_of(view: View, table: Table, keys: Sequence[Key]) -> RowState:
    """`keys`: the forms in which its key may stand."""
    connection, database = view.connection, view.database
    images = database.read_images(connection, table, keys)
    versions = rows.load_versions(database, connection, table.id, keys)
    key = next((key for key in keys if key in images), next((key for key in keys if key in versions), keys[0]))
    image, version = images.get(key), versions.get(key)
    row = None if image is None else dict(zip(table.definition.column_names, image, strict=True))
    peers = (*view.peers,) if view.is_host else (HOST_PEER,)
    aside = [entry for peer in peers for one in keys for entry in quarantine.of_row(connection, peer, table.id, one)]
    sentences = _of_host(view, table, row, version) if view.is_host else _of_station(view, table, keys, row, version)
    if database.pending_keys(connection, table, keys):
        sentences.append("a change was captured, and is numbered by the next run")
    return RowState(key, row, version, aside, sentences, image is not None or version is not None)


def _of_host(view: View, table: Table, row: Fields | None, version: Version | None) -> list[str]:
    if version is None:
        told = [] if row is None else ["not changed since its table is replicated, or not within what the journal kept"]
    else:
        told = [f"version {position_text(version.position)}, written by {view.name_of(version.writer)}"]
        if version.writer != HOST_PEER and not version.clean:
            told.append("not exactly as that station sent it")
    books = catalogue.load_rule_books(view.connection)
    narrow = [
        view.peers[peer].name
        for peer, book in books.items()
        if peer in view.peers and Kinds.CHANGED not in book.current(table.id).to_remote
    ]
    if narrow:
        told.append(f"changes of it do not go to {', '.join(sorted(narrow))}, by the rules")
    return told


def _of_station(
    view: View, table: Table, keys: Sequence[Key], row: Fields | None, version: Version | None
) -> list[str]:
    told: list[str] = []
    link = state.load_link(view.connection, HOST_PEER, view.node.role)
    if version is None:
        if row is not None:
            told.append("private, or not changed since its table is replicated")
    else:
        if row is not None or version.tie != Tie.NONE:
            told.append(_TIES[Tie(version.tie)])
        if version.n:
            told.append(f"the host's version {position_text(version.position)}")
        if version.tie == Tie.SHARED and version.image is not None:
            told.append("edited here in a way that the rules keep here")
    waiting = journal.pending(view.connection, link.judged_n, table.id, keys)
    if waiting:
        told.append(f"own change {max(waiting.values())} waits for the host's word")
    skipped = {key for number, key in rows.skipped_keys(view.connection) if number == table.id}
    if skipped & set(keys):
        told.append("a change of the host's was skipped because of an own one, and comes again")
    if not catalogue.load_rule_books(view.connection)[HOST_PEER].current(table.id):
        told.append("its table has no rule: nothing of it comes or goes")
    return told
