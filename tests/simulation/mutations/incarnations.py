"""Epochs, restores, copies: what tells two histories apart, and what is not lost between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from replicator.engine import incarnation, judge, publish, receive, restarting, session, twin
from replicator.engine.node import Node
from replicator.operations import recovering
from replicator.protocol import link
from replicator.protocol.messages import Echo
from replicator.store import parcels, rows, slices
from replicator.store.side_file import SideFile, SideState
from replicator.types import HOST_PEER, NOWHERE
from tests.simulation.mutations.registry import mutation, nothing
from tests.simulation.simnode import SimulatedNode


def _read_otherwise(change: Callable[[SideState], SideState]) -> None:
    original = SideFile.read

    def read(self: SideFile) -> SideState | None:
        found = original(self)
        return None if found is None else change(found)

    SideFile.read = read  # type: ignore[method-assign]


@mutation("side", "the run counter outside the database is not looked at", ("restore",))
def _side() -> None:
    _read_otherwise(lambda side: replace(side, run=0))


@mutation("sideepoch", "the epochs that were used are known from the database only", ("restore", "image", "loss"))
def _sideepoch() -> None:
    _read_otherwise(lambda side: replace(side, epoch=0))


@mutation("haltside", "a halted node goes on after a restart", ("clone",))
def _haltside() -> None:
    _read_otherwise(lambda side: replace(side, halted=None))


@mutation("successor", "a node that hears of a later epoch of its own stream goes on", ("clone",))
def _successor() -> None:
    original = link.hear

    def hear(*arguments: Any, **named: Any) -> link.Heard:
        heard = original(*arguments, **named)
        return link.Heard.NOTHING_NEW if heard is link.Heard.SUCCESSOR else heard

    link.hear = hear


@mutation(
    "chain",
    "batches need not name their predecessor, and acknowledgements and echoes no digests",
    ("clone", "image", "restore"),
)
def _chain() -> None:
    link.chains = lambda *_: True
    _hear_less(digests=False, echoes=False)


@mutation("acked", "an acknowledgement's digest is not compared", ("clone",))
def _acked() -> None:
    _hear_less(digests=False, echoes=True)


@mutation("echo", "what a mail says of the acknowledgements that it has had is not looked at", ("clone",))
def _echo() -> None:
    _hear_less(digests=True, echoes=False)


def _hear_less(*, digests: bool, echoes: bool) -> None:
    original = link.hear

    def hear(known: link.Link, header: Any, digest_of: link.DigestOf, *rest: Any, **named: Any) -> link.Heard:
        ack = header.acknowledgement
        if not digests and 0 < ack.n <= known.out.n:
            header = replace(header, acknowledgement=replace(ack, digest=digest_of(ack.n)))
        if not echoes:
            header = replace(header, echo=Echo(NOWHERE, 0))
        return original(known, header, digest_of, *rest, **named)

    link.hear = hear


@mutation(
    "stale",
    "a station takes batches that were made before its present epoch was known",
    ("restore", "reorder", "replay"),
)
def _stale() -> None:
    original = link.place

    def place(known: link.Link, part: Any, *rest: Any) -> link.Placement:
        return original(known, replace(part, peer_epoch=max(part.peer_epoch, known.out.epoch)), *rest)

    link.place = place


@mutation("partname", "parts of two batches under one number are put together", ("image", "loss", "dup"))
def _partname() -> None:
    original = receive._place

    def place(unit: Any, found: Any, peer: Any, opened: Any, *rest: Any) -> Any:
        part, parked = opened.header.part, parcels.parked

        def of_any(*arguments: Any) -> Any:
            there = parked(*arguments)
            return there if there is None or part is None else there._replace(digest=part.digest)

        parcels.parked = of_any
        try:
            return original(unit, found, peer, opened, *rest)
        finally:
            parcels.parked = parked

    receive._place = place


@mutation(
    "openlast",
    "what is complete of a station's old epoch is dropped when its new one opens",
    ("restore", "loss", "reorder"),
)
def _openlast() -> None:
    receive.apply_before_opening = lambda *_: True


@mutation("rewound", "after a rewind a station's own clean records are left out as usual", ("restore",))
def _rewound() -> None:
    original = publish._is_for

    def is_for(unit: Any, segment: Any, state: Any) -> bool:
        kept, state.rewound_slice = state.rewound_slice, 0
        try:
            return original(unit, segment, state)
        finally:
            state.rewound_slice = kept

    publish._is_for = is_for


@mutation("resent", "a group that is sent anew gets its verdict only where it differs", ("restore", "loss"))
def _resent() -> None:
    original = judge.GroupContext

    def context(**named: Any) -> Any:
        return original(**{**named, "repeat_verdicts": False})

    judge.GroupContext = context  # type: ignore[misc, assignment]


@mutation("seenrows", "a group that was judged before is not answered with its rows", ("restore", "loss"))
def _seenrows() -> None:
    judge._Judging._answer = nothing  # type: ignore[method-assign]


@mutation(
    "openall",
    "a link that is begun anew goes on from where the host stands, not from where the station does",
    ("restore",),
)
def _openall() -> None:
    original = restarting._begin_anew

    def begin(unit: Any, state: Any, told: Any) -> None:
        cut = state.cut_slice
        original(unit, state, told)
        if state.mode == restarting.REWIND:
            state.cut_slice = max(cut, state.cut_slice)

    restarting._begin_anew = begin


@mutation("twinsalv", "a copy gives back nothing of what only it knows", ("clone",))
def _twinsalv() -> None:
    original = twin._begin_stream

    def begin(unit: Any, new: Any) -> Any:
        gone = original(unit, new)
        state = unit.link(HOST_PEER)
        state.judged_n = unit.state.last_n
        state.cut_slice = slices.next_slice_id(unit.connection) - 1
        return gone

    twin._begin_stream = begin


@mutation("copyuid", "what came under a copy's old name too is judged once more", ("clone", "policies", "loss"))
def _copyuid() -> None:
    def seen(self: Any, uids: list[bytes]) -> set[bytes]:
        return rows.seen_groups(self.unit.connection, self.peer.id, uids)

    judge._Judging._seen = seen  # type: ignore[method-assign]
    original = rows.remember_groups

    def remember(connection: Any, peer: int, groups: Any) -> None:
        known = rows.seen_groups(connection, peer, [uid for uid, _ in groups])
        original(connection, peer, [group for group in groups if group[0] not in known])

    rows.remember_groups = remember


@mutation("copyrules", "what a copy wrote under its old name goes by rules that it had not then", ("clone", "rules"))
def _copyrules() -> None:
    def rules(self: Any, head: Any, _position: Any) -> Any:
        return self.unit.books[self.peer.id], head.rule_version

    judge._Judging._rules = rules  # type: ignore[method-assign]


@mutation("barrier", "every third commit only is on the disk when mail speaks of it", ("power", "crash", "loss"))
def _barrier() -> None:
    original = SimulatedNode.durable
    counts: dict[str, int] = {}

    def durable(self: SimulatedNode) -> None:
        counts[self.name] = counts.get(self.name, 0) + 1
        if counts[self.name] % 3 == 0 or self.application.open:
            original(self)

    SimulatedNode.durable = durable  # type: ignore[method-assign]


@mutation("sidefirst", "a new epoch is committed before the side file has it", ("restore", "image", "crash"))
def _sidefirst() -> None:
    original = incarnation.begin_anew

    def begin(node: Node, reason: str) -> None:
        write: Callable[[SideState], None] = node.side_file.write
        late: list[SideState] = []
        node.side_file.write = late.append  # type: ignore[method-assign]
        try:
            original(node, reason)
        finally:
            node.side_file.write = write  # type: ignore[method-assign]
        for state in late[-1:]:
            node.side_file.write(state)

    for module in (incarnation, receive, session, recovering):
        module.begin_anew = begin  # type: ignore[attr-defined]
