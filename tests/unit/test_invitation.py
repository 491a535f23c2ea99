"""The invitation: whole or refused, with a sentence that says what to do."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import pwhash

from replicator.errors import InvitationError, StorageTrouble
from replicator.runtime import Runtime
from replicator.store import invitation as invitations
from replicator.store import invitation_armour as armour
from replicator.store.files import Files
from replicator.store.invitation import Invitation, Strength, mark_used, needs_passphrase, read, read_file, write

WEAK = Strength(pwhash.argon2id.OPSLIMIT_MIN, pwhash.argon2id.MEMLIMIT_MIN)
"""So that the tests take no time."""
INVITATION = Invitation(
    station="Köln",
    host_name="Zentrale",
    host_address="zentrale@example.com",
    station_address="koeln@example.com",
    host_public_key=bytes(range(32)),
    bootstrap_secret=bytes(range(32, 64)),
    epoch=3,
    invitation_id=b"\xff" * 16,
    created_at=1_764_100_000_000_000,
)


@functools.cache
def written(passphrase: str | None) -> bytes:
    return write(INVITATION, passphrase, Runtime(), strength=WEAK)


def refusal(data: bytes, passphrase: str | None = None) -> str:
    with pytest.raises(InvitationError) as caught:
        read(data, passphrase)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def forged(**changes: object) -> bytes:
    """An envelope with a right check sum and these things changed."""
    whole = msgpack.packb({"format": 1, "protection": None, "body": b"", **changes})
    return armour.wrap(whole + invitations._check(whole), [])


@pytest.mark.parametrize("passphrase", [None, "", "grün & blau"])
def test_what_is_written_is_read(passphrase: str | None) -> None:
    data = written(passphrase)
    assert read(data, passphrase) == INVITATION
    assert needs_passphrase(data) == (passphrase is not None)
    text = data.decode()
    assert text.startswith("# Invitation for Köln, to exchange data with Zentrale. Made on 2025-11-25.\n")
    assert "replicator remote-init THIS-FILE" in text
    assert max(len(line) for line in text.splitlines()) < 100
    assert len(data) < 2_000


def test_the_default_strength_is_moderate() -> None:
    data = write(INVITATION, "geheim", Runtime())
    assert invitations._open_envelope(data)["protection"]["memory"] == pwhash.argon2id.MEMLIMIT_MODERATE
    assert read(data, "geheim") == INVITATION


@settings(max_examples=400, deadline=None)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7), protected=st.booleans())
def test_any_flipped_bit_between_begin_and_end_is_refused(place: int, bit: int, protected: bool) -> None:
    passphrase = "geheim" if protected else None
    data = bytearray(written(passphrase))
    start, end = data.index(b"-----BEGIN"), len(data) - 1
    data[start + place % (end - start)] ^= 1 << bit
    with pytest.raises(InvitationError):
        read(bytes(data), passphrase)


@settings(max_examples=100, deadline=None)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_comments_are_for_people_only(place: int, bit: int) -> None:
    data = bytearray(written(None))
    data[place % data.index(b"\n-----BEGIN")] ^= 1 << bit
    assert read(bytes(data), None) == INVITATION


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), framed=st.booleans(), checked=st.booleans())
def test_rubbish_is_refused(data: bytes, framed: bool, checked: bool) -> None:
    if framed:
        data = armour.wrap(data + invitations._check(data) if checked else data, [])
    with pytest.raises(InvitationError):
        read(data, None)


def test_mail_may_change_line_ends_and_put_text_around() -> None:
    data = written(None)
    assert read(data.replace(b"\n", b"\r\n"), None) == INVITATION
    assert read(data.replace(b"\n", b" \t\r\n"), None) == INVITATION
    assert read(b"\xef\xbb\xbfHello,\n\n" + data.rstrip() + b"\n\n-- \nBye\n", None) == INVITATION


def test_truncated_or_foreign_files_are_told_apart() -> None:
    assert refusal(written(None)[:-60]) == armour.DAMAGED
    assert "is no invitation" in refusal(b"\x00\x01 anything")
    assert "is no invitation" in refusal(b"")
    assert "too long" in refusal(b"x" * 200_000)


def test_passphrase_is_asked_for_and_wrong_ones_are_told() -> None:
    assert "give the passphrase" in refusal(written("geheim"))
    assert "does not open this invitation" in refusal(written("geheim"), "Geheim")
    assert read(written(None), "not needed") == INVITATION
    composed = write(INVITATION, "gr\u00fcn", Runtime(), strength=WEAK)
    assert read(composed, "gru\u0308n") == INVITATION


def test_nothing_of_the_secret_is_in_a_protected_file_or_in_print() -> None:
    assert INVITATION.bootstrap_secret in invitations._open_envelope(written(None))["body"]
    assert INVITATION.bootstrap_secret not in invitations._open_envelope(written("geheim"))["body"]
    assert str(INVITATION.bootstrap_secret) not in f"{INVITATION} {INVITATION!r}"


def test_newer_format_is_told() -> None:
    assert "newer version of the program; update" in refusal(forged(format=3, body=5))


@pytest.mark.parametrize(
    "protection",
    [
        {},
        5,
        {"kdf": "argon2id", "salt": b"s" * 16, "operations": 1000, "memory": WEAK.memory},
        {"kdf": "argon2id", "salt": b"s" * 16, "operations": 1, "memory": 2**34},
        {"kdf": "argon2id", "salt": b"s" * 15, "operations": 1, "memory": WEAK.memory},
        {"kdf": "argon2id", "salt": b"s" * 16, "operations": 1.0, "memory": WEAK.memory},
        {"kdf": "scrypt", "salt": b"s" * 16, "operations": 1, "memory": WEAK.memory},
    ],
)
def test_cost_of_opening_is_bounded(protection: object) -> None:
    assert refusal(forged(protection=protection), "geheim") == armour.DAMAGED


@pytest.mark.parametrize(
    "change",
    [
        {"station": "../x"},
        {"station": 5},
        {"host_address": "a/b@c"},
        {"host_public_key": b"short"},
        {"bootstrap_secret": "text" * 8},
        {"epoch": -1},
        {"epoch": True},
        {"created_at": 2**60},
        {"unknown": 1},
    ],
)
def test_fields_are_checked(change: dict[str, object]) -> None:
    body = msgpack.unpackb(invitations._open_envelope(written(None))["body"])
    assert refusal(forged(body=msgpack.packb({**body, **change}))) == armour.DAMAGED


def test_wrong_fields_are_not_written() -> None:
    with pytest.raises(ValueError, match="a name has"):
        write(replace(INVITATION, station="a b"), None, Runtime())


def test_a_used_invitation_says_so(tmp_path: Path) -> None:
    path = tmp_path / "Köln.invitation"
    files = Files(Runtime())
    path.write_bytes(written(None))
    assert mark_used(path, INVITATION, files, INVITATION.created_at)
    assert refusal(read_file(path, files)) == (
        "the invitation has been used already on 2025-11-25; ask the head office for a new one: "
        "replicator station invite Köln"
    )
    assert "used already; ask" in refusal(b"-----USED REPLICATOR INVITATION-----\n")
    assert not mark_used(tmp_path / "none" / "x", INVITATION, files, 0)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvitationError, match=f"there is no invitation {tmp_path / 'x'}"):
        read_file(tmp_path / "x", Files(Runtime()))
    with pytest.raises(StorageTrouble, match="a folder stands where a file is needed"):
        read_file(tmp_path, Files(Runtime()))


def test_it_says_whose_copy_it_is_for() -> None:
    for_copy = replace(INVITATION, copy_of="Bonn")
    data = write(for_copy, None, Runtime())
    assert read(data, None) == for_copy
    assert b"replicator copy THIS-FILE" in data
    with pytest.raises(ValueError, match="name"):
        write(replace(INVITATION, copy_of="a/b"), None, Runtime())
