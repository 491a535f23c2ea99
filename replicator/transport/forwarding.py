"""Unrecognised mail on its way to a person: a new mail of ours with the other in it, bit for bit.

As message/rfc822, which mail programs open, where that may be sent as it stands: RFC 2046, 5.2.1 allows no base64
there, and RFC 5321 no 8-bit sign and no line over 998 bytes. Else as a file of any bytes, named .eml, in base64. The
new mail says that a program sent it, and bears a header by which no node forwards it a second time.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from replicator.transport.base import Composed
from replicator.transport.mime import id_domain
from replicator.transport.origin import FORWARDED, Head, Origin, was_forwarded
from replicator.transport.writing import base64_lines, header_address, header_text, header_word, moment, text_part

LONGEST_LINE = 998
"""Bytes, without its end."""

_HEADER = re.compile(rb"[!-9;-~]{1,200}:")

_ID = re.compile(r"<forwarded\.([0-9a-f]{32})@[^<>\s]{1,255}>")


def barred(head: Head, raw: bytes, *, recipient: str, sender: str, answers_us: bool) -> str | None:
    """Why this mail must never be forwarded to `recipient`; None: it may.

    `sender` is our own address, and `answers_us` whether the mail refers to one of ours. Whatever might answer what it
    is sent, or has been through here before, is barred: one of the two ends every circle. A mail of a list may go: a
    list answers nobody.
    """
    if head.origin is not Origin.MAIL:
        return _BARRED[head.origin]
    if was_forwarded(raw):
        return "a replicator has forwarded it before"
    if head.is_from(recipient):
        return "it comes from there"
    if head.is_from(sender):
        return "it comes from this mailbox itself"
    return "it answers a mail of the replicator's" if answers_us else None


_BARRED = {
    Origin.ANSWER: "automatic answers are not",
    Origin.BOUNCE: "bounces are not",
    Origin.AUTOMATIC: "what a program has sent and wants no answer to is not",
    Origin.UNREADABLE: "it has no headers that can be read",
}


def refers_to_forwarded(head: Head) -> bool:
    """Whether the mail refers to one that a node has forwarded."""
    return any(_ID.fullmatch(each) for each in head.refers_to)


def forwarded_digest(original: bytes, sender: str) -> str:
    """32 hexadecimal signs, the same for the same mail: so one that is sent twice after a crash is known as one."""
    return blake2b(original, digest_size=16, key=sender.encode("utf-8", "replace")[:64]).hexdigest()


def digest_in(message_id: str) -> str | None:
    """Of a mail that was forwarded by this Message-ID; None: it is another mail's."""
    found = _ID.fullmatch(message_id)
    return None if found is None else found[1]


def forwarded(original: bytes, head: Head, *, node: str, sender: str, recipient: str, date: int) -> Composed:
    """The mail that goes to `recipient`; `node` and `sender` are our own name and address, `date` microseconds.

    It has no Reply-To: who answers it, and be it a program, answers us.
    """
    message_id = f"<forwarded.{forwarded_digest(original, sender)}@{id_domain(sender)}>"
    boundary = "=_" + blake2b(message_id.encode(), digest_size=12).hexdigest()
    encoding, sentence = text_part(
        f"Attached is {head.title}. It came to the mailbox {sender}, which belongs to the replicator {node} and which "
        "nobody reads, and was deleted there when it was forwarded to you. Please don't answer this mail: answer the "
        "attached one."
    )
    lines = (
        f"From: {header_address(sender)}",
        f"To: {header_address(recipient)}",
        f"Subject: {header_text(f'Fwd: {head.subject}' if head.subject else 'Fwd: a mail without a subject')}",
        f"Date: {moment(date)}",
        f"Message-ID: {message_id}",
        "Auto-Submitted: auto-generated",
        # RFC 3834 is not for everybody: this is what Exchange looks at.
        "X-Auto-Response-Suppress: All",
        f"{FORWARDED}: by {header_word(sender)}",
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
    pieces = ["\r\n".join(lines).encode("ascii"), *_attachment(original, boundary)]
    return Composed(sender, recipient, b"".join(pieces))


def _attachment(original: bytes, boundary: str) -> list[bytes]:
    end = f"--{boundary}--\r\n"
    if _may_stand(original, boundary):
        return [
            _part_head(boundary, "message/rfc822", "7bit"),
            original,
            # This line end belongs to the boundary.
            f"\r\n{end}".encode("ascii"),
        ]
    head = _part_head(boundary, 'application/octet-stream; name="original.eml"', "base64")
    return [head, *base64_lines(original), end.encode("ascii")]


def _part_head(boundary: str, kind: str, encoding: str) -> bytes:
    lines = (
        f"--{boundary}",
        f"Content-Type: {kind}",
        f"Content-Transfer-Encoding: {encoding}",
        'Content-Disposition: attachment; filename="original.eml"',
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii")


def _may_stand(original: bytes, boundary: str) -> bool:
    """Whether it can be sent as it is, and be read back as the same bytes."""
    ends = original.count(b"\r\n")
    return (
        _HEADER.match(original) is not None
        and original.isascii()
        and b"\0" not in original
        and original.count(b"\r") == original.count(b"\n") == ends
        and max(map(len, original.split(b"\r\n"))) <= LONGEST_LINE
        # Some mailboxes would make '>From ' of it.
        and b"\nFrom " not in original
        and boundary.encode("ascii") not in original
    )
