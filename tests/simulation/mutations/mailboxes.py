"""Several mailboxes: none that is away holds up the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from replicator.engine.mailboxes import Away
from replicator.store import batches, routes
from tests.simulation.mutations.registry import mutation


@mutation("alone", "one mailbox that is away ends the run for all")
def _alone() -> None:
    original = Away.note

    def note(self: Away, box: Any, trouble: Any, among: Any) -> None:
        original(self, box, trouble, [box])

    Away.note = note  # type: ignore[method-assign]


@mutation("probeaway", "a probe counts as sent with what waits for a mailbox that is away, too")
def _probeaway() -> None:
    original = batches.mark_queue_sent

    def mark(connection: Connection, peer: int, _mailboxes: Sequence[int], probe: int) -> None:
        all_of_them = [mailbox for _, mailbox in routes.pairs(connection)]
        original(connection, peer, all_of_them, probe)

    batches.mark_queue_sent = mark
