"""Quarantine is left as soon as its cause is gone: at the start of runs, further and further apart, or at once when a
person says so (protocol.md 5.14)."""

from __future__ import annotations

from collections.abc import Iterable

from replicator.engine.asking_anew import ask_anew
from replicator.engine.judging_anew import give_up, judge_anew
from replicator.engine.node import Node, Unit
from replicator.engine.setting_aside import tell
from replicator.errors import DatabaseBusy
from replicator.store import quarantine
from replicator.store.quarantine import SetAside
from replicator.types import Role

MOST = 2_000
"""Changes tried in one run, so that it stays short whatever waits."""

Together = list[SetAside]


def release_due(node: Node) -> int:
    """Try again what is due. Returns how many changes left quarantine, or were asked for; 0 where others write."""
    with node.unit() as unit:
        if quarantine.is_empty(unit.connection):
            return 0
        pieces = _together(unit, quarantine.page(unit.connection, due=unit.now, limit=MOST))
    try:
        return _release(node, pieces)
    except DatabaseBusy:
        return 0


def release(node: Node, numbers: Iterable[int] | None = None) -> int:
    """Try again now: these, with the rest of their transactions, or all. Raises UnknownName."""
    with node.unit() as unit:
        pieces = _together(unit, _chosen(unit, numbers))
    return _release(node, pieces)


def release_rows_of(node: Node, table: int) -> None:
    """A table's rows can be written again. What is left when others write is tried again later."""
    with node.unit() as unit:
        pieces = _together(unit, quarantine.page(unit.connection, table=table, limit=MOST))
    try:
        _release(node, pieces)
    except DatabaseBusy:
        return


def drop(node: Node, numbers: Iterable[int] | None = None) -> int:
    """Give these up, with the rest of their transactions, or all. Returns how many. Raises UnknownName."""
    with node.unit() as unit:
        pieces = _together(unit, _chosen(unit, numbers))
        if unit.is_host:
            give_up(unit, pieces, answer=True)
        else:
            quarantine.drop(unit.connection, [entry.id for piece in pieces for entry in piece])
            tell(unit)
    return sum(map(len, pieces))


def drop_all_of(unit: Unit, peer: int) -> None:
    """At the host: a station that goes leaves its changes on record."""
    while found := quarantine.page(unit.connection, peer=peer, limit=MOST):
        give_up(unit, _together(unit, found), answer=False)


def _release(node: Node, pieces: list[Together]) -> int:
    if not pieces:
        return 0
    if node.role is Role.HOST:
        with node.unit() as unit:
            return judge_anew(unit, pieces)
    return ask_anew(node, pieces)


def _chosen(unit: Unit, numbers: Iterable[int] | None) -> list[SetAside]:
    if numbers is not None:
        return [quarantine.load(unit.connection, number) for number in numbers]
    found: list[SetAside] = []
    while page := quarantine.page(unit.connection, after=found[-1].id if found else 0, limit=MOST):
        found += page
    return found


def _together(unit: Unit, entries: Iterable[SetAside]) -> list[Together]:
    """Oldest first, each transaction as a whole."""
    pieces: dict[object, Together] = {}
    for entry in sorted(entries, key=lambda entry: entry.id):
        if not entry.whole:
            pieces[entry.id] = [entry]
        elif (whole := (entry.peer, entry.group)) not in pieces:
            pieces[whole] = quarantine.of_group(unit.connection, entry.peer, entry.group)
    return list(pieces.values())
