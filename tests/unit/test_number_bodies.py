"""What is said about numbers comes through as it was, and nothing malformed does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import PeerFault
from replicator.protocol.codec_plain import pack, unpack
from replicator.protocol.number_bodies import (
    Grant,
    NumberRequest,
    NumberReturn,
    grant_body,
    held_body,
    held_plain,
    request_body,
    return_body,
)
from replicator.protocol.numbers import Block, Empty, Form, NumberRange, Share, Way

GRANT = Grant(
    NumberRange(3, 7, "number", Way.FILLED, Empty.NULL, 100, Form("RE-", 5)),
    "invoices",
    99_999,
    Share(50, 30, closed=True),
    (Block(100, 149, 4), Block(20, 20, 5)),
    (0, 2),
)
KEYS = Grant(NumberRange(1, 1, "id", Way.KEYS, None, 1), "orders", 2**63 - 1, Share(1_000_000), (), (0, 1))
BODIES = [
    (GRANT, grant_body),
    (KEYS, grant_body),
    (NumberRequest(3, 17), request_body),
    (NumberRequest(3, 0, -5), request_body),
    (NumberReturn(3, ((5, 9), (12, 12))), return_body),
]


@pytest.mark.parametrize(("body", "read"), BODIES)
def test_a_body_comes_through(body: Any, read: Any) -> None:
    assert read(unpack(pack(body.plain()))) == body


def test_what_is_held_comes_through() -> None:
    held = [(1, Block(5, 9, 2)), (2, Block(1, 1, 1))]
    assert held_body(unpack(pack(held_plain(held)))) == held


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([2**63, -(2**63), "", "x", "{n}", "filled", b"", 1.0]),
    lambda inner: st.lists(inner, max_size=7),
    max_leaves=12,
)


def _spoilt(body: Any, path: list[int], value: Any) -> Any:
    if not path or not isinstance(body, list) or not body:
        return value
    place = path[0] % len(body)
    return [_spoilt(each, path[1:], value) if index == place else each for index, each in enumerate(body)]


@given(st.sampled_from(BODIES), st.lists(st.integers(0, 6), max_size=4), plain)
def test_a_spoilt_body_is_refused_or_says_something_else(case: Any, path: list[int], value: Any) -> None:
    body, read = case
    spoilt = _spoilt(body.plain(), path, value)
    try:
        read(spoilt)
    except PeerFault:
        return


@pytest.mark.parametrize("body", [None, [], {}, [1, 2, 3, 4], [[3, 9, 1]], [1, [[5, 4]]], [0, 1, None], ["1", 2, None]])
def test_what_is_malformed_is_the_peers_fault(body: Any) -> None:
    for read in (grant_body, request_body, return_body):
        with pytest.raises(PeerFault):
            read(body)
