"""What a host tells of its successors and of its state: there and back, and nothing malformed is taken."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import plain_data

from replicator.errors import PeerFault
from replicator.operations.promoting import LONGEST_ADDRESS
from replicator.protocol import succession
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec_plain import pack, unpack
from replicator.protocol.hello import DatabaseTold, database_notice
from replicator.protocol.succession import Item, JudgedGroup, StateBody, Successor

KEY = bytes(range(32))
counts = st.integers(0, 2**53)
keys = st.binary(min_size=32, max_size=32)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)
successors = st.lists(
    st.builds(Successor, names, keys), max_size=succession.MOST, unique_by=lambda each: each.public_key
)
items = st.builds(Item, st.text(max_size=20), st.binary(max_size=100), st.none() | st.binary(max_size=300))
hosts_groups = st.tuples(counts, st.integers(-(2**62), 2**62)).map(lambda told: JudgedGroup(*told))
stations_groups = st.tuples(
    counts,
    st.integers(-(2**62), 2**62),
    st.integers(1, 2**31 - 1),
    st.binary(min_size=1, max_size=64),
    st.tuples(counts, counts),
).map(lambda told: JudgedGroup(*told))


# --- there and back ---------------------------------------------------------------------------------------------------


@given(successors)
def test_successors_keep_their_order(named: list[Successor]) -> None:
    assert succession.successors_body(unpack(pack(succession.successors_plain(named)))) == named


@given(st.booleans(), st.lists(items, max_size=20))
def test_state_there_and_back(whole: bool, told: list[Item]) -> None:
    body = StateBody(whole, told)
    assert succession.state_body(unpack(pack(body.plain()))) == body


@given(st.lists(hosts_groups | stations_groups, max_size=20))
def test_judged_there_and_back(groups: list[JudgedGroup]) -> None:
    assert succession.judged_body(unpack(pack(succession.judged_plain(groups)))) == groups


# --- nothing malformed ------------------------------------------------------------------------------------------------

READERS = [succession.successors_body, succession.state_body, succession.judged_body]


@pytest.mark.parametrize("read", READERS)
@given(body=plain_data)
def test_any_body_is_taken_or_refused_as_the_peers_fault(read: Callable[[Any], Any], body: Any) -> None:
    with suppress(PeerFault):
        read(body)


@given(st.data())
def test_one_word_that_is_wrong_spoils_all(data: st.DataObject) -> None:
    body: list[Any] = succession.judged_plain(data.draw(st.lists(stations_groups, min_size=1, max_size=4)))
    group = data.draw(st.sampled_from(body))
    wrong = st.sampled_from([None, "1", -(2**63), True, 1.0, [], b"", b"x" * 65])
    group[data.draw(st.integers(0, 5))] = data.draw(wrong)
    with pytest.raises(PeerFault):
        succession.judged_body(body)


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (succession.successors_body, [["K", KEY], ["L", KEY]]),
        (succession.successors_body, [["K", KEY[:31]]]),
        (succession.successors_body, [["../K", KEY]]),
        (succession.successors_body, [["K", KEY, 1]]),
        (succession.successors_body, [[f"K{place}", bytes([place]) * 32] for place in range(succession.MOST + 1)]),
        (succession.state_body, [0]),
        (succession.state_body, [-1, []]),
        (succession.state_body, [1, [["span", b"x" * 101, None]]]),
        (succession.state_body, [1, [["k" * 21, b"", None]]]),
        (succession.state_body, [1, [["span", b"", "content"]]]),
        (succession.judged_body, [[1, 2, 3]]),
        (succession.judged_body, [[1, 2, 0, b"u", 1, 1]]),
        (succession.judged_body, [[1, 2, 3, b"u", 1, 1, 1]]),
    ],
)
def test_bounds(read: Callable[[Any], Any], body: Any) -> None:
    with pytest.raises(PeerFault):
        read(body)


# --- the word at the head of mails ------------------------------------------------------------------------------------


def test_a_claim_names_an_address() -> None:
    assert succession.claimed_address(succession.claim_notice("sicherung@example.com")) == "sicherung@example.com"
    longest = succession.claim_notice("a" * LONGEST_ADDRESS)
    assert len(longest) <= BOUNDS.name, "it stands at the head of each mail"


@pytest.mark.parametrize(
    "notice",
    [
        None,
        "",
        "successor",
        "successor ",
        "successor nobody",
        "successor a@b\r\nBcc: c@example.com",
        "successor A <a@example.com>",
        succession.SUCCEEDED,
        database_notice(DatabaseTold("sqlite", (3, 40, 1))),
    ],
)
def test_what_is_no_claim(notice: str | None) -> None:
    assert succession.claimed_address(notice) is None


@given(st.text(max_size=40))
def test_a_claim_never_carries_more_than_an_address(text: str) -> None:
    address = succession.claimed_address(f"successor {text}")
    assert address is None or (address == text and "@" in text and not set(text) & set("\r\n<> "))
