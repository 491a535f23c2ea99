"""The invitation: one file that makes a station of a computer (design.md 8, Enrolment).

It is text, so that it may be mailed. Comments for people come first and are not read by the program; then, between a
BEGIN and an END line, base64 of a msgpack map {format, protection, body} and 16 bytes of BLAKE2b over it. `body` is a
msgpack map of the fields, sealed (XSalsa20-Poly1305) under a key that Argon2id makes of the passphrase when there is
one; `protection` then holds its parameters and salt, bounded when reading, as anybody may have written the file. Every
later format keeps BEGIN, END, check sum and `format`, so that an old program can say what is wrong.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
from nacl import pwhash
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey
from nacl.secret import SecretBox

from replicator.config_values import checked_address, checked_name
from replicator.errors import InvitationError, PeerFault, StorageTrouble
from replicator.protocol.succession import MOST, Successor, successors_body
from replicator.runtime import Runtime
from replicator.store import invitation_armour as armour
from replicator.store.files import Files
from replicator.store.identity import KEY_BYTES

FORMAT = 2
"""With successors; without, an invitation is of format 1, which older programs read."""
_OLDEST = 1
_CHECK_BYTES = 16
_ID_BYTES = 16
_EPOCH_LIMIT = 2**53
_TIME_LIMIT = 2**53


@dataclass(frozen=True, slots=True)
class Strength:
    """Cost of trying a passphrase: Argon2id passes and bytes of memory."""

    operations: int
    memory: int


MODERATE = Strength(pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE)
"""About a second and 256 MiB."""
_MOST = Strength(16, 2 * MODERATE.memory)
"""What a file may ask of us."""


@dataclass(frozen=True, slots=True)
class Invitation:
    station: str
    """The name that the host gave to the station."""
    host_name: str
    host_address: str
    station_address: str
    host_public_key: bytes
    bootstrap_secret: bytes = field(repr=False)
    """Private key under which the station sends its own public key; forgotten on both sides after that."""
    epoch: int
    """First epoch of the station's own stream: higher than any that was ever used under its name."""
    invitation_id: bytes
    """16 random bytes; the host knows by them whether an invitation is the newest and unused."""
    created_at: int
    """Microseconds since 1970 UTC."""
    copy_of: str | None = None
    """Name of the station whose copy is to become this one."""
    successors: tuple[Successor, ...] = ()
    """Backup stations that the station is to accept as its host, if this one is lost."""

    @property
    def format(self) -> int:
        return FORMAT if self.successors else _OLDEST

    def bootstrap_key(self) -> PrivateKey:
        return PrivateKey(self.bootstrap_secret)


def write(invitation: Invitation, passphrase: str | None, runtime: Runtime, *, strength: Strength = MODERATE) -> bytes:
    """The invitation's file, sealed when there is a passphrase. Raises ValueError for a name or address out of form."""
    _validate(invitation)
    content = {each.name: getattr(invitation, each.name) for each in fields(invitation) if each.name != "successors"}
    if invitation.successors:
        content["successors"] = [list(each) for each in invitation.successors]
    body = _pack(content)
    protection = None
    if passphrase is not None:
        salt = runtime.random(pwhash.argon2id.SALTBYTES)
        box = _box(passphrase, salt, strength)
        body = bytes(box.encrypt(body, runtime.random(SecretBox.NONCE_SIZE)))
        protection = {"kdf": "argon2id", "salt": salt, "operations": strength.operations, "memory": strength.memory}
    whole = _pack({"format": invitation.format, "protection": protection, "body": body})
    return armour.wrap(whole + _check(whole), _comments(invitation, protected=passphrase is not None))


def needs_passphrase(data: bytes) -> bool:
    """Whether `read` wants one. Raises InvitationError like `read`."""
    return _open_envelope(data)["protection"] is not None


def read(data: bytes, passphrase: str | None) -> Invitation:
    """Raises InvitationError: damaged, used, of a newer format, passphrase needed or wrong. A passphrase that isn't
    needed is not looked at."""
    envelope = _open_envelope(data)
    body = envelope["body"]
    if envelope["protection"] is not None:
        body = _unseal(body, envelope["protection"], passphrase)
    try:
        content = _map(body)
        successors = tuple(successors_body(content.pop("successors", [])))
        invitation = Invitation(**content, successors=successors)
        _validate(invitation)
    except (ValueError, TypeError, KeyError, PeerFault):
        raise InvitationError(armour.DAMAGED) from None
    return invitation


def read_file(path: Path, files: Files) -> bytes:
    """The file's bytes. Raises InvitationError when there is none or it can't be one, StorageTrouble."""
    data = files.read(path, armour.FILE_LIMIT)
    if data is None:
        raise InvitationError(f"there is no invitation {path}; name the file that the head office sent")
    return data


def mark_used(path: Path, invitation: Invitation, files: Files, at: int) -> bool:
    """Put a note in place of the used invitation, so that its secret is gone and a second try gets a clear sentence.

    Best effort: False when the file can't be written (a read-only stick); the host refuses a second use anyway.
    """
    try:
        files.write(path, armour.used_note(invitation.station, _date(at)))
    except StorageTrouble:
        return False
    return True


def _comments(invitation: Invitation, *, protected: bool) -> list[str]:
    station, host = invitation.station, invitation.host_name
    return [
        f"Invitation for {station}, to exchange data with {host}. Made on {_date(invitation.created_at)}.",
        f"On the computer of {station}: {_command(invitation)}",
        "It works once. "
        + (
            "It opens with a passphrase: pass that on by another way, not by mail."
            if protected
            else f"Whoever has this file can take the place of {station}: pass it on like a key."
        ),
    ]


def _command(invitation: Invitation) -> str:
    if invitation.copy_of is not None:
        return f"replicator copy THIS-FILE --mailbox URL, where the copy of {invitation.copy_of} is"
    return "replicator remote-init THIS-FILE --database URL --mailbox URL"


def _open_envelope(data: bytes) -> dict[str, Any]:
    raw = armour.unwrap(data)
    whole, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if check != _check(whole):
        raise InvitationError(armour.DAMAGED)
    try:
        envelope = _map(whole)
        version = envelope["format"]
        if isinstance(version, int) and version > FORMAT:
            raise InvitationError("the invitation was made by a newer version of the program; update this one")
        if not isinstance(version, int) or version < _OLDEST or set(envelope) != {"format", "protection", "body"}:
            raise ValueError("fields of an envelope")
        if not isinstance(envelope["body"], bytes):
            raise TypeError("body of an envelope")
    except (ValueError, TypeError, KeyError):
        raise InvitationError(armour.DAMAGED) from None
    return envelope


def _unseal(body: bytes, protection: Any, passphrase: str | None) -> bytes:
    try:
        salt, strength = protection["salt"], Strength(protection["operations"], protection["memory"])
        sane = (
            protection["kdf"] == "argon2id"
            and isinstance(salt, bytes)
            and len(salt) == pwhash.argon2id.SALTBYTES
            and type(strength.operations) is type(strength.memory) is int
            and pwhash.argon2id.OPSLIMIT_MIN <= strength.operations <= _MOST.operations
            and pwhash.argon2id.MEMLIMIT_MIN <= strength.memory <= _MOST.memory
        )
    except (TypeError, KeyError):
        sane = False
    if not sane:
        raise InvitationError(armour.DAMAGED)
    if passphrase is None:
        raise InvitationError("the invitation is protected: give the passphrase that the head office chose for it")
    try:
        return bytes(_box(passphrase, salt, strength).decrypt(body))
    except (CryptoError, ValueError):
        # The check sum held, so the file is whole.
        raise InvitationError("the passphrase does not open this invitation; try again") from None


def _validate(invitation: Invitation) -> None:
    """Raises ValueError or TypeError: the fields come from a file that anybody may have written."""
    checked_name(invitation.station)
    checked_name(invitation.host_name)
    checked_address(invitation.host_address)
    checked_address(invitation.station_address)
    if invitation.copy_of is not None:
        checked_name(invitation.copy_of)
    for value, length in (
        (invitation.host_public_key, KEY_BYTES),
        (invitation.bootstrap_secret, KEY_BYTES),
        (invitation.invitation_id, _ID_BYTES),
    ):
        if not isinstance(value, bytes) or len(value) != length:
            raise ValueError("length of a field")
    for number, limit in ((invitation.epoch, _EPOCH_LIMIT), (invitation.created_at, _TIME_LIMIT)):
        if type(number) is not int or not 0 <= number < limit:
            raise ValueError("range of a number")


def _box(passphrase: str, salt: bytes, strength: Strength) -> SecretBox:
    """The passphrase in its composed form, as keyboards differ in how they write an umlaut."""
    secret = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogateescape")
    return SecretBox(pwhash.argon2id.kdf(SecretBox.KEY_SIZE, secret, salt, strength.operations, strength.memory))


def _pack(content: dict[str, Any]) -> bytes:
    return bytes(msgpack.packb(content))


def _map(data: bytes) -> dict[str, Any]:
    """Raises ValueError for anything but a small map with text keys."""
    try:
        content = msgpack.unpackb(data, max_map_len=32, max_array_len=MOST, max_ext_len=0)
    except (msgpack.UnpackException, ValueError, RecursionError) as error:
        raise ValueError("msgpack") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ValueError("not a map")
    return content


def _check(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECK_BYTES).digest()


def _date(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000_000, UTC).strftime("%Y-%m-%d")
