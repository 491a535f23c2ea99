"""Streams: groups, frozen batches, what a mail is bound to, storing before deleting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from replicator.engine import collect, content, forwarding, publish, replay, session
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


@mutation("reack", "neither a duplicate nor a probe earns an acknowledgement", ("loss", "dup", "crash"))
def _reack() -> None:
    original = link.place

    def place(known: link.Link, *rest: Any) -> link.Placement:
        due = known.inbound.acknowledgement_due
        placement = original(known, *rest)
        if placement in (link.Placement.DUPLICATE, link.Placement.STALE):
            known.inbound.acknowledgement_due = due
        return placement

    def heard_probe(known: link.Link, number: int) -> None:
        known.inbound.probe = max(known.inbound.probe, number)

    link.place, link.heard_probe = place, heard_probe


@mutation("ackapplied", "batches are acknowledged once they are there, applied or not", ("restore", "power", "reorder"))
def _ackapplied() -> None:
    told, heard = link.acknowledgement, link.hear

    def acknowledgement(known: link.Link, missing: Any) -> Any:
        ack = told(known, missing)
        return ack if missing or ack.high <= ack.n else replace(ack, n=ack.high, digest=None)

    def hear(known: link.Link, header: Any, digest_of: link.DigestOf, *rest: Any, **named: Any) -> link.Heard:
        ack = header.acknowledgement
        if ack.n and ack.digest is None:
            header = replace(header, acknowledgement=replace(ack, digest=digest_of(ack.n)))
        if header.echo.digest is not None and header.echo.n > known.inbound.n:
            header = replace(header, echo=replace(header.echo, n=known.inbound.n, digest=None))
        return heard(known, header, digest_of, *rest, **named)

    link.acknowledgement, link.hear = acknowledgement, hear


@mutation("probes", "nobody asks for news during silence, or says that it is there")
def _probes() -> None:
    link.probe_is_due = lambda *_: False
    link.hello_is_due = lambda *_: False


@mutation("wrongclock", "what a clock that was wrong has put off is waited for", ("clock", "loss"))
def _wrongclock() -> None:
    def probe(known: link.Link, now: int, waiting: bool = False) -> bool:
        out = known.out
        return (out.acknowledged < out.n or waiting) and bool(out.probe_at) and now >= out.probe_at

    link.probe_is_due = probe
    link.hello_is_due = lambda now, sent_at, wait: sent_at is None or now - sent_at >= wait


@mutation("order", "requests are numbered before the changes of the same collect")
def _order() -> None:
    original = collect.collect

    def early(unit: Unit) -> int:
        collect._number_requests(unit)
        return original(unit)

    for module in (collect, content, replay, session):
        module.collect = early
