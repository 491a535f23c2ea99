"""Seals that are good, around plaintext that need not be: nothing of the plaintext is looked at."""

from __future__ import annotations

from functools import lru_cache

from nacl.public import Box, PrivateKey, PublicKey

from replicator.protocol.envelope import MAGIC, NONCE_SIZE, key_id
from replicator.protocol.messages import FORMAT_VERSION

LENGTH_BYTES = 4


@lru_cache(maxsize=16)
def _box(secret: bytes, public: bytes) -> tuple[Box, bytes]:
    own = PrivateKey(secret)
    return Box(own, PublicKey(public)), outer(bytes(own.public_key), public)


def outer(sender: bytes, receiver: bytes) -> bytes:
    """What stands in clear; both are public keys."""
    return MAGIC + bytes((FORMAT_VERSION,)) + key_id(sender) + key_id(receiver)


def sealed(inside: bytes, secret: bytes, public: bytes) -> bytes:
    """An envelope with this in its box, outer bytes and all."""
    box, clear = _box(secret, public)
    nonce = bytes(NONCE_SIZE)
    return clear + nonce + box.encrypt(inside, nonce).ciphertext


def sealed_message(tape: bytes, payload: bytes, secret: bytes, public: bytes) -> bytes:
    """An envelope with this tape for its header."""
    _, clear = _box(secret, public)
    return sealed(clear + with_header(tape, payload), secret, public)


def with_header(tape: bytes, payload: bytes) -> bytes:
    return len(tape).to_bytes(LENGTH_BYTES, "big") + tape + payload
