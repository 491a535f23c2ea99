"""Streams: groups, frozen batches, what a mail is bound to, storing before deleting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from replicator.engine import forwarding, publish
from replicator.engine.node import Unit
from replicator.protocol import envelope, link
from replicator.store import batches, slices
from replicator.transport.folder import FolderMailbox
from tests.simulation.mutations.registry import mutation, nothing


@mutation("groups", "a group that fills several slices is split over batches")
def _groups() -> None:
    original = slices.slices_after
    slices.slices_after = lambda *arguments: [s._replace(whole=True) for s in original(*arguments)]


@mutation("frozen", "the last batch under way is made anew, with what came since, under its old number")
def _frozen() -> None:
    original = publish._publish_link

    def publish_link(node: Any, peer: int, shelf: publish.Shelf) -> int:
        with node.unit() as unit:
            _take_back(unit, peer)
        return original(node, peer, shelf)

    publish._publish_link = publish_link


def _take_back(unit: Unit, peer: int) -> None:
    """The last batch of the stream, if it is under way and more has come since."""
    state = unit.link(peer)
    out, run = state.link.out, unit.connection.exec_driver_sql
    last = batches.batch(unit.connection, peer, out.n) if out.n > out.acknowledged else None
    if last is None or last.opener is not None or state.cut_slice == slices.next_slice_id(unit.connection) - 1:
        return
    for table in ("batch_out", "batch_segment", "send_queue"):
        run(f"DELETE FROM replicator_{table} WHERE peer = ? AND n = ?", (peer, out.n))
    run("DELETE FROM replicator_digest WHERE peer = ? AND direction = 'out' AND n = ?", (peer, out.n))
    before = batches.batch(unit.connection, peer, out.n - 1)
    high = out.high[1] if before is None else before.high_n
    state.cut_slice = run("SELECT coalesce(max(id), 0) FROM replicator_slice WHERE last_n <= ?", (high,)).scalar()
    out.n -= 1
    out.digest = batches.digest_of(unit.connection, peer, "out", out.n)
    out.unacknowledged_bytes = max(0, out.unacknowledged_bytes - last.window_size)


@mutation("bind", "sender, receiver and direction inside the sealed text are not looked at")
def _bind() -> None:
    link.check_binding = nothing
    original = envelope._parse
    envelope._parse = lambda inner, outer, bounds: original(outer + inner[len(outer) :], outer, bounds)


@mutation("strangers", "a stranger's mail is deleted before the sending server has it")
def _strangers() -> None:
    original = forwarding._forward

    def forward(node: Any, box: Any, fetched: Any, *others: Any) -> bool:
        box.mailbox.delete([fetched.id])
        return original(node, box, fetched, *others)

    forwarding._forward = forward


@mutation("storefirst", "a mail is deleted before its content is stored")
def _storefirst() -> None:
    original = FolderMailbox.fetch

    def fetch(self: FolderMailbox, **options: Any) -> Iterator[Any]:
        for fetched in original(self, **options):
            self.delete([fetched.id])
            yield fetched

    FolderMailbox.fetch = fetch  # type: ignore[method-assign]
