"""What host and station tell each other when they compare: there and back, and nothing malformed is taken."""

from __future__ import annotations

from typing import Any

import pytest

from replicator.errors import PeerFault
from replicator.protocol import comparing
from replicator.protocol.codec_plain import pack, unpack
from replicator.protocol.comparing import AnswerBody, CompareBody, ResultBody

SUMS = bytes(range(64))


def test_there_and_back() -> None:
    told = CompareBody(3, 0, 7, (1, 4), SUMS)
    assert comparing.compare_body(unpack(pack(told.plain()))) == told
    assert told.buckets == 4
    answer = AnswerBody(3, 7, b"a" * 16, (2, 9), 0, True, b"\x05", (b"\x91\x01",), b"12345678", (b"\x91\x02",))
    assert comparing.answer_body(unpack(pack(answer.plain()))) == answer
    result = ResultBody(5, "", ((7, 1, 2, 3),))
    assert comparing.result_body(unpack(pack(result.plain()))) == result
    assert comparing.tables_body([5, [7, 8], 1]) == (5, [7, 8], True)
    assert comparing.repair_body([7, [b"\x91\x01"]]) == (7, [b"\x91\x01"])


def test_bits_of_buckets() -> None:
    for buckets in (set(), {0}, {7, 8}, {511}, set(range(512))):
        assert comparing.listed_buckets(comparing.listed_bits(buckets)) == buckets


ANSWER = AnswerBody(3, 7, b"a" * 16, (2, 9), 0, True, b"\x05", (b"\x91\x01",), b"12345678").plain()


@pytest.mark.parametrize(
    ("read", "body"),
    [
        *[(comparing.compare_body, body) for body in (None, [], [3, 0, 7, [], SUMS[:48]], [3, 0, 7, [], b""])],
        *[(comparing.compare_body, body) for body in ([0, 0, 7, [], SUMS], [3, 0, 7, [-1], SUMS], [3, 0, 7, [], "x"])],
        *[(comparing.answer_body, [*ANSWER[:place], wrong, *ANSWER[place + 1 :]]) for place, wrong in
          ((0, 0), (1, -1), (2, b"a" * 17), (3, [1]), (4, -1), (5, 2), (6, b"x" * 9000), (7, [1]), (8, b"x"), (9, 1))],
        *[(comparing.result_body, body) for body in ([0, "", []], [1, 2, []], [1, "", [[1, 2]]], {})],
        *[(comparing.tables_body, body) for body in ([1, [0], 0], [1, [], 2], "x")],
        *[(comparing.repair_body, body) for body in ([1, ["x"]], [0, []], [1])],
    ],
)  # fmt: skip
def test_nothing_malformed_is_taken(read: Any, body: Any) -> None:
    with pytest.raises(PeerFault):
        read(body)
