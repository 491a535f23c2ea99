"""Bounces are told from other mail, whatever bytes come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.transport.bounces import Bounce, read_bounce

POSTFIX = b"""Return-Path: <>
From: MAILER-DAEMON@mx.example.test (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: server@example.test
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="A1B2.1/mx.example.test"

This is a MIME-encapsulated message.

--A1B2.1/mx.example.test
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--A1B2.1/mx.example.test
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.test
X-Postfix-Queue-ID: A1B2

Final-Recipient: rfc822; remote1@example.test
Original-Recipient: rfc822;remote1@example.test
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 Quota exceeded (mailbox for user is full)

--A1B2.1/mx.example.test
Content-Description: Undelivered Message
Content-Type: message/rfc822

From: server@example.test
To: remote1@example.test
Message-ID: <18f.0001020304050607@example.test>
Subject: Replicator: host to remote1

text
--A1B2.1/mx.example.test--
"""


def test_a_bounce_tells_of_which_mail_and_why() -> None:
    bounce = read_bounce(POSTFIX)
    assert bounce == Bounce("<18f.0001020304050607@example.test>", "remote1@example.test", "5.2.2", False)
    assert bounce.mailbox_full
    assert not bounce.unknown_address
    assert read_bounce(POSTFIX.replace(b"\n", b"\r\n")) == bounce


@pytest.mark.parametrize(
    ("change", "to", "expected"),
    [
        (b"Status: 5.2.2", b"Status: 5.1.1", ("5.1.1", False)),
        (b"Status: 5.2.2", b"Status: none", ("", False)),
        (b"Action: failed\nStatus: 5.2.2", b"Action: delayed\nStatus: 4.2.2", ("4.2.2", True)),
        (b"Action: failed", b"action: FAILED", ("5.2.2", False)),
    ],
)
def test_what_it_says_of_the_recipient(change: bytes, to: bytes, expected: tuple[str, bool]) -> None:
    bounce = read_bounce(POSTFIX.replace(change, to))
    assert bounce is not None
    assert (bounce.status, bounce.delayed) == expected


def test_headers_alone_are_enough_of_the_mail() -> None:
    """Many servers return no more."""
    short = POSTFIX.replace(b"Content-Type: message/rfc822", b"Content-Type: text/rfc822-headers")
    assert read_bounce(short) == read_bounce(POSTFIX)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Subject: hello\n\nhello",
        POSTFIX.replace(b"Action: failed", b"Action: delivered"),
        POSTFIX.replace(b"Message-ID: <18f.0001020304050607@example.test>\n", b""),
        POSTFIX.replace(b"multipart/report", b"multipart/mixed"),
        POSTFIX[:700],
    ],
)
def test_what_is_no_bounce_of_a_mail(raw: bytes) -> None:
    assert read_bounce(raw) is None


@given(
    st.one_of(st.binary(max_size=400), st.binary(max_size=60).map(lambda noise: POSTFIX[:900] + noise + POSTFIX[900:]))
)
def test_any_bytes_are_read_without_an_error(raw: bytes) -> None:
    read_bounce(raw)
