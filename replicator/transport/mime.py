"""A mail's form: `compose` writes one, `extract` finds what may be ours in any bytes that call themselves a mail.

A mail is RFC 5322 with a sentence for people and one attachment. On its way it may be rewritten: headers changed and
added, line ends, the attachment encoded anew, footers added, the whole wrapped in another multipart. `extract` looks
at content only: whatever decodes to something that begins with the envelope's magic bytes is a candidate, and who sent
it is told by the seal inside, never by a header.

The base64 is built by hand: `EmailMessage.as_bytes` runs at 59 MB/s, this at over 500.
"""

from __future__ import annotations

import binascii
import re
import struct
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from hashlib import blake2b

from replicator.runtime import Runtime
from replicator.transport.base import LARGEST_MAIL, Mail
from replicator.transport.foreign_mime import Bounds, candidates

__all__ = ["Bounds", "Extracted", "compose", "extract", "new_message_id", "sentence_for_people"]

ATTACHMENT_NAME = "replicator.bin"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHARACTERS_A_LINE = 76
_BYTES_A_LINE = 57
_LINES_A_BLOCK = 256
"""Small enough to stay in the processor's cache, which doubles the speed."""

_BLOCK = struct.Struct(f"{_CHARACTERS_A_LINE}s" * _LINES_A_BLOCK)

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
    encoding, sentence = _body(mail.sentence)
    head = (
        f"From: {_address(mail.sender)}",
        f"To: {_address(mail.recipient)}",
        f"Subject: {_text(mail.subject)}",
        f"Date: {format_datetime(_EPOCH + timedelta(microseconds=mail.date))}",
        f"Message-ID: <{_plain(mail.message_id).strip('<>')}>",
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
    pieces = ["\r\n".join(head).encode("ascii"), *_base64_blocks(mail.payload), f"--{boundary}--\r\n".encode("ascii")]
    return b"".join(pieces)


def _base64_blocks(payload: bytes) -> list[bytes]:
    """Base64 in lines of 76 characters, each ended by CRLF."""
    view = memoryview(payload)
    blocks: list[bytes] = []
    whole = len(payload) // (_BYTES_A_LINE * _LINES_A_BLOCK) * (_BYTES_A_LINE * _LINES_A_BLOCK)
    for start in range(0, whole, _BYTES_A_LINE * _LINES_A_BLOCK):
        block = binascii.b2a_base64(view[start : start + _BYTES_A_LINE * _LINES_A_BLOCK], newline=False)
        blocks += (b"\r\n".join(_BLOCK.unpack(block)), b"\r\n")
    for start in range(whole, len(payload), _BYTES_A_LINE):
        blocks += (binascii.b2a_base64(view[start : start + _BYTES_A_LINE], newline=False), b"\r\n")
    return blocks


def _body(sentence: str) -> tuple[str, str]:
    """Transfer encoding and text of the part for people."""
    words = " ".join(_clean(sentence).split())
    # Shorter lines leave room for what quoted-printable lengthens.
    text = "\r\n".join(textwrap.wrap(words, 76 if words.isascii() else 60))
    if text.isascii():
        return "7bit", text
    lines = (binascii.b2a_qp(line.encode("utf-8"), istext=False).decode("ascii") for line in text.split("\r\n"))
    return "quoted-printable", "\r\n".join(lines).replace("=\n", "=\r\n")


def _clean(text: str) -> str:
    """Without lone surrogates (names of nodes may hold any bytes)."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(text: str) -> str:
    """Fit for a structured header: no line end can smuggle in another header."""
    return "".join(sign for sign in text if "!" <= sign <= "~")[:900]


def _text(text: str) -> str:
    """Fit for an unstructured header, RFC 2047 where needed."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in _clean(text)).split())[:200]
    if line.isascii() and len(line) <= 66 and "=?" not in line:
        return line
    return Header(line, "utf-8", maxlinelen=76, header_name="Subject").encode(linesep="\r\n")


def _address(address: str) -> str:
    """Fit for From and To. A domain that isn't ASCII goes as IDNA, a name as RFC 2047 (good for a folder only)."""
    name, at, domain = address.strip().rpartition("@")
    try:
        domain = _plain(domain.encode("idna").decode("ascii"))
    except UnicodeError:
        domain = _text(domain)
    return (_plain(name) if name.isascii() else _text(name)) + at + domain if at else _text(address)


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
