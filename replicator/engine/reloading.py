"""A station that has got columns which it lacked asks for the rows of their tables once more (protocol.md 7.8).

What came while the columns were missing was left out of its rows. It is read when the batch that asked is judged, so
that the answer is behind all that the batch brought.
"""

from __future__ import annotations

from typing import Any

from replicator.engine.node import Node, Unit
from replicator.engine.rule_changes import send_anew
from replicator.engine.soundness import unwritable
from replicator.protocol.control_bodies import reload_body
from replicator.store import table_versions


def take_reload(unit: Unit, peer: int, body: Any) -> None:
    """Note what a station asks for. Raises PeerFault."""
    for table in reload_body(body):
        table_versions.ask_reload(unit.connection, peer, table)


def send_reloads(node: Node) -> None:
    """Send what was asked for, as far as the station has a rule for it. A table that the host's application has changed
    waits until that was taken over, and the others are sent."""
    with node.unit() as unit:
        reloads = table_versions.take_reloads(unit.connection)
        late = unwritable(unit, {table for asked in reloads.values() for table in asked})
        for peer, asked in reloads.items():
            for table in late.keys() & set(asked):
                table_versions.ask_reload(unit.connection, peer, table)
            known = [table for table in asked if table in unit.tables and table not in late]
            if peer in unit.books and (wanted := [table for table in known if unit.current_rule(peer, table)]):
                send_anew(unit, peer, wanted)
