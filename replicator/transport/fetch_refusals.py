"""Refusals of POP3 and IMAP servers, sorted by their response codes (RFC 2449, 3206; RFC 3501, 5530)."""

from __future__ import annotations

import re

from replicator.errors import MailboxTrouble, TryLater
from replicator.transport.refusals import Server

_RESPONSE_CODE = re.compile(rb"[^\[]{0,80}?\[([A-Za-z0-9/-]{1,40})[^\]]{0,200}\]")
"""In '-ERR [IN-USE] …' and 'NO [UNAVAILABLE] …'."""

_LATER = {
    "IN-USE": "the mailbox is used by another program at the moment",
    "INUSE": "the mailbox is used by another program at the moment",
    "LOGIN-DELAY": "it wants more time between two logins",
    "SYS/TEMP": "it has trouble of its own at the moment",
    "UNAVAILABLE": "it has trouble of its own at the moment",
    "SERVERBUG": "it has trouble of its own at the moment",
    "LIMIT": "it has reached one of its limits",
}
_LOGIN = frozenset(
    ["AUTH", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "CONTACTADMIN", "PRIVACYREQUIRED"]
)


def response_code(text: bytes) -> str:
    """The code in brackets in upper case, '' where there is none."""
    found = _RESPONSE_CODE.match(text)
    return found[1].decode("ascii").upper() if found else ""


def login_refusal(server: Server, text: bytes, user: str, *, by_token: bool) -> MailboxTrouble:
    """A login that was answered by -ERR or NO; a server may do so for other reasons than the password."""
    later = _later(server, text)
    return later or server.refused_login(user, text, by_token=by_token)


def command_refusal(server: Server, text: bytes) -> MailboxTrouble:
    """Any other command that was answered by -ERR, NO or BAD."""
    later = _later(server, text)
    if later:
        return later
    if response_code(text) in _LOGIN:
        return MailboxTrouble(
            f"{server.url} does not let us into this mailbox: check the account with 'replicator account test'."
            f"{server.quote(text)}"
        )
    if response_code(text) == "OVERQUOTA":
        return _full(server, text)
    return MailboxTrouble(
        f"{server.url} can't read the mailbox at the moment: try again later, or check the account with 'replicator "
        f"account test'.{server.quote(text)}"
    )


def move_refusal(server: Server, text: bytes, folder: str) -> MailboxTrouble:
    """A mail that may not be moved there, or a folder that can't be made."""
    if response_code(text) == "OVERQUOTA":
        return _full(server, text)
    return _later(server, text) or MailboxTrouble(
        f"{server.url} moves no mail to the folder {folder}: name another one with 'replicator account set "
        f"--unrecognised-folder', or make this one by hand.{server.quote(text)}"
    )


def _full(server: Server, text: bytes) -> MailboxTrouble:
    return MailboxTrouble(f"The mailbox at {server.url} is full: make room in it.{server.quote(text)}")


def _later(server: Server, text: bytes) -> TryLater | None:
    reason = _LATER.get(response_code(text))
    if reason is None:
        return None
    return TryLater(f"{server.url} lets us in later only, as {reason}: the next run tries again.{server.quote(text)}")
