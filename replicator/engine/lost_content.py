"""What is to be sent is no longer in the spool: the stream begins anew.

It happens where a database was put back to before an acknowledgement, and nothing had been sent since, so that nothing
else tells of it; or where somebody has tidied up in the home folder.
"""

from __future__ import annotations

from replicator.engine.incarnation import begin_anew
from replicator.engine.node import Node
from replicator.engine.restarting import RESYNC, load_anew
from replicator.engine.timelines import ask
from replicator.types import Role

KIND = "lost-content"
"""Of the notice at a host."""
_REASON = "a file is gone of what was to be sent: the database is older than the home folder, or files were removed"


def begin_stream_anew(node: Node, peer: int) -> None:
    """The peer gets in a later batch what was to be sent; a station says first what it knows, a host sends its all."""
    if node.role is Role.STATION:
        begin_anew(node, _REASON)
        return
    with node.unit() as unit:
        state = unit.link(peer)
        if state.mode == RESYNC:
            state.link.out.acknowledged = state.link.out.n
            ask(unit, state)
        else:
            load_anew(state)
        name = unit.peers[peer].name
        unit.notice(KIND, f"{name} {state.link.out.epoch}", f"{_REASON}; {name} gets everything in its rules anew")
