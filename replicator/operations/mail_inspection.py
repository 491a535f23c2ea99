"""What a mail file holds, as far as this node can know: what stands outside, and with the right key what is sealed."""

from __future__ import annotations

from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.policy import default
from pathlib import Path

from nacl.public import PrivateKey

from replicator.errors import PeerFault, WrongUse
from replicator.operations.opening import View
from replicator.protocol.codec import IncompleteManifest, decode_manifest
from replicator.protocol.envelope import MAGIC, key_id, open_envelope, peek
from replicator.protocol.messages import Header, Manifest
from replicator.store.files import Files
from replicator.transport import LARGEST_MAIL
from replicator.transport.mime import extract

_SHOWN = ("From", "To", "Subject", "Date", "Message-ID")
_HEAD_LENGTH = 256 * 1024


@dataclass(frozen=True, slots=True)
class EnvelopeReport:
    """One sealed attachment. `header` and what follows are set when our key opened it."""

    size: int
    version: int | None
    sender_key: str | None
    receiver_key: str | None
    """Ids of keys, in hexadecimal; not authenticated before it is opened."""
    sender: str | None
    receiver: str | None
    """The node whose key that is, where we know it."""
    reason: str | None
    """Why it could not be opened."""
    header: Header | None = None
    payload_size: int = 0
    manifest: Manifest | None = None
    """Of the batch, when this part holds its beginning."""


@dataclass(frozen=True, slots=True)
class MailReport:
    path: Path
    size: int
    head: dict[str, str]
    """Header fields for people; anybody can write there what he likes."""
    envelopes: list[EnvelopeReport]
    foreign: str | None
    """Why there is no envelope in it."""


@dataclass(frozen=True, slots=True)
class _Keys:
    secrets: dict[bytes, bytes]
    """Our private keys by key id."""
    publics: dict[bytes, tuple[str, bytes]]
    """Known public keys by key id, with the node's name."""


def show_mail(view: View, path: Path, files: Files) -> MailReport:
    """Read the file of a mail, which may come from anywhere; a bare name may also be one that was set aside.

    Raises WrongUse when there is none, StorageTrouble.
    """
    raw = files.read(path, LARGEST_MAIL)
    if raw is None and path.name == str(path):
        path = view.home.aside_folder / path.name
        raw = files.read(path, LARGEST_MAIL)
    if raw is None:
        raise WrongUse(f"there is no file {path.name}; name the file of a mail")
    found = extract(raw, MAGIC)
    keys = _keys(view)
    return MailReport(
        path=path,
        size=len(raw),
        head=_head(raw),
        envelopes=[_look_into(payload, keys) for payload in found.payloads],
        foreign=found.reason,
    )


def _head(raw: bytes) -> dict[str, str]:
    message = BytesHeaderParser(policy=default).parsebytes(raw[:_HEAD_LENGTH])
    found = {}
    for name in _SHOWN:
        try:
            value = message.get(name)
        except (ValueError, LookupError, IndexError, AttributeError):  # the library chokes on some malformed fields
            value = None
        if value is not None:
            found[name] = str(value)
    return found


def _keys(view: View) -> _Keys:
    identity = view.home.identity.read()
    own = [identity.private_key, *([identity.bootstrap_key] if identity.bootstrap_key else [])]
    publics = {}
    for key in own:
        public = bytes(key.public_key)
        publics[key_id(public)] = (view.node.name, public)
    for peer in view.peers.values():
        for public_key in (peer.public_key, peer.bootstrap_key):
            if public_key is not None:
                publics[key_id(public_key)] = (peer.name, public_key)
    return _Keys({_id(key): bytes(key) for key in own}, publics)


def _id(key: PrivateKey) -> bytes:
    return key_id(bytes(key.public_key))


def _look_into(payload: bytes, keys: _Keys) -> EnvelopeReport:
    try:
        outer = peek(payload)
    except PeerFault as fault:
        return EnvelopeReport(len(payload), None, None, None, None, None, str(fault))
    sender, receiver = keys.publics.get(outer.sender_key), keys.publics.get(outer.receiver_key)
    secret = keys.secrets.get(outer.receiver_key)
    header, content, manifest, reason = None, b"", None, None
    if secret is None or sender is None:
        reason = "it is sealed for another node" if secret is None else "the sender's key is not known here"
    else:
        try:
            header, content = open_envelope(payload, secret, sender[1])
            if header.part is not None and header.part.offset == 0:
                manifest, _ = decode_manifest(content)
        except IncompleteManifest:
            reason = "the batch's manifest goes on in another mail"
        except PeerFault as fault:
            reason = str(fault)
    return EnvelopeReport(
        size=len(payload),
        version=outer.version,
        sender_key=outer.sender_key.hex(),
        receiver_key=outer.receiver_key.hex(),
        sender=sender[0] if sender else None,
        receiver=receiver[0] if receiver else None,
        reason=reason,
        header=header,
        payload_size=len(content),
        manifest=manifest,
    )
