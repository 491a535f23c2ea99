"""The segments of a slice come in an order in which a station can read them as a stream (protocol.md 9.4)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from replicator.engine.segmenting import Cutter, Entry
from replicator.engine.unrolling import windows
from replicator.protocol.codec import decode_segment
from replicator.protocol.keys import pack_key
from replicator.protocol.messages import SegmentKind
from replicator.protocol.replaying import Record
from replicator.types import NOWHERE
from tests.unit.small_tables import table

SIMPLE = table(1, "simple", "id integer!, value integer")
FIRST, SECOND, EVERYBODY = 1, 2, 3
"""Sets of recipients: the first station, the second, both."""


def entry(n: int, value: int, recipients: int, origin: int = 0, must: int = 0) -> Entry:
    key, image = pack_key((n % 3,)), (n % 3, value)
    return Entry(n, 1, SIMPLE.id, "C", key, image, 0, None, NOWHERE, 0, recipients, origin, must)


def test_what_is_private_comes_before_what_lies_behind_it() -> None:
    """A verdict, and then changes of the same row by others, in two segments that do not overlap (seed 225)."""
    stations = {FIRST: frozenset({1}), SECOND: frozenset({2}), EVERYBODY: frozenset({1, 2})}
    unit: Any = SimpleNamespace(
        state=SimpleNamespace(host_epoch=1),
        tables={SIMPLE.id: SIMPLE},
        peers={},
        recipient_sets=SimpleNamespace(stations=stations),
        link=lambda _peer: SimpleNamespace(number=2),
    )
    cutter = Cutter(unit, 1)
    cutter.for_stations(
        [],
        [entry(56, 1, FIRST, must=2), entry(59, 2, SECOND, origin=1), entry(62, 3, EVERYBODY)],
        {},
        [],
    )
    mine = [made for made in cutter.made if made.peer == 2 or 2 in stations.get(made.recipients or 0, ())]
    segments = [decode_segment(made.frame or b"", made.entry) for made in mine]
    batch = SimpleNamespace(segments=lambda kind: segments if kind is SegmentKind.LOG else [])
    steps = [step for window in windows(unit, cast("Any", batch)) for step in window.steps]
    assert [step.position[1] for step in steps if isinstance(step, Record)] == [56, 59, 62]
    assert [made.ordinal for made in cutter.made] == list(range(4))
