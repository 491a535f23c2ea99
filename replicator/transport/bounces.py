"""Bounces (RFC 3464). Pure; any bytes may come in.

A bounce tells that a mail of ours did not reach its recipient. What was sent is told by the Message-ID of the mail that
it quotes; whether that is one of ours is for the caller to look up. Nothing here answers anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from typing import Any

from replicator.transport.foreign_mime import Bounds, head_of, parsed

LONGEST = 512 * 1024
"""Bytes of a mail that are looked at: a bounce tells what it has to before it quotes the mail."""
MOST_PARTS = 50
REPORT = Bounds(LONGEST, lines=20_000, headers=1_000, parts=MOST_PARTS)

_STATUS = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail did not reach its recipient, or not yet."""

    message_id: str
    """Of the mail that it is about, with its angle brackets."""
    recipient: str
    """As the reporting server names it; empty where it does not."""
    status: str
    """RFC 3463: '5.2.2'. Empty where it tells none."""
    delayed: bool
    """Only a warning: the server goes on trying."""

    @property
    def mailbox_full(self) -> bool:
        return self.status.endswith(".2.2")

    @property
    def unknown_address(self) -> bool:
        return self.status in ("5.1.1", "5.1.2", "5.1.3", "5.1.10")

    @property
    def too_large(self) -> bool:
        return self.status in ("5.3.4", "5.2.3")


def read_bounce(raw: bytes) -> Bounce | None:
    """The report in this mail, or None where it is none or tells of no mail. Never raises."""
    head = head_of(raw)
    if head is None or head.get_content_type() != "multipart/report":
        return None
    mail = parsed(raw[:LONGEST], REPORT)
    if mail is None:
        return None
    fields: list[Message[Any, Any]] = []
    quoted: str | None = None
    for number, part in enumerate(mail.walk()):
        if number >= MOST_PARTS:
            break
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            fields += _fields(part)
        elif kind == "message/rfc822":
            quoted = quoted or _quoted_id(part)
        elif kind == "text/rfc822-headers":
            quoted = quoted or _id_in(_text(part))
    if quoted is None or not fields:
        return None
    return _bounce(quoted, fields)


def _fields(part: Message[Any, Any]) -> list[Message[Any, Any]]:
    """The blocks of fields: the first about the report, then one a recipient. The parser makes a message of each."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return [block for block in payload[:MOST_PARTS] if isinstance(block, Message)]
    return []


def _quoted_id(part: Message[Any, Any]) -> str | None:
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    return None if not isinstance(inner, Message) else _id_of(str(inner.get("Message-ID", "")))


def _text(part: Message[Any, Any]) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _id_in(text: bytes) -> str | None:
    head = head_of(text)
    return None if head is None else _id_of(str(head.get("Message-ID", "")))


def _id_of(text: str) -> str | None:
    found = _MESSAGE_ID.search(text)
    return None if found is None else found[0]


def _bounce(message_id: str, fields: list[Message[Any, Any]]) -> Bounce | None:
    """The first recipient that was not reached stands for all: our mails have one."""
    for block in fields:
        action = str(block.get("Action", "")).strip().lower()
        if action not in ("failed", "delayed"):
            continue
        status = _STATUS.match(str(block.get("Status", "")))
        recipient = str(block.get("Final-Recipient") or block.get("Original-Recipient") or "")
        return Bounce(
            message_id=message_id,
            recipient=recipient.partition(";")[2].strip()[:320],
            status="" if status is None else ".".join(status.groups()),
            delayed=action == "delayed",
        )
    return None
