"""Keys as bytes: the same key for the same values, whoever packs it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import values
from small_tables import table

from replicator.errors import PeerFault
from replicator.protocol.images import same_image
from replicator.protocol.keys import checked_key, key_packer, keys_packer, pack_key, unpack_key

SINGLE = table(1, "single", "name text, id integer!")
PAIR = table(2, "pair", "a integer!, note text, b text!", key="b a")


@given(st.lists(values, max_size=4).map(tuple))
def test_round_trip(key: tuple[Any, ...]) -> None:
    assert same_image(unpack_key(pack_key(key)), key)


@given(st.lists(st.tuples(values, values), max_size=5))
def test_all_packers_agree(images: list[tuple[Any, Any]]) -> None:
    one, many = key_packer(SINGLE.definition), keys_packer(SINGLE.definition)
    assert [one(image) for image in images] == many(images) == [pack_key((image[1],)) for image in images]


@given(st.lists(st.tuples(values, values, values), max_size=5))
def test_a_key_of_several_columns_is_in_the_order_of_the_key(images: list[tuple[Any, Any, Any]]) -> None:
    one, many = key_packer(PAIR.definition), keys_packer(PAIR.definition)
    assert [one(image) for image in images] == many(images) == [pack_key((b, a)) for a, _, b in images]


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (1, "1"), ("a", b"a"), (0.0, -0.0), (None, 0), ("", b"")])
def test_look_alikes_are_other_keys(left: object, right: object) -> None:
    assert pack_key((left,)) != pack_key((right,))


def test_a_key_that_came_by_mail_is_checked() -> None:
    assert checked_key(pack_key(("x", 7)), PAIR.definition) == pack_key(("x", 7))


HOSTILE = [
    b"",
    b"\xc1",
    b"\x91",
    pack_key((7,)) + b"\x00",
    pack_key(()),
    pack_key((1, 2)),
    b"\x07",
    b"\xa1x",
    b"\x81\x01\x02",
    b"\x91\x91\x07",  # a list in a list
    b"\x91\x80",  # a map in a list
    b"\x91\xcc\x07",  # 7, longer than it has to be
    b"\xdd\xff\xff\xff\xff",
    b"\x91\xd4\x01\x00",  # an extension type
    b"\x91\xc3",  # true
    b"\x91" * 2000,
]


@pytest.mark.parametrize("key", HOSTILE)
def test_hostile_keys_are_a_fault_of_the_peer(key: bytes) -> None:
    with pytest.raises(PeerFault, match="key"):
        checked_key(key, SINGLE.definition)


@given(st.binary(max_size=12))
def test_no_bytes_bring_anything_else_about(key: bytes) -> None:
    try:
        found = checked_key(key, SINGLE.definition)
    except PeerFault:
        return
    assert pack_key(unpack_key(found)) == key
