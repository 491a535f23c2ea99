"""What an operator tells a node after it was set back, and what a host sends anew by order."""

from __future__ import annotations

from replicator.engine import binding
from replicator.engine.incarnation import begin_anew
from replicator.engine.node import Node
from replicator.engine.restarting import load_anew
from replicator.engine.rule_changes import send_anew
from replicator.engine.timelines import begin_timeline_told
from replicator.errors import WrongUse
from replicator.operations.opening import require_host
from replicator.store import catalogue, state
from replicator.store.side_file import SideState
from replicator.types import HOST_PEER, Role

TOLD = "an operator has said that this node was set back to an earlier state"


def restored(node: Node) -> str | None:
    """The node goes on under a new epoch, also one that had halted. Gives why it had, None where it had not.

    Where the side file is missing, one is made.
    """
    side = node.side_file.read()
    if side is None:
        with node.database.transaction(write=False) as connection:
            known = state.load_node(connection)
            epoch = known.host_epoch or state.load_link(connection, HOST_PEER, node.role).link.out.epoch[1]
        node.side_file.write(SideState(node.name, known.run, epoch))
    begin = begin_anew if node.role is Role.STATION else begin_timeline_told
    begin(node, TOLD)
    return None if side is None else side.halted


def moved(node: Node) -> bool:
    """The node belongs to this computer from now on. Whether it belonged to another one. Raises Halted."""
    return binding.moved(node)


def reload_station(node: Node, name: str, table: str | None = None) -> None:
    """Send a station everything in its rules anew, or one table's rows. What it has not sent yet stays as it is.

    Raises UnknownName, WrongUse (no rule lets the table's rows go there).
    """
    require_host(node, "stations are loaded anew")
    with node.unit() as unit:
        peer = state.find_peer(unit.connection, name)
        if table is None:
            load_anew(unit.link(peer.id))
            return
        found = catalogue.find_table(unit.connection, table)
        if not unit.current_rule(peer.id, found.id).to_remote:
            raise WrongUse(f"no rule sends rows of {table} to {peer.name}; see: replicator rule list {peer.name}")
        send_anew(unit, peer.id, [found.id])
