"""The envelope: a header and a piece of a batch, sealed from one node to another (NaCl crypto_box).

Bytes: magic (4), format version (1), key id of the sender's public key (8), key id of the receiver's (8), nonce (24),
box. Inside the box the first 21 bytes stand once more, so that what was readable outside is authenticated (as Borg does
with its object headers); then the header's length (4, big-endian), the header's tape and the payload.

A box opens with either side's secret key: whoever sealed a mail could be shown it as the other's. Therefore both key
ids are held against the keys used. Whether names, direction and place fit is for `link` to check.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from nacl.exceptions import CryptoError
from nacl.public import Box, PrivateKey, PublicKey

from replicator.errors import NewerFormat, PeerFault, Unauthentic
from replicator.protocol.bounds import BOUNDS, Bounds
from replicator.protocol.codec import decode_header, encode_header
from replicator.protocol.messages import FORMAT_VERSION, Header
from replicator.runtime import Runtime

MAGIC = b"RPLM"
KEY_ID_SIZE = 8
NONCE_SIZE = 24
_TAG_SIZE = 16
_LENGTH_BYTES = 4
_OUTER_SIZE = len(MAGIC) + 1 + 2 * KEY_ID_SIZE
OVERHEAD = _OUTER_SIZE + NONCE_SIZE + _TAG_SIZE + _OUTER_SIZE + _LENGTH_BYTES
"""Bytes that an envelope adds to header and payload."""


@dataclass(frozen=True, slots=True)
class Outer:
    """What stands in clear, not yet authenticated: good for choosing the keys, and for nothing else."""

    version: int
    sender_key: bytes
    """Key id, not a key."""
    receiver_key: bytes


@lru_cache(maxsize=4096)
def key_id(public: bytes) -> bytes:
    """8 bytes that name a public key of 32 bytes."""
    return blake2b(public, digest_size=KEY_ID_SIZE).digest()


@lru_cache(maxsize=4096)
def _box(secret: bytes, public: bytes) -> tuple[Box, bytes]:
    """The box between two raw keys and the key id of the secret one's public half; costs 0.1 ms, so it is kept."""
    own = PrivateKey(secret)
    return Box(own, PublicKey(public)), key_id(bytes(own.public_key))


def seal(header: Header, payload: bytes, sender_secret: bytes, receiver_public: bytes, runtime: Runtime) -> bytes:
    """The sealed envelope. `payload` is a byte range of a batch's stream, compressed already, or empty.

    Raises PeerFault when the receiver's key can't be used.
    """
    try:
        box, own_id = _box(sender_secret, receiver_public)
    except (CryptoError, ValueError, TypeError) as error:
        raise PeerFault("The receiver's public key can't be used: have the station invited again.") from error
    outer = MAGIC + bytes((FORMAT_VERSION,)) + own_id + key_id(receiver_public)
    head = encode_header(header)
    inner = b"".join((outer, len(head).to_bytes(_LENGTH_BYTES, "big"), head, payload))
    nonce = runtime.random(NONCE_SIZE)
    return b"".join((outer, nonce, box.encrypt(inner, nonce).ciphertext))


def peek(blob: bytes, bounds: Bounds = BOUNDS) -> Outer:
    """What stands in clear. Raises NewerFormat, or PeerFault when this is no envelope at all."""
    if not blob.startswith(MAGIC):
        raise PeerFault("The attachment is not one of our envelopes.")
    if len(blob) <= len(MAGIC):
        raise PeerFault("The envelope is damaged: it is cut short.")
    version = blob[len(MAGIC)]
    if version > FORMAT_VERSION:
        raise NewerFormat(f"The mail speaks format version {version}: upgrade this program, it knows {FORMAT_VERSION}.")
    if version < 1:
        raise PeerFault(f"The envelope is damaged: there is no format version {version}.")
    if len(blob) < OVERHEAD:
        raise PeerFault("The envelope is damaged: it is cut short.")
    if len(blob) > OVERHEAD + bounds.header + bounds.part_payload:
        raise PeerFault("The envelope is larger than any that is ever sent.")
    start = len(MAGIC) + 1
    return Outer(version, blob[start : start + KEY_ID_SIZE], blob[start + KEY_ID_SIZE : _OUTER_SIZE])


def open_envelope(
    blob: bytes, receiver_secret: bytes, sender_public: bytes, bounds: Bounds = BOUNDS
) -> tuple[Header, bytes]:
    """Header and payload of what `sender_public` sealed for us.

    Raises Unauthentic when it is not that, PeerFault when what was sealed is damaged, NewerFormat.
    """
    outer = peek(blob, bounds)
    try:
        box, own_id = _box(receiver_secret, sender_public)
    except (CryptoError, ValueError, TypeError) as error:
        raise Unauthentic("The sender's public key can't be used.") from error
    if outer.receiver_key != own_id:
        raise Unauthentic("The mail is sealed for another receiver's key.")
    if outer.sender_key != key_id(sender_public) or outer.sender_key == own_id:
        raise Unauthentic("The mail is sealed by another key than the sender's.")
    nonce = blob[_OUTER_SIZE : _OUTER_SIZE + NONCE_SIZE]
    try:
        inner = box.decrypt(blob[_OUTER_SIZE + NONCE_SIZE :], nonce)
    except CryptoError as error:
        raise Unauthentic("The mail was changed on its way, or sealed by another key than the sender's.") from error
    return _parse(inner, blob[:_OUTER_SIZE], bounds)


def _parse(inner: bytes, outer: bytes, bounds: Bounds) -> tuple[Header, bytes]:
    if inner[:_OUTER_SIZE] != outer:
        raise Unauthentic("What stands outside the sealed part was changed on its way.")
    start = _OUTER_SIZE + _LENGTH_BYTES
    end = start + int.from_bytes(inner[_OUTER_SIZE:start], "big")
    if end - start > bounds.header or end > len(inner):
        raise PeerFault("The envelope is damaged: the header's length is wrong.")
    payload = inner[end:]
    if len(payload) > bounds.part_payload:
        raise PeerFault("The envelope is damaged: its payload is too long.")
    return decode_header(inner[start:end], bounds), payload
