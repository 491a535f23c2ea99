"""A mail's form: `compose` writes one, `extract` finds what may be ours in any bytes that call themselves a mail.

A mail is RFC 5322 with a sentence for people and an attachment for each sealed envelope, one as a rule. On its way it
may be rewritten: headers changed and added, line ends, attachments encoded anew, footers added, the whole wrapped in
another multipart. `extract` looks at content only: whatever decodes to something that begins with the envelope's magic
bytes is a candidate, and who sent it is told by the seal inside, never by a header.

It is written into one growing buffer, since joining ten megabytes of pieces takes longer than making them.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO

from replicator.runtime import Runtime
from replicator.transport.base import LARGEST_MAIL, MOST_PAYLOADS, Composed, Mail
from replicator.transport.foreign_mime import Bounds, candidates
from replicator.transport.writing import base64_lines, header_address, header_text, header_word, moment, text_part

__all__ = [
    "Bounds",
    "Extracted",
    "compose",
    "content_of",
    "extract",
    "id_domain",
    "message_id_of",
    "new_message_id",
    "sentence_for_people",
]

ATTACHMENT_NAME = "replicator.bin"
"""Of the first; the others are replicator-2.bin and so on, since a program that saves them by name would keep one."""

_ATTACHMENT_HEAD = (
    'Content-Type: application/octet-stream; name="{name}"',
    "Content-Transfer-Encoding: base64",
    'Content-Disposition: attachment; filename="{name}"',
)
_ANY_NAME = r"replicator(?:-[0-9]{1,3})?\.bin"
_OUR_ATTACHMENT = re.compile(
    rb"\r?\n--(=_[0-9a-f]{16})\r?\n"
    + b"".join(re.escape(line).replace(r"\{name\}", _ANY_NAME).encode() + rb"\r?\n" for line in _ATTACHMENT_HEAD)
    + rb"\r?\n"
)
_OUR_HEAD_REACHES = 256 * 1024
"""Our first attachment begins within so many bytes, Received headers included; else the general way is taken."""


_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?(<[\x21-\x7e]{1,380}>)", re.IGNORECASE | re.MULTILINE)
_HEAD_BYTES = 64 * 1024


def message_id_of(raw: bytes) -> str | None:
    """The Message-ID that stands at a mail's head, for people; None where there is none that is fit to be shown."""
    head = raw[:_HEAD_BYTES].replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    found = _MESSAGE_ID.search(head)
    return None if found is None else found[1].decode("ascii")


def new_message_id(runtime: Runtime, sender: str) -> str:
    """A Message-ID that no other mail has, in the sender's domain."""
    return f"<{runtime.now():x}.{runtime.random(8).hex()}@{id_domain(sender)}>"


def id_domain(sender: str) -> str:
    """The sender's domain, where it is fit to stand in a Message-ID."""
    _, at, domain = sender.rpartition("@")
    return domain if at and re.fullmatch(r"[A-Za-z0-9.-]+", domain) else "replicator.invalid"


def sentence_for_people(sender: str, receiver: str) -> str:
    """What a person reads who opens one of our mails; `sender` and `receiver` are names of nodes."""
    return (
        f"This mail carries data of the replicator between {sender} and {receiver}. "
        "There is nothing to do for you: please leave it where it is, it is fetched and deleted by a program."
    )


def content_of(mail: Mail | Composed) -> bytes:
    """The bytes that go out."""
    return mail.content if isinstance(mail, Composed) else compose(mail)


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
        # Exchange heeds only its own; bounces are wanted, so not "All".
        "X-Auto-Response-Suppress: OOF, AutoReply",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {encoding}",
        "",
        sentence,
        "",
    )
    raw = BytesIO()
    raw.write("\r\n".join(head).encode("ascii"))
    for number, payload in enumerate(mail.payloads, 1):
        raw.write(_attachment_head(boundary, number))
        raw.writelines(base64_lines(payload))
    raw.write(f"--{boundary}--\r\n".encode("ascii"))
    return raw.getvalue()


def _attachment_head(boundary: str, number: int) -> bytes:
    stem, dot, suffix = ATTACHMENT_NAME.partition(".")
    name = ATTACHMENT_NAME if number == 1 else f"{stem}-{number}{dot}{suffix}"
    lines = (f"--{boundary}", *(line.format(name=name) for line in _ATTACHMENT_HEAD), "", "")
    return "\r\n".join(lines).encode("ascii")


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a mail holds for us."""

    payloads: tuple[bytes, ...]
    """Contents that begin with the magic bytes, in the mail's order; nothing else about them is known. One, as a rule,
    and never more than `Bounds.parts`."""
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
    ours = _our_payloads(raw, min(MOST_PAYLOADS, bounds.parts))
    if ours and all(payload.startswith(magic) for payload in ours):
        return Extracted(tuple(ours))
    payloads, reason = candidates(raw, magic, bounds)
    if payloads:
        return Extracted(tuple(payloads))
    return Extracted((), reason or "it holds no data of the replicator")


def _our_payloads(raw: bytes, most: int) -> list[bytes] | None:
    """The fast way: our attachments, as we wrote them, whatever stands before the first and after the last.

    None where anything is not as we wrote it, be it only a part between them or behind them: it may hold an attachment
    that was encoded anew, which the general way finds.
    """
    head = _OUR_ATTACHMENT.search(raw, 0, _OUR_HEAD_REACHES)
    if head is None:
        return None
    boundary = head[1]
    payloads: list[bytes] = []
    while head is not None and head[1] == boundary and len(payloads) < most:
        end = raw.find(b"\n--" + boundary, head.end() - 1)
        if end < 0:
            return None
        try:
            payloads.append(binascii.a2b_base64(memoryview(raw)[head.end() : end]))
        except ValueError:
            return None
        if raw.startswith(b"--", end + len(b"\n--" + boundary)):
            return payloads
        head = _OUR_ATTACHMENT.match(raw, end)
    return None
