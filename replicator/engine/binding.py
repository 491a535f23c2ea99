"""A node belongs to one computer: one that was copied to another works beside itself (protocol.md 5.13).

Two copies under one name take each other's mail from the mailbox, and may hand out the same numbers. By chain and echo
a fork is found out once mail has flowed; this says so before. It is a warning: a home folder may have moved for good.
"""

from __future__ import annotations

from dataclasses import replace

from replicator.engine.node import Node, Unit
from replicator.store import notices
from replicator.store.machine import fingerprint
from replicator.store.side_file import SideState

KIND = "another-computer"
"""Of the notice."""


def check_machine(unit: Unit, side: SideState) -> None:
    """Tell a person where the node was last used on another computer."""
    here = fingerprint(unit.state.name)
    if here is None or side.machine in (None, here):
        return
    unit.notice(
        KIND,
        here,
        "this node was last used on another computer. If it has moved here for good, say: replicator moved. If it is a "
        "copy and the other one goes on, don't run it again, but make it a station of its own: replicator copy",
        waiting=True,
    )


def bind(node: Node, side: SideState) -> None:
    """The first computer that it runs on is its own."""
    here = fingerprint(node.name)
    if here is not None and side.machine is None:
        node.side_file.write(replace(side, machine=here))


def moved(node: Node) -> bool:
    """It belongs to this computer from now on. Whether it belonged to another one."""
    side, here = node.side(), fingerprint(node.name)
    other = here is not None and side.machine not in (None, here)
    node.side_file.write(replace(side, machine=here))
    with node.unit() as unit:
        notices.settle_all(unit.connection, (KIND,), notices.known(unit.connection, KIND))
    return other
