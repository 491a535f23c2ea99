"""At the host: can a station's database hold the tables that its rules name?

The host knows its kind only: by what the station says at the head of its mails, or what `station add` said beforehand.
As long as nobody has said it, the question waits; once it is answered, what doesn't fit is told in `status`. The
station looks for itself when a table comes there, as its tables may stand in another form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from replicator.databases.elsewhere import outlook, title_of
from replicator.databases.limits import Outlook
from replicator.engine.node import Unit
from replicator.protocol.hello import database_told
from replicator.protocol.messages import Header
from replicator.store import notices
from replicator.store.state import Peer
from replicator.types import NO_RULE, Rule, Table

KIND = "unfit-tables"
"""Of the notice, one for each station."""


def hear_database(unit: Unit, peer: Peer, header: Header) -> None:
    """Take what a station's mail says of its database into `peer`, which the caller saves; look again if it is news."""
    told = database_told(header.notice)
    if told is None or told == (peer.database_kind, peer.database_version):
        return
    peer.database_kind, peer.database_version = told
    review(unit, peer)


def unfit(unit: Unit, peer: Peer) -> list[str]:
    """Why the station's database can't hold what its rules name now, a sentence each."""
    if peer.id not in unit.books:
        return []
    rules = {table: unit.current_rule(peer.id, table) for table in unit.tables}
    return refusals(peer, unit.tables, rules, unit.tables.values())


def review(unit: Unit, peer: Peer) -> None:
    """Tell a person anew what of the station's rules its database can't hold."""
    notices.settle(unit.connection, (KIND,), peer.name)
    if found := unfit(unit, peer):
        link = unit.link(peer.id)
        waits = link.mode or not link.link.out.acknowledged
        what = f"; {peer.name} gets nothing until then" if waits else ""
        message = f"{sentence(peer, found)}; take it out of its rules{what}"
        unit.notice(KIND, peer.name, message, waiting=True)


def refusals(peer: Peer, tables: Mapping[int, Table], rules: Mapping[int, Rule], asked: Iterable[Table]) -> list[str]:
    """Why the station's database can't hold those of the tables asked for that its rules name, a sentence each."""
    return [reason for _, found in _outlooks(peer, tables, rules, asked) for reason in found.refused]


def sentence(peer: Peer, found: Iterable[str]) -> str:
    """Refusals of a station as one line."""
    reasons = "; ".join(_plain(reason) for reason in found)
    return f"{peer.name} has its tables on {title_of(peer.database_kind or '')}, which can't hold this: {reasons}"


def remarks(peer: Peer, tables: Mapping[int, Table], rules: Mapping[int, Rule], asked: Iterable[Table]) -> list[str]:
    """What else people should know of these tables at the station, a sentence each."""
    found = []
    for table, told in _outlooks(peer, tables, rules, asked):
        if told.unmade:
            reasons = "; ".join(_plain(reason) for reason in told.unmade)
            found.append(
                f"Table {table.name} has to be made at {peer.name} by hand before the rule comes there: {reasons}."
            )
        found += told.altered
    return found


def _outlooks(
    peer: Peer, tables: Mapping[int, Table], rules: Mapping[int, Rule], asked: Iterable[Table]
) -> Iterable[tuple[Table, Outlook]]:
    if peer.database_kind is None:
        return
    by_name = {table.name: table.definition for table in tables.values()}
    there = {table.name: table.definition for table in tables.values() if rules.get(table.id, NO_RULE)}
    for table in asked:
        if rules.get(table.id, NO_RULE):
            parents = {
                key.parent: by_name[key.parent] for key in table.definition.foreign_keys if key.parent in by_name
            }
            yield table, outlook(peer.database_kind, table.definition, there | parents)


def by_kind(peers: Iterable[Peer], table: Table, tables: Iterable[Table]) -> list[str]:
    """What stations of each kind that is known could not hold of a table that no rule names yet, a sentence each."""
    stations: dict[str, list[str]] = {}
    for peer in peers:
        if peer.database_kind is not None:
            stations.setdefault(peer.database_kind, []).append(peer.name)
    parents = {key.parent for key in table.definition.foreign_keys}
    others = {each.name: each.definition for each in tables if each.name in parents}
    found = []
    for kind, names in stations.items():
        if refused := outlook(kind, table.definition, others).refused:
            reasons = "; ".join(_plain(reason) for reason in refused)
            found.append(f"Stations on {title_of(kind)} ({', '.join(names)}) can't get {table.name}: {reasons}.")
    return found


def _plain(sentence: str) -> str:
    """To stand within another one."""
    text = sentence.rstrip(".")
    return text[:1].lower() + text[1:]
