"""A host that was set back: timelines, what stations give back, what is common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from replicator.engine import given_back, incarnation, judge, timelines
from replicator.engine.node import Node
from replicator.protocol import link as links
from replicator.protocol import salvaging
from replicator.protocol.link import Heard, Placement
from replicator.protocol.timelines import Timelines
from replicator.store import batches, rows
from replicator.types import Role
from tests.simulation.mutations.registry import mutation

HOST, IMAGE = ("host-restore",), ("host-image",)


@mutation("salvage", "stations give a restored host nothing back", HOST)
def _salvage() -> None:
    given_back.segments = lambda *_: iter(())  # type: ignore[assignment]


@mutation("wholejournal", "stations send again what the host had not acknowledged, not what it has forgotten", HOST)
def _wholejournal() -> None:
    original = incarnation.take_resync

    def take_resync(unit: Any, batch: Any) -> None:
        known = unit.link(0).link.out.high[1]
        still, incarnation._still_known = incarnation._still_known, lambda *_: known
        try:
            original(unit, batch)
        finally:
            incarnation._still_known = still

    from replicator.engine import replay

    replay.take_resync = take_resync


@mutation("hostepoch", "a restored host goes on in the same timeline, and its links with snapshots", HOST)
def _hostepoch() -> None:
    def begin(node: Node, _reason: str) -> None:
        side = node.side()
        with node.unit() as unit:
            unit.state.run = max(unit.state.run, side.run)
            for peer in unit.peers:
                state = unit.link(peer)
                batches.drop_batches(unit.connection, peer, state.link.out.n)
                batches.forget_digests(unit.connection, peer, "out")
                links.new_outbound_epoch(state.link, (unit.state.host_epoch, state.link.out.epoch[1] + 100))
                state.mode = "snapshot"

    from replicator.engine import session

    session.begin_timeline = begin


@mutation("ends", "of several lost timelines the end of the last one counts", HOST)
def _ends() -> None:
    def common(self: Timelines, position: Any) -> Any:
        last = max(self.ends, default=None)
        if last is None or position[0] != self.present - 1:
            return position
        return min(position, self.ends[last])

    Timelines.common = common  # type: ignore[method-assign]
    Timelines.spans = (
        lambda self: [  # type: ignore[method-assign]
            (self.present - 1, self.present - 1, self.ends[last]) for last in sorted(self.ends)[-1:]
        ]
    )


@mutation("clip", "a base in a lost timeline counts as it is", HOST)
def _clip() -> None:
    original = judge._Judging.__post_init__

    def begin(self: Any) -> None:
        original(self)
        self.timelines = Timelines(self.unit.state.host_epoch)

    judge._Judging.__post_init__ = begin  # type: ignore[method-assign]


@mutation("skipped", "a version that could not be applied is not given back", HOST)
def _skipped() -> None:
    rows.skipped_of_table = lambda *_: []


@mutation("salvrec", "a value of another lost timeline that comes too late is not on record", HOST)
def _salvrec() -> None:
    original = salvaging._record

    def record(given: Any, current: Any, result: Any, outcome: Any) -> None:
        if result is not current:
            original(given, current, result, outcome)

    salvaging._record = record


@mutation("asitstands", "a row is given back with the station's own changes that nobody has judged", HOST)
def _asitstands() -> None:
    given_back._Originals.of = lambda *_: {}  # type: ignore[method-assign]


@mutation("untold", "a station that begins anew is followed, though it has not heard that the host was set back", HOST)
def _untold() -> None:
    original = links.place

    def place(link: Any, part: Any, *rest: Any) -> Placement:
        return original(link, replace(part, peer_epoch=(0, 0)) if part.opener == "open" else part, *rest)

    links.place = place


@mutation("recover", "a host that hears that it was set back goes on", IMAGE)
def _recover() -> None:
    original = links.hear

    def hear(link: Any, *rest: Any, **named: Any) -> Heard:
        heard = original(link, *rest, **named)
        if link.role is Role.HOST and heard in (Heard.SET_BACK, Heard.SUCCESSOR):
            return Heard.NOTHING_NEW
        return heard

    links.hear = hear


@mutation("imageend", "after an image a timeline ends where the log does, not where the station confirmed", IMAGE)
def _imageend() -> None:
    original = timelines._end_timelines
    timelines._end_timelines = lambda unit, _image: original(unit, image=False)


@mutation("clockepoch", "after an image the next timeline is the next number", IMAGE)
def _clockepoch() -> None:
    original = timelines._begin
    timelines._begin = lambda node, reason, _above, *, image: original(node, reason, 0, image=image)


@mutation("openack", "a station that begins anew does not say what was acknowledged last", IMAGE)
def _openack() -> None:
    original = links.new_outbound_epoch

    def new_outbound_epoch(link: Any, epoch: Any) -> None:
        original(link, epoch)
        links.forget_peak(link)

    links.new_outbound_epoch = new_outbound_epoch
