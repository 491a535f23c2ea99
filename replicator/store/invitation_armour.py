"""How bytes stand in a text file that survives mail: comment lines, BEGIN, base64, END; or a note that it was used."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from replicator.errors import InvitationError

FILE_LIMIT = 100_000
"""Bytes; an invitation has about 800."""
DAMAGED = "the invitation is damaged; ask the head office to send the file again, as an attachment"

_BEGIN = "-----BEGIN REPLICATOR INVITATION-----"
_END = "-----END REPLICATOR INVITATION-----"
_USED = "-----USED REPLICATOR INVITATION-----"
_LINE = 64
_NOTE = re.compile(r"for (\S+) on (\d{4}-\d\d-\d\d)")


def wrap(data: bytes, comments: Iterable[str]) -> bytes:
    text = base64.b64encode(data).decode("ascii")
    lines = [*(f"# {comment}" for comment in comments), _BEGIN]
    lines += [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([*lines, _END, ""]).encode()


def looks_like_one(data: bytes) -> bool:
    """Whether this is an invitation or a used one, so that a new one may take its place."""
    lines = {line.strip() for line in data.decode("utf-8", "replace").splitlines()}
    return _BEGIN in lines or _USED in lines


def unwrap(data: bytes) -> bytes:
    """The bytes between BEGIN and END; line ends may have been changed and lines may have got blanks at their end.

    Everything outside is for people and not looked at. Raises InvitationError (foreign, damaged, used).
    """
    if len(data) > FILE_LIMIT:
        raise InvitationError("the file is too long to be an invitation; name the file that the head office sent")
    lines = [line.rstrip(" \t\r") for line in data.decode("utf-8", "replace").split("\n")]
    if _USED in lines:
        raise InvitationError(_used_sentence("\n".join(lines)))
    if _BEGIN not in lines:
        raise InvitationError("the file is no invitation, or a damaged one; name the file that the head office sent")
    body = lines[lines.index(_BEGIN) + 1 :]
    if _END not in body:
        raise InvitationError(DAMAGED)
    text = "".join(body[: body.index(_END)])
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvitationError(DAMAGED) from None
    # Base64 has spare bits at its end, which Python does not look at.
    if base64.b64encode(raw).decode("ascii") != text:
        raise InvitationError(DAMAGED)
    return raw


def used_note(station: str, date: str) -> bytes:
    """What stands in a used invitation's place: its secret is gone."""
    advice = f"For a new one, at the head office: replicator station invite {station}"
    return f"{_USED}\n# Used for {station} on {date}. {advice}\n".encode()


def _used_sentence(text: str) -> str:
    found = _NOTE.search(text)
    if not found:
        return "the invitation has been used already; ask the head office for a new one: replicator station invite NAME"
    return (
        f"the invitation has been used already on {found[2]}; ask the head office for a new one: "
        f"replicator station invite {found[1]}"
    )
