"""What a mail says of where it comes from: a person, a list, or a program that nobody must ever answer (RFC 3834).

Pure; any bytes may come in. All of it may be forged: so it only ever decides what is *not* done with a mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from enum import StrEnum
from typing import Any

from replicator.transport.foreign_mime import head_of
from replicator.transport.writing import header_address

ACCOUNT_TEST = b"REPLICATOR-ACCOUNT-TEST "
"""What the mail of `account test` holds begins with this, which no envelope does: a run leaves it alone."""
FORWARDED = "X-Replicator-Forwarded"
"""A header of the mails that a node forwards."""

SHOWN = 60
"""Characters of a header that are repeated in a sentence."""
MOST_REFERENCES = 100

_ADDRESS = re.compile(r"[^\s<>\"(),:;@]{1,64}@[^\s<>\"(),:;@]{1,255}")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_ANSWERS = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Autoreply-From", "X-Mail-Autoreply")
"""Of programs that were older than RFC 3834, and of some that still are."""


class Origin(StrEnum):
    """Named as in a sentence."""

    MAIL = "a mail"
    """Of a person, or of a list for many."""
    ANSWER = "an automatic answer"
    """A vacation notice, a receipt."""
    BOUNCE = "a bounce"
    AUTOMATIC = "an automatic mail"
    """A program wrote it and wants no answer."""
    UNREADABLE = "a mail without readable headers"


@dataclass(frozen=True, slots=True)
class Head:
    """What the headers say."""

    origin: Origin
    sender: str = ""
    """The first address in From, fit to be shown; empty where there is none."""
    subject: str = ""
    """Fit to be shown, and not longer than SHOWN."""
    addresses: frozenset[str] = frozenset()
    """All in From, Sender and Return-Path, in lower case."""
    refers_to: tuple[str, ...] = ()
    """Message-IDs in In-Reply-To and References, with their brackets."""

    def is_from(self, address: str) -> bool:
        """Whether the address stands anywhere among the authors; its domain may be in IDNA form there."""
        return not self.addresses.isdisjoint((address.lower(), header_address(address).lower()))

    @property
    def title(self) -> str:
        """'a mail from aunt@example.com ("Greetings")'."""
        sender = f" from {self.sender}" if self.sender else ""
        return f'{self.origin}{sender} ("{self.subject}")' if self.subject else f"{self.origin}{sender}"


def read_head(raw: bytes) -> Head:
    """Never raises."""
    head = head_of(raw)
    try:
        return Head(Origin.UNREADABLE) if head is None else _read(head)
    except Exception:  # noqa: BLE001 - of what the standard library does with parameters, for one, nobody knows all
        return Head(Origin.UNREADABLE)


def _read(head: Message[Any, Any]) -> Head:
    sender = _ADDRESS.search(_value(head, "From"))
    authors = " ".join(_values(head, "From", "Sender", "Return-Path"))
    references = " ".join(_values(head, "In-Reply-To", "References"))
    return Head(
        origin=_origin(head),
        sender="" if sender is None else shown(sender[0]),
        subject=shown(_decoded(_value(head, "Subject"))),
        addresses=frozenset(found.lower() for found in _ADDRESS.findall(authors)),
        refers_to=tuple(_MESSAGE_ID.findall(references)[:MOST_REFERENCES]),
    )


def was_forwarded(raw: bytes) -> bool:
    """Whether a node has forwarded this mail before, or one that is quoted in it as it was."""
    return re.search(re.escape(FORWARDED.encode()), raw, re.IGNORECASE) is not None


def shown(text: str) -> str:
    """On one line, printable, without quotation marks, at most SHOWN characters."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text.replace('"', "'")).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _origin(head: Message[Any, Any]) -> Origin:
    submitted = {value.partition(";")[0].strip().lower() or "no" for value in _values(head, "Auto-Submitted")} - {"no"}
    precedence = {value.strip().lower() for value in _values(head, "Precedence")}
    nobody = _value(head, "Return-Path").strip() == "<>"
    if _is_report(head) or "mailer-daemon@" in _value(head, "From").lower():
        return Origin.BOUNCE
    if any(each.startswith("auto-replied") for each in submitted) or "auto_reply" in precedence or nobody:
        return Origin.ANSWER
    if any(head.get(name) is not None for name in _ANSWERS) or head.get_content_type() == "multipart/report":
        return Origin.ANSWER
    # A list sends to many and wants no answers either, but answers nobody.
    for_many = precedence & {"bulk", "list"} or head.get("List-Id") is not None
    silent = head.get("X-Auto-Response-Suppress") is not None and not for_many
    return Origin.AUTOMATIC if submitted or "junk" in precedence or silent else Origin.MAIL


def _is_report(head: Message[Any, Any]) -> bool:
    """Of a delivery; receipts that a person's program sends are reports, too (RFC 8098)."""
    if head.get_content_type() != "multipart/report":
        return False
    kind = head.get_param("report-type")
    return not isinstance(kind, str) or kind.lower() == "delivery-status"


def _value(head: Message[Any, Any], name: str) -> str:
    return next(iter(_values(head, name)), "")


def _values(head: Message[Any, Any], *names: str) -> list[str]:
    return [str(value) for name in names for value in head.get_all(name, [])]


def _decoded(text: str) -> str:
    """With what RFC 2047 hides in it, where it can be read."""
    try:
        return str(make_header(decode_header(text)))
    except Exception:  # noqa: BLE001 - the standard library raises anything from ValueError to AssertionError here
        return text
