"""What an acknowledgement shows to be lost, and nothing else, is sent again (protocol.md 5.3, step 1)."""

from __future__ import annotations

import pytest

from replicator.protocol.messages import Acknowledgement, MissingParts
from replicator.protocol.repeating import Unacknowledged, to_repeat


def ack(n: int, high: int, *missing: MissingParts, probe: int = 0) -> Acknowledgement:
    return Acknowledgement((1, 1), n, b"", high, missing, probe)


FIVE_TO_SEVEN = [Unacknowledged(n, 100, sent_probe=3, repeated=False) for n in (5, 6, 7)]

REPEATS = [
    # acknowledgement                                                        sent again
    ("nothing has come, no later probe answered", ack(4, 4, probe=3), []),
    ("nothing has come, a later probe answered", ack(4, 4, probe=4),
     [(5, [(0, 100)]), (6, [(0, 100)]), (7, [(0, 100)])]),
    ("all is there and waits", ack(4, 7, probe=4), []),
    ("the first has been applied, the rest waits", ack(5, 7, probe=4), []),
    ("never seen, but a later one", ack(4, 6, MissingParts(5)), [(5, [(0, 100)])]),
    ("pieces lost before a later batch", ack(4, 6, MissingParts(5, ((90, 10),))), [(5, [(90, 10)])]),
    ("a hole", ack(4, 5, MissingParts(5, ((20, 10), (50, 50)))), [(5, [(20, 10), (50, 50)])]),
    ("the end may be on its way", ack(4, 5, MissingParts(5, ((50, 50),))), []),
    ("no end came, a later probe answered", ack(4, 5, MissingParts(5, ((50, 50),)), probe=4),
     [(5, [(50, 50)]), (6, [(0, 100)]), (7, [(0, 100)])]),
    ("no room for it", ack(4, 7, MissingParts(7), probe=4), [(7, [(0, 100)])]),
    ("ranges outside the batch", ack(4, 6, MissingParts(5, ((-5, 10), (95, 10), (10, 0)))), [(5, [(0, 100)])]),
    ("ranges that overlap", ack(4, 6, MissingParts(5, ((0, 50), (0, 50), (40, 20), (60, 5), (80, 10)))),
     [(5, [(0, 65), (80, 10)])]),
]  # fmt: skip


@pytest.mark.parametrize(("_case", "heard", "again"), REPEATS, ids=[case[0] for case in REPEATS])
def test_what_is_sent_again(_case: str, heard: Acknowledgement, again: list[object]) -> None:
    assert [(repeat.n, repeat.ranges) for repeat in to_repeat(heard, FIVE_TO_SEVEN)] == again


def test_what_was_named_is_sent_again_once_without_a_probe() -> None:
    heard = ack(4, 6, MissingParts(5))
    (repeat,) = to_repeat(heard, FIVE_TO_SEVEN)
    assert repeat.named
    assert to_repeat(heard, [Unacknowledged(5, 100, 3, repeated=True)]) == []
    (repeat,) = to_repeat(ack(4, 6, MissingParts(5), probe=4), [Unacknowledged(5, 100, 3, repeated=True)])
    assert not repeat.named
