"""Only what the named sender sealed for us opens, unchanged; everything else is refused with one sentence."""

from __future__ import annotations

import time

import golden_messages
import message_strategies as some
import pytest
from golden_messages import HOST_PUBLIC, HOST_SECRET, PAYLOAD, RUNTIME, STATION_PUBLIC, STATION_SECRET
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.public import Box, PrivateKey, PublicKey

from replicator.errors import NewerFormat, PeerFault, Unauthentic
from replicator.protocol.bounds import Bounds
from replicator.protocol.envelope import MAGIC, OVERHEAD, Outer, key_id, open_envelope, peek, seal
from replicator.protocol.messages import FORMAT_VERSION, Header
from replicator.runtime import Runtime

HEADER = golden_messages.HEADER_UP
SEALED = seal(HEADER, PAYLOAD, STATION_SECRET, HOST_PUBLIC, RUNTIME)
STRANGER_SECRET = b"\x77" * 32
STRANGER_PUBLIC = bytes(PrivateKey(STRANGER_SECRET).public_key)


@settings(max_examples=50)
@given(some.headers, st.binary(max_size=100))
def test_opens_what_was_sealed(header: Header, payload: bytes) -> None:
    blob = seal(header, payload, STATION_SECRET, HOST_PUBLIC, Runtime())
    assert open_envelope(blob, HOST_SECRET, STATION_PUBLIC) == (header, payload)


def test_tells_keys_and_version_without_opening() -> None:
    assert peek(SEALED) == Outer(FORMAT_VERSION, key_id(STATION_PUBLIC), key_id(HOST_PUBLIC))


def test_nothing_of_header_or_payload_can_be_read() -> None:
    for secret in (PAYLOAD, HEADER.sender.encode(), HEADER.receiver.encode(), STATION_PUBLIC):
        assert secret not in SEALED


def test_a_nonce_is_used_once() -> None:
    blobs = {seal(HEADER, PAYLOAD, STATION_SECRET, HOST_PUBLIC, Runtime()) for _ in range(3)}
    assert len(blobs) == 3


@pytest.mark.parametrize("place", range(len(SEALED)))
def test_every_changed_byte_is_noticed(place: int) -> None:
    changed = SEALED[:place] + bytes((SEALED[place] ^ 1,)) + SEALED[place + 1 :]
    with pytest.raises(PeerFault):
        open_envelope(changed, HOST_SECRET, STATION_PUBLIC)


@settings(max_examples=200)
@given(some.damages())
def test_every_damage_is_noticed(damage: some.Damage) -> None:
    with pytest.raises(PeerFault):
        open_envelope(damage(SEALED), HOST_SECRET, STATION_PUBLIC)


@given(st.binary(max_size=300))
def test_noise_is_no_envelope(noise: bytes) -> None:
    for blob in (noise, MAGIC + noise, MAGIC + bytes((FORMAT_VERSION,)) + noise):
        with pytest.raises(PeerFault):
            open_envelope(blob, HOST_SECRET, STATION_PUBLIC)


def test_other_keys_do_not_open_it() -> None:
    for secret, public in (
        (HOST_SECRET, STRANGER_PUBLIC),
        (STRANGER_SECRET, STATION_PUBLIC),
        (HOST_SECRET, HOST_PUBLIC),
        (HOST_SECRET, bytes(32)),
        (HOST_SECRET, b"short"),
    ):
        with pytest.raises(Unauthentic):
            open_envelope(SEALED, secret, public)


def test_our_own_mail_reflected_does_not_open() -> None:
    with pytest.raises(Unauthentic):
        open_envelope(SEALED, STATION_SECRET, HOST_PUBLIC)


def test_swapped_key_ids_do_not_make_a_reflection_open() -> None:
    """A box opens with either end's secret key: only the repeated outer bytes tell who sealed it."""
    start = len(MAGIC) + 1
    swapped = SEALED[:start] + SEALED[start + 8 : start + 16] + SEALED[start : start + 8] + SEALED[start + 16 :]
    assert peek(swapped).sender_key == key_id(HOST_PUBLIC)
    with pytest.raises(Unauthentic, match="outside the sealed part"):
        open_envelope(swapped, STATION_SECRET, HOST_PUBLIC)


def test_newer_formats_are_told_apart() -> None:
    newer = MAGIC + bytes((FORMAT_VERSION + 1,)) + SEALED[5:]
    with pytest.raises(NewerFormat, match="upgrade"):
        peek(newer)
    with pytest.raises(NewerFormat):
        peek(newer[:5])  # whatever a later format looks like behind its version


def test_sizes_are_checked_before_the_work() -> None:
    bounds = Bounds(header=200, part_payload=100)
    seal_of = [seal(HEADER, bytes(size), STATION_SECRET, HOST_PUBLIC, RUNTIME) for size in (100, 101, 1000)]
    open_envelope(seal_of[0], HOST_SECRET, STATION_PUBLIC, bounds)
    with pytest.raises(PeerFault, match="payload"):
        open_envelope(seal_of[1], HOST_SECRET, STATION_PUBLIC, bounds)
    with pytest.raises(PeerFault, match="larger"):
        peek(seal_of[2], bounds)


@pytest.mark.parametrize("inner", [b"", b"\xff\xff\xff\xff", b"\0\0\0\x05ab", b"\0\0\0\0", b"\0\0\0\2\x90\x90"])
def test_a_peer_that_seals_nonsense_is_at_fault(inner: bytes) -> None:
    outer = SEALED[:21]
    nonce = bytes(24)
    box = Box(PrivateKey(STATION_SECRET), PublicKey(HOST_PUBLIC))
    with pytest.raises(PeerFault):
        open_envelope(outer + nonce + box.encrypt(outer + inner, nonce).ciphertext, HOST_SECRET, STATION_PUBLIC)


def test_unusable_receiver_keys_are_named() -> None:
    for key in (bytes(32), b"short"):
        with pytest.raises(PeerFault, match="invited again"):
            seal(HEADER, PAYLOAD, STATION_SECRET, key, RUNTIME)


def test_a_mail_of_one_change_is_small() -> None:
    assert len(SEALED) - len(PAYLOAD) < OVERHEAD + 100 < 200


def test_boxes_are_kept() -> None:
    """A box costs as much as sealing 50 kB: a host with a thousand stations makes each of them once."""
    started = time.process_time()
    for _ in range(1000):
        seal(HEADER, PAYLOAD, STATION_SECRET, HOST_PUBLIC, RUNTIME)
    assert time.process_time() - started < 0.5
