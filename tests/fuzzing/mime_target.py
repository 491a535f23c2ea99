"""Whole mails, as any server may hand them over: into `extract`, what tells bounces, and forwarding."""

from __future__ import annotations

import base64
import email.policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from random import Random

from replicator.protocol.envelope import MAGIC
from replicator.transport.base import LARGEST_MAIL, Mail
from replicator.transport.bounces import read_bounce
from replicator.transport.foreign_mime import Bounds, candidates
from replicator.transport.forwarding import barred, digest_in, forwarded, refers_to_forwarded
from replicator.transport.mime import compose, extract
from replicator.transport.origin import read_head, was_forwarded
from tests.fuzzing.mutating import some_bytes, some_items
from tests.fuzzing.target import Target, demand

PAYLOADS = (MAGIC + bytes(range(256)), MAGIC + b"a second one", MAGIC)
SMALL = Bounds(size=1 << 20, lines=2_000, headers=200, parts=12, containers=4)

LINES = (
    b"", b"--", b"--outer", b"--outer--", b"--=_0123456789abcdef", b"Content-Type: multipart/mixed; boundary=outer",
    b"Content-Type: multipart/mixed; boundary*0=ou; boundary*1*=%74er", b"Content-Type: multipart/digest; boundary=o",
    b"Content-Type: message/rfc822", b"Content-Type: message/partial", b"Content-Type: message/delivery-status",
    b"Content-Type: text/rfc822-headers", b"Content-Type: multipart/report; boundary=outer", b"Content-Type: ;;;;",
    b"Content-Type: text/plain; charset=utf-7", b"Content-Type: text/plain; charset=nowhere",
    b"Content-Type: application/octet-stream", b"Content-Transfer-Encoding: base64", b"Status: 5.1.1",
    b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: x-uuencode", b"Action: failed",
    b"Content-Transfer-Encoding: 8bit", b"Content-Transfer-Encoding: \xff", b"begin 644 \xff", b"end",
    b"Message-ID: <a@b>", b"Message-ID: <" + b"x" * 2000 + b">", b"Auto-Submitted: no; \xe4", b"Return-Path: <>",
    b"Subject: =?utf-8?b?!?=", b"Subject: =?nowhere?q?=ff?=", b"From: \xff\xfe", b": ", b" folded", b"\tfolded", b"\0",
    b"Precedence: bulk", b"List-Id: x", b"Final-Recipient: rfc822; a@b", b"X: " + b"y" * 5000, b"=", b"=\xff",
    base64.b64encode(PAYLOADS[0]), b"UlBMTQ==", b"UlBMTQ", b"=UlBMTQ==", b"!!!!", b"MUlBM", b"M" * 90,
)  # fmt: skip


def seeds() -> list[bytes]:
    ours = [_mail(PAYLOADS[:1]), _mail(PAYLOADS), _mail((b"not ours",))]
    foreign = EmailMessage()
    foreign["Message-ID"] = "<a@b>"
    foreign.set_content("Grüße", cte="quoted-printable")
    foreign.add_attachment(PAYLOADS[0], maintype="application", subtype="octet-stream", filename="ä.bin")
    outer = EmailMessage()
    outer.set_content("see below")
    outer.add_attachment(foreign)
    return [
        *ours,
        ours[0].replace(b"\r\n", b"\n"),
        foreign.as_bytes(),
        outer.as_bytes(),
        _bounce(ours[0]),
        _uuencoded(),
    ]


def _mail(payloads: tuple[bytes, ...]) -> bytes:
    return compose(Mail("a@example.com", "b@example.com", "Köln", "A word.", payloads, "<1@example.com>", 0))


def _bounce(mail: bytes) -> bytes:
    return (
        b"Return-Path: <>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=outer\r\n\r\n"
        b"--outer\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--outer\r\nContent-Type: message/delivery-status\r\n\r\n"
        b"Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; b@example.com\r\nAction: failed\r\n"
        b"Status: 5.2.2\r\n\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n" + mail + b"\r\n--outer--\r\n"
    )


def _uuencoded() -> bytes:
    return b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n$4E!,30``\n`\nend\n"


def mutate(raw: bytes, dice: Random) -> bytes:
    match dice.randrange(8):
        case 0 | 1:
            return some_bytes(raw, dice)
        case 2:
            return _nested(raw, dice)
        case 3:
            words = raw.split(b" ")
            return b" ".join(some_items(words, dice, lambda _: dice.choice((b";", b'"', b"=", b"boundary=", b"x*0*="))))
    end = dice.choice((b"\r\n", b"\n", b"\r"))
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    for _ in range(dice.choice((1, 1, 2, 5))):
        lines = some_items(lines, dice, lambda old: dice.choice((dice.choice(LINES), some_bytes(old or b"", dice))))
    return end.join(lines)


def _nested(raw: bytes, dice: Random) -> bytes:
    for level in range(dice.choice((1, 2, 20))):
        if dice.random() < 0.5:
            raw = b"Content-Type: message/rfc822\r\n\r\n" + raw
        else:
            name = b"b%d" % level
            raw = b"Content-Type: multipart/mixed; boundary=%s\n\n--%s\n%s\n--%s--\n" % (name, name, raw, name)
    return raw


def run(raw: bytes) -> None:
    for bounds in (Bounds(size=LARGEST_MAIL), SMALL):
        found = extract(raw, MAGIC, bounds)
        demand(found.is_foreign == (found.reason is not None), "a reason without its cause, or none")
        demand(all(payload.startswith(MAGIC) for payload in found.payloads), "a payload that is not ours")
        demand(sum(map(len, found.payloads)) <= len(raw) + 64, "more came out than was put in")
        demand(len(found.payloads) <= bounds.parts, "more payloads than parts")
    general, _ = candidates(raw, MAGIC, Bounds(size=LARGEST_MAIL))
    demand(len(general) <= 64, "more candidates than parts")
    _forward(raw)
    bounce = read_bounce(raw)
    if bounce is not None:
        demand(len(bounce.message_id) <= 902 and len(bounce.recipient) <= 320, "a bounce with long fields")
        demand(len(bounce.status) <= 9, "a bounce with a long status")


def _forward(raw: bytes) -> None:
    """To a person: whatever the mail holds, ours has our headers only, and is known as forwarded."""
    head = read_head(raw)
    reason = barred(head, raw, recipient="c@example.com", sender="b@example.com", answers_us=refers_to_forwarded(head))
    demand(reason is None or len(reason) < 200, "a reason as long as a book")
    demand(len(head.title.encode()) < 10_000, "a title as long as a book")
    ours = forwarded(raw, head, node="Köln", sender="b@example.com", recipient="c@example.com", date=0).content
    demand(ours.isascii(), "signs that no mail server need take")
    # Python's parser dies of some bodies (a parameter that is given whole and in pieces): this one stops before.
    headers = BytesHeaderParser(policy=email.policy.compat32).parsebytes(ours)
    demand(headers.keys() == FORWARDED_HEADERS, "headers that are not ours")
    demand(digest_in(headers["Message-ID"]) is not None, "a Message-ID that is not known again")
    demand(was_forwarded(ours), "a forwarded mail that may be forwarded again")


FORWARDED_HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
    "X-Replicator-Forwarded", "MIME-Version", "Content-Type",
]  # fmt: skip


TARGET = Target("mime", seeds, mutate, run)
