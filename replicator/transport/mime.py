"""A mail's form: `compose` writes one, `extract` finds what may be ours in any bytes that call themselves a mail.

A mail is RFC 5322 with a sentence for people and one attachment. On its way it may be rewritten: headers changed and
added, line ends, the attachment encoded anew, footers added, the whole wrapped in another multipart. `extract` looks
at content only: whatever decodes to something that begins with the envelope's magic bytes is a candidate, and who sent
it is told by the seal inside, never by a header.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from hashlib import blake2b

from replicator.runtime import Runtime
from replicator.transport.base import LARGEST_MAIL, Mail
from replicator.transport.foreign_mime import Bounds, candidates
from replicator.transport.writing import base64_lines, header_address, header_text, header_word, moment, text_part

__all__ = ["Bounds", "Extracted", "compose", "extract", "new_message_id", "sentence_for_people"]

ATTACHMENT_NAME = "replicator.bin"

_ATTACHMENT_HEAD = (
    f'Content-Type: application/octet-stream; name="{ATTACHMENT_NAME}"',
    "Content-Transfer-Encoding: base64",
    f'Content-Disposition: attachment; filename="{ATTACHMENT_NAME}"',
)
_OUR_ATTACHMENT = re.compile(
    rb"\r?\n--(=_[0-9a-f]{16})\r?\n"
    + b"".join(re.escape(line.encode()) + rb"\r?\n" for line in _ATTACHMENT_HEAD)
    + rb"\r?\n"
)
_OUR_HEAD_REACHES = 256 * 1024
"""Our attachment begins within so many bytes, Received headers included; else the general way is taken."""


def new_message_id(runtime: Runtime, sender: str) -> str:
    """A Message-ID that no other mail has, in the sender's domain."""
    _, at, domain = sender.rpartition("@")
    if not at or not re.fullmatch(r"[A-Za-z0-9.-]+", domain):
        domain = "replicator.invalid"
    return f"<{runtime.now():x}.{runtime.random(8).hex()}@{domain}>"


def sentence_for_people(sender: str, receiver: str) -> str:
    """What a person reads who opens one of our mails; `sender` and `receiver` are names of nodes."""
    return (
        f"This mail carries data of the replicator between {sender} and {receiver}. "
        "There is nothing to do for you: please leave it where it is, it is fetched and deleted by a program."
    )


def compose(mail: Mail) -> bytes:
    """The whole mail as it is sent: CRLF line ends, ASCII only; unfit signs in texts are replaced."""
    boundary = "=_" + blake2b(mail.message_id.encode("utf-8", "replace"), digest_size=8).hexdigest()
    encoding, sentence = text_part(mail.sentence)
    head = (
        f"From: {header_address(mail.sender)}",
        f"To: {header_address(mail.recipient)}",
        f"Subject: {header_text(mail.subject)}",
        f"Date: {moment(mail.date)}",
        f"Message-ID: <{header_word(mail.message_id).strip('<>')}>",
        # RFC 3834: no holiday notice comes back.
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {encoding}",
        "",
        sentence,
        f"--{boundary}",
        *_ATTACHMENT_HEAD,
        "",
        "",
    )
    pieces = ["\r\n".join(head).encode("ascii"), *base64_lines(mail.payload), f"--{boundary}--\r\n".encode("ascii")]
    return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a mail holds for us."""

    payloads: tuple[bytes, ...]
    """Contents that begin with the magic bytes; nothing else about them is known. One, as a rule."""
    reason: str | None = None
    """Set exactly when there are none: why the mail is foreign."""

    @property
    def is_foreign(self) -> bool:
        return not self.payloads


def extract(raw: bytes, magic: bytes, bounds: Bounds | None = None) -> Extracted:
    """The payloads in a mail; `magic` is what every envelope begins with. Never raises, whatever the bytes.

    Memory is bounded by a few times `bounds.size`. A damaged or cut attachment yields what could be decoded: that it
    is damaged is for the envelope to find.
    """
    bounds = bounds or Bounds(size=LARGEST_MAIL)
    if len(raw) > bounds.size:
        return Extracted((), f"it is larger than {bounds.size} bytes")
    payload = _our_payload(raw)
    if payload is not None and payload.startswith(magic):
        return Extracted((payload,))
    payloads, reason = candidates(raw, magic, bounds)
    if payloads:
        return Extracted(tuple(payloads))
    return Extracted((), reason or "it holds no data of the replicator")


def _our_payload(raw: bytes) -> bytes | None:
    """The fast way: our attachment, as we wrote it, whatever stands around it."""
    head = _OUR_ATTACHMENT.search(raw, 0, _OUR_HEAD_REACHES)
    if head is None:
        return None
    end = raw.find(b"\n--" + head[1], head.end() - 1)
    if end < 0:
        return None
    try:
        return binascii.a2b_base64(memoryview(raw)[head.end() : end])
    except ValueError:
        return None
