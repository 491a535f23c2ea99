"""One moment of the tables and of the journal: rows from a snapshot, and the groups that led to them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Generic, NamedTuple, TypeVar

from sqlalchemy import Connection

from replicator.engine.collect import collect, collect_gently
from replicator.engine.node import Node, Unit

_Found = TypeVar("_Found")


class Pinned(NamedTuple, Generic[_Found]):
    """`reader` sees the rows after the group `n`, and of those up to `settled_n` perhaps some as well: what was written
    in the blink of an eye between collecting and pinning. Nothing behind that is seen."""

    reader: Connection
    n: int
    settled_n: int
    found: _Found


def pin(node: Node, stack: ExitStack, look: Callable[[Unit], _Found]) -> Pinned[_Found]:
    """Number all that was captured, and pin the rows of that moment until `stack` ends. `look` is called in the same
    transaction; it must not change rows of the application's."""
    collect_gently(node)
    with node.unit() as unit:
        collect(unit)
        unit.journal.finish()
        n, found = unit.state.last_n, look(unit)
        reader = stack.enter_context(node.database.snapshot(unit.connection))
    with node.unit() as unit:
        collect(unit)
        unit.journal.finish()
        return Pinned(reader, n, unit.state.last_n, found)
