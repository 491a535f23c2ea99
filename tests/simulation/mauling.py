"""What servers and programs on a mail's way do to it: cut off, damaged, encoded anew, wrapped, with a footer."""

from __future__ import annotations

import binascii
from random import Random

from replicator.protocol.envelope import MAGIC
from replicator.transport import mime

FOOTER = b"--\r\nThis mail was checked for viruses.\r\n"


def maul(raw: bytes, dice: Random) -> tuple[str, bytes]:
    """(what was done, the mail as it arrives)."""
    what = dice.choice((cut_off, damage, encode_anew, add_footer))
    return what.__name__.replace("_", " "), what(raw, dice)


def cut_off(raw: bytes, dice: Random) -> bytes:
    return raw[: dice.randint(0, len(raw) - 1)]


def damage(raw: bytes, dice: Random) -> bytes:
    place = dice.randrange(len(raw))
    return raw[:place] + bytes([dice.randrange(256)]) + raw[place + 1 :]


def encode_anew(raw: bytes, dice: Random) -> bytes:
    """Other headers, line ends and boundary; the attachments as quoted-printable or in longer lines of base64."""
    parts = [_encoded_anew(payload, dice) for payload in mime.extract(raw, MAGIC).payloads]
    head = (
        "Received: from relay.example.net by mx.example.net; Thu, 1 Jan 2026 00:00:00 +0000\n"
        "Subject: [EXTERNAL] data\nX-Spam-Score: 4.2\n"
        "Content-Type: multipart/mixed;\n\tboundary=anew\n\nnot for readers\n"
    )
    return head.encode() + b"".join(parts) + b"--anew--\n"


def _encoded_anew(payload: bytes, dice: Random) -> bytes:
    if dice.random() < 0.5:
        encoding, body = "quoted-printable", binascii.b2a_qp(payload, istext=False).replace(b"\r\n", b"\n")
    else:
        lines = (payload[start : start + 90] for start in range(0, len(payload), 90))
        encoding, body = "BASE64", b"".join(map(binascii.b2a_base64, lines))
    head = f"--anew\nContent-Type: application/octet-stream\ncontent-transfer-encoding: {encoding}\n\n"
    return head.encode() + body + b"\n"


def add_footer(raw: bytes, _dice: Random) -> bytes:
    """As a mailing list does: the whole becomes a part of another mail, with a text behind it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    kind = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-type:"))
    return (
        b"Subject: [list] data\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n"
        b"--outer\r\n" + kind + b"\r\n\r\n" + body + b"\r\n"
        b"--outer\r\nContent-Type: text/plain\r\n\r\n" + FOOTER + b"--outer--\r\n"
    )


def bounce_of(raw: bytes, dice: Random) -> bytes:
    """What the sender finds in its mailbox when a server could not deliver the mail."""
    head = raw.partition(b"\r\n\r\n")[0]
    status = dice.choice(("5.2.2", "5.1.1", "5.3.4", "5.7.1"))
    return (
        b"Return-Path: <>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=report\r\n\r\n"
        b"--report\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        b"--report\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n"
        b"Final-Recipient: rfc822; somebody@example.com\r\nAction: failed\r\nStatus: "
        + status.encode()
        + b"\r\n\r\n--report\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        + head
        + b"\r\n--report--\r\n"
    )
