"""A station that has got columns which it lacked asks for the rows of their tables once more (protocol.md 7.8).

What came while the columns were missing was left out of its rows. It is read when the batch that asked is judged, so
that the answer is behind all that the batch brought.
"""

from __future__ import annotations

from typing import Any

from replicator.engine.node import Node, Unit
from replicator.engine.rule_changes import send_anew
from replicator.protocol.control_bodies import reload_body
from replicator.store import table_versions


def take_reload(unit: Unit, peer: int, body: Any) -> None:
    """Note what a station asks for. Raises PeerFault."""
    for table in reload_body(body):
        table_versions.ask_reload(unit.connection, peer, table)


def send_reloads(node: Node) -> None:
    """Send what was asked for, as far as the station has a rule for it."""
    with node.unit() as unit:
        for peer, asked in table_versions.take_reloads(unit.connection).items():
            if peer in unit.books and (wanted := [n for n in asked if n in unit.tables and unit.current_rule(peer, n)]):
                send_anew(unit, peer, wanted)
