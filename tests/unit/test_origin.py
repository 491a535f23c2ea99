"""What a mail says of where it comes from, whatever bytes come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.transport.origin import SHOWN, Head, Origin, read_head, was_forwarded

LETTER = (
    b"Return-Path: <anna@example.test>\nAuto-Submitted: no\nFrom: Anna <Anna@Example.test>\nSubject: hello\n\nhello"
)


@pytest.mark.parametrize(
    ("header", "origin"),
    [
        (b"Auto-Submitted: auto-replied", Origin.ANSWER),
        (b"auto-submitted:AUTO-REPLIED (vacation)", Origin.ANSWER),
        (b"Return-Path: <>", Origin.ANSWER),
        (b"X-Autoreply: yes", Origin.ANSWER),
        (b"Precedence: bulk\nAuto-Submitted: auto-replied", Origin.ANSWER),
        (b"Precedence: auto_reply", Origin.ANSWER),
        (b'Content-Type: multipart/report; report-type="disposition-notification"; boundary=x', Origin.ANSWER),
        (b"Content-Type: multipart/report; boundary=x", Origin.BOUNCE),
        (b"Content-Type: multipart/report; report-type=Delivery-Status; boundary=x", Origin.BOUNCE),
        (b"Return-Path: <>\nFrom: Mail Delivery <MAILER-DAEMON@example.test>", Origin.BOUNCE),
        (b"Auto-Submitted: auto-generated; x=1", Origin.AUTOMATIC),
        (b"Auto-Submitted: no\nAuto-Submitted: auto-notified", Origin.AUTOMATIC),
        (b"X-Auto-Response-Suppress: All", Origin.AUTOMATIC),
        (b"Precedence: junk", Origin.AUTOMATIC),
        (b"Precedence: bulk", Origin.MAIL),
        (b"Precedence: list\nList-Id: <news.example.test>\nX-Auto-Response-Suppress: All", Origin.MAIL),
        (b"Auto-Submitted: No", Origin.MAIL),
        (b"Auto-Submitted:", Origin.MAIL),
        (b"X: y\n" * 2_000, Origin.UNREADABLE),
    ],
)
def test_who_wrote_it(header: bytes, origin: Origin) -> None:
    raw = header + b"\nSubject: away\n\nI am away."
    assert read_head(raw).origin is origin
    assert read_head(raw.replace(b"\n", b"\r\n")).origin is origin


def test_what_is_told_of_a_letter() -> None:
    head = read_head(LETTER)
    assert head == Head(Origin.MAIL, "Anna@Example.test", "hello", frozenset(["anna@example.test"]), ())
    assert head.title == 'a mail from Anna@Example.test ("hello")'
    assert read_head(b"hello").title == "a mail"


def test_every_author_counts() -> None:
    raw = b'From: "x@a.test" <anna@b.test>, c@d.test\nSender: e@f.test\nReturn-Path: <G@h.test>\n\n'
    assert read_head(raw).addresses == {"x@a.test", "anna@b.test", "c@d.test", "e@f.test", "g@h.test"}
    head = read_head(b"From: jo@xn--bro-hoa.example\n\n")
    assert head.is_from("jo@b\u00fcro.example")
    assert not head.is_from("jo@buero.example")


def test_what_it_refers_to() -> None:
    raw = b"In-Reply-To: <a@x>\nReferences: <b@x>\n\t<a@x>\n\n"
    assert read_head(raw).refers_to == ("<a@x>", "<b@x>", "<a@x>")
    assert read_head(b"References: <a\0b@x> <\xff@x> <a b@x>\n\n").refers_to == ()
    assert len(read_head(b"References: " + b"<a@x>" * 700 + b"\n\n").refers_to) == 100


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Gr\u00fc\u00dfe"),
        (b"=?nonsense?q?x?=", "=?nonsense?q?x?="),
        (b'a "quoted" \x1b[31m word', "a 'quoted' [31m word"),
        (b"=?utf-8?b?G1szMW0KbmV3?=", "[31m new"),
        (b"x" * 100, "x" * (SHOWN - 1) + "\u2026"),
    ],
)
def test_a_subject_is_shown_on_one_line(subject: bytes, shown: str) -> None:
    assert read_head(b"Subject: " + subject + b"\n\n").subject == shown


def test_the_mark_of_a_forwarded_mail_is_found_wherever_it_stands() -> None:
    assert was_forwarded(b"From: x\nX-replicator-FORWARDED: by y\n\n")
    assert was_forwarded(b"From: x\n\n> From: y\n> X-Replicator-Forwarded: by z\n")
    assert not was_forwarded(LETTER)


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=60).map(lambda noise: LETTER[:50] + noise + LETTER[50:])))
def test_any_bytes_are_read_without_an_error(raw: bytes) -> None:
    head = read_head(raw)
    assert head.title.isprintable()
    assert len(head.title) <= 3 * SHOWN
    assert all(each.isascii() and each.isprintable() for each in head.refers_to), "fit for every database"
