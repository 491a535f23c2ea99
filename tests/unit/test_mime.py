"""A mail's form: what is written, what is found again after others have rewritten it, and what hostile bytes do."""

from __future__ import annotations

import binascii
import email
import email.policy
import time
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.runtime import Runtime
from replicator.transport.base import LARGEST_MAIL, MOST_PAYLOADS, Mail
from replicator.transport.mime import Bounds, compose, extract, new_message_id, sentence_for_people

MAGIC = b"\x93RPL"
PAYLOAD = MAGIC + bytes(range(256)) * 3 + b"\r\n.\r\n--=_0123456789abcdef--\n\0"

MAIL = Mail(
    sender="host@example.test",
    recipient="koeln@example.test",
    subject="Replicator: head office to Köln",
    sentence=sentence_for_people("head office", "Köln"),
    payloads=(PAYLOAD,),
    message_id="<18f.0011223344556677@example.test>",
    date=1_700_000_000_123_456,
)


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


# --- what is written --------------------------------------------------------------------------------------------


def test_a_mail_is_in_good_form() -> None:
    raw = compose(MAIL)
    assert raw.isascii()
    assert raw.replace(b"\r\n", b"").count(b"\n") == raw.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    message = parsed(raw)
    assert message["From"] == MAIL.sender
    assert message["To"] == MAIL.recipient
    assert message["Subject"] == MAIL.subject
    assert message["Date"].datetime.timestamp() == MAIL.date // 1_000_000
    assert message["Message-ID"] == MAIL.message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    text, attachment = message.iter_parts()
    assert " ".join(text.get_content().split()) == MAIL.sentence
    assert attachment.get_content_type() == "application/octet-stream"
    assert attachment.get_filename() == "replicator.bin"
    assert attachment.get_content() == PAYLOAD
    assert not any(part.defects for part in message.walk())


def test_the_overhead_is_small() -> None:
    assert len(compose(replace(MAIL, payloads=(b"",)))) <= 900
    assert len(compose(replace(MAIL, payloads=(b"x" * 500,)))) <= 2000


@pytest.mark.parametrize("length", [0, 1, 56, 57, 58, 57 * 256 - 1, 57 * 256, 57 * 256 + 1, 100_000])
def test_payloads_of_any_length_come_back(length: int) -> None:
    payload = (MAGIC + b"\xff\x00" * length)[:length]
    raw = compose(replace(MAIL, payloads=(payload,)))
    *_, attachment = parsed(raw).iter_parts()
    assert attachment.get_content() == payload
    assert extract(raw, payload[:4]).payloads == (payload,)


def test_a_mail_of_one_envelope_byte_for_byte() -> None:
    raw = compose(replace(MAIL, payloads=(MAGIC + bytes(96),)))
    assert raw.decode("ascii") == (
        "From: host@example.test\r\nTo: koeln@example.test\r\n"
        "Subject: =?utf-8?q?Replicator=3A_head_office_to_K=C3=B6ln?=\r\n"
        "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <18f.0011223344556677@example.test>\r\n"
        "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: OOF, AutoReply\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="=_BOUNDARY"\r\n\r\n--=_BOUNDARY\r\n'
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "This mail carries data of the replicator between head office\r\n"
        "and K=C3=B6ln. There is nothing to do for you: please leave it\r\n"
        "where it is, it is fetched and deleted by a program.\r\n--=_BOUNDARY\r\n"
        'Content-Type: application/octet-stream; name="replicator.bin"\r\nContent-Transfer-Encoding: base64\r\n'
        'Content-Disposition: attachment; filename="replicator.bin"\r\n\r\n'
        f"k1JQTA{'A' * 70}\r\n{'A' * 58}==\r\n--=_BOUNDARY--\r\n"
    ).replace("BOUNDARY", "a842daf801892b52")


SEVERAL = tuple(MAGIC + bytes([number]) * (57 * number) for number in range(5))


def test_several_envelopes_are_attachments_of_their_own_in_order() -> None:
    raw = compose(replace(MAIL, payloads=SEVERAL))
    _, *attachments = parsed(raw).iter_parts()
    assert tuple(attachment.get_content() for attachment in attachments) == SEVERAL
    names = [attachment.get_filename() for attachment in attachments]
    assert names == ["replicator.bin", *(f"replicator-{number}.bin" for number in range(2, 6))]
    assert not any(part.defects for part in parsed(raw).walk())


@pytest.mark.parametrize("number", [0, MOST_PAYLOADS + 1])
def test_a_mail_carries_at_least_one_envelope_and_not_too_many(number: int) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        replace(MAIL, payloads=(MAGIC,) * number)


any_text = st.text(st.characters(codec=None) | st.sampled_from("\r\n\0:@<>\ud800ä\u2028"), max_size=300)


@given(any_text, any_text, any_text, any_text)
def test_no_text_breaks_the_form(address: str, subject: str, sentence: str, message_id: str) -> None:
    mail = replace(MAIL, sender=address, recipient=address, subject=subject, sentence=sentence, message_id=message_id)
    raw = compose(mail)
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(raw)
    assert message.keys() == [
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
        "MIME-Version", "Content-Type",
    ]  # fmt: skip
    assert extract(raw, MAGIC).payloads == (PAYLOAD,)


def test_a_message_id_is_new_and_in_the_senders_domain() -> None:
    runtime = Runtime(now=lambda: 0x18F, random=lambda n: bytes(range(n)))
    assert new_message_id(runtime, "host@example.test") == "<18f.0001020304050607@example.test>"
    assert new_message_id(runtime, "host").endswith("@replicator.invalid>")
    assert new_message_id(runtime, "host@exämple").endswith("@replicator.invalid>")
    assert new_message_id(Runtime(), "a@b.test") != new_message_id(Runtime(), "a@b.test")


# --- what comes back after others have had it -------------------------------------------------------------------


def received(raw: bytes) -> bytes:
    return b"Return-Path: <host@example.test>\r\nReceived: from a by b;\r\n\tTue, 14 Nov 2023 22:13:20 +0000\r\n" + raw


def renamed(raw: bytes) -> bytes:
    """Not our exact form any more, so that the general way is taken."""
    return raw.replace(b'="replicator', b'="ATT0001')


def quoted_printable(raw: bytes) -> bytes:
    body = binascii.b2a_qp(PAYLOAD, istext=False).replace(b"=\n", b"=\r\n")
    head, _, rest = renamed(raw).partition(b"Content-Transfer-Encoding: base64")
    disposition, _, tail = rest.partition(b"\r\n\r\n")
    boundary = tail.rindex(b"--=_")
    boundary = tail.rindex(b"--=_", 0, boundary + 4)
    return (
        head
        + b"Content-Transfer-Encoding: Quoted-Printable"
        + disposition
        + b"\r\n\r\n"
        + body
        + b"\r\n"
        + tail[boundary:]
    )


def footer(raw: bytes) -> bytes:
    """As mailing lists add it: one more part, and words after the end."""
    boundary = raw[raw.index(b'boundary="') + 10 :].partition(b'"')[0]
    cut = raw.rindex(b"--" + boundary + b"--")
    part = b"--" + boundary + b"\r\nContent-Type: text/plain\r\n\r\nScanned. --=_nothing\r\n--" + boundary + b"--\r\n"
    return raw[:cut] + part + b"This mail was checked by NoVirus.\r\n"


def wrapped(raw: bytes) -> bytes:
    """The whole body in another multipart, with the attachment's headers rewritten."""
    head, _, body = renamed(raw).partition(b"\r\n\r\n")
    inner = head[head.index(b"Content-Type: multipart/mixed") :]
    outer = head.replace(inner, b'Content-Type: multipart/related;\r\n boundary="outer"')
    return (
        outer + b"\r\n\r\n--outer\r\n" + inner + b"\r\n\r\n" + body
        + b"\r\n--outer\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--outer--\r\n"
    )  # fmt: skip


def forwarded(raw: bytes) -> bytes:
    return (
        b"Content-Type: multipart/mixed; boundary=f\r\n\r\n--f\r\nContent-Type: message/rfc822\r\n\r\n"
        + raw
        + b"\r\n--f--"
    )


def long_lines(raw: bytes) -> bytes:
    """All base64 in one line of several kilobytes, with signs that don't belong there."""
    head, _, tail = renamed(raw).rpartition(b"\r\n\r\n")
    content, _, end = tail.rpartition(b"\r\n--=_")
    return head + b"\r\n\r\n" + content.replace(b"\r\n", b" \t!") + b"\r\n--=_" + end


def line_feeds(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n")


def only_the_attachment(raw: bytes) -> bytes:
    """As a gateway leaves it that throws the text away."""
    content = raw.rpartition(b"\r\n\r\n")[2].rpartition(b"\r\n--=_")[0]
    return b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: BASE64 \r\n\r\n" + content


@pytest.mark.parametrize(
    "rewrite",
    [received, renamed, quoted_printable, footer, wrapped, forwarded, long_lines, line_feeds, only_the_attachment],
)
def test_rewritten_mail_still_yields_the_payload(rewrite: object) -> None:
    assert callable(rewrite)
    for raw in (rewrite(compose(MAIL)), received(rewrite(compose(MAIL))), line_feeds(rewrite(compose(MAIL)))):
        assert extract(raw, MAGIC).payloads == (PAYLOAD,)


@pytest.mark.parametrize(
    "rewrite", [bytes, received, renamed, footer, wrapped, forwarded, line_feeds, lambda raw: footer(received(raw))]
)
@pytest.mark.parametrize("number", [2, MOST_PAYLOADS])
def test_rewritten_mail_still_yields_all_payloads_in_order(rewrite: object, number: int) -> None:
    assert callable(rewrite)
    payloads = tuple(PAYLOAD + bytes([place]) for place in range(number))
    raw = rewrite(compose(replace(MAIL, payloads=payloads)))
    for once_more in (raw, received(raw), line_feeds(raw)):
        assert extract(once_more, MAGIC).payloads == payloads


def test_our_own_form_is_read_without_the_general_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicator.transport.mime.candidates", None)
    for payloads in (SEVERAL[:1], SEVERAL, (PAYLOAD,) * MOST_PAYLOADS):
        assert extract(received(compose(replace(MAIL, payloads=payloads))), MAGIC).payloads == payloads


def test_all_rewritings_at_once() -> None:
    raw = line_feeds(received(forwarded(footer(wrapped(quoted_printable(compose(MAIL)))))))
    assert extract(raw, MAGIC).payloads == (PAYLOAD,)


def test_several_candidates_are_all_given() -> None:
    message = EmailMessage()
    message.set_content("two")
    for payload in (MAGIC + b"1", b"another", MAGIC + b"2"):
        message.add_attachment(payload, maintype="application", subtype="octet-stream", filename="x.bin")
    assert extract(message.as_bytes(), MAGIC).payloads == (MAGIC + b"1", MAGIC + b"2")


@pytest.mark.parametrize("missing", [*range(200, 208), 20_000])
def test_a_cut_mail_yields_what_is_left_of_it(missing: int) -> None:
    raw = compose(replace(MAIL, payloads=(PAYLOAD * 50,)))
    (payload,) = extract(raw[:-missing], MAGIC).payloads
    assert (PAYLOAD * 50).startswith(payload[:-3])
    assert len(PAYLOAD * 50) - len(payload) <= missing


@pytest.mark.parametrize("damaged", range(5))
def test_one_damaged_attachment_hides_none_of_the_others(damaged: int) -> None:
    raw = compose(replace(MAIL, payloads=SEVERAL))
    heads = [place for place in range(len(raw)) if raw.startswith(b"k1JQTA", place)]
    sound = tuple(payload for number, payload in enumerate(SEVERAL) if number != damaged)
    for what in (b"!!!!!!!", b"k1JQT=A", b"\xff=\0\x80\xe4=\r", b"k1JQ=\nx"):
        place = heads[damaged]
        found = extract(raw[:place] + what + raw[place + len(what) :], MAGIC).payloads
        assert tuple(payload for payload in found if payload in sound) == sound
        assert len(found) <= len(SEVERAL)


@pytest.mark.parametrize("rewrite", [bytes, renamed])
def test_an_attachment_encoded_anew_between_others_is_found(rewrite: object) -> None:
    assert callable(rewrite)
    raw = compose(replace(MAIL, payloads=SEVERAL[:3]))
    middle = binascii.b2a_base64(SEVERAL[1], newline=False)
    lines = b"\r\n".join(middle[start : start + 76] for start in range(0, len(middle), 76))
    assert lines in raw
    head = b"Content-Transfer-Encoding: base64"
    quoted = binascii.b2a_qp(SEVERAL[1], istext=False).replace(b"=\n", b"=\r\n")
    first, name, rest = raw.partition(b'="replicator-2.bin"')
    rest = rest.replace(head, b"Content-Transfer-Encoding: quoted-printable", 1).replace(lines, quoted)
    assert extract(rewrite(first + name + rest), MAGIC).payloads == SEVERAL[:3]


def test_a_cut_mail_yields_the_whole_attachments_and_what_is_left_of_the_next() -> None:
    raw = compose(replace(MAIL, payloads=SEVERAL))
    for length in range(raw.index(b"k1JQTA"), len(raw), 7):
        found = extract(raw[:length], MAGIC).payloads
        *whole, last = found or (b"",)
        assert tuple(whole) == SEVERAL[: len(whole)]
        assert SEVERAL[len(whole)].startswith(last[:-3])


@pytest.mark.parametrize("number", [MOST_PAYLOADS + 1, 65, 20_000])
def test_more_attachments_than_a_mail_carries_are_bounded(number: int) -> None:
    raw = compose(MAIL)
    start = raw.rindex(b"\r\n--=_", 0, raw.rindex(b"\r\n--=_"))
    end = raw.rindex(b"\r\n--=_")
    found = extract(raw[:start] + raw[start:end] * number + raw[end:], MAGIC, Bounds(size=64_000_000))
    assert len(found.payloads) == (number if number < 62 else 0)
    assert found.reason == (None if found.payloads else "it has too many parts")


# --- what isn't ours ----------------------------------------------------------------------------------------------


def test_foreign_mail_is_told_with_a_reason() -> None:
    for raw in (
        b"",
        b"\r\n",
        b"hello",
        compose(replace(MAIL, payloads=(b"not ours",))),
        b"Subject: x\r\n\r\n" + MAGIC[1:],
    ):
        found = extract(raw, MAGIC)
        assert found.is_foreign
        assert found.reason
    assert extract(compose(MAIL), MAGIC).reason is None


BOUNDARIES = [b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(3000)]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"x" * (LARGEST_MAIL + 1), "larger", id="size"),
        pytest.param(b"\n" * 1_500_000, "lines", id="lines"),
        pytest.param(b"a: b\n" * 5000, "headers", id="headers"),
        pytest.param(b"".join(BOUNDARIES), "nested", id="depth"),
        pytest.param(b"Content-Type: message/rfc822\n\n" * 3000, "nested", id="mail in mail"),
        pytest.param(BOUNDARIES[0] + b"\nx\n--b0\n" * 500, "parts", id="parts"),
        pytest.param(b"Content-Type: message/delivery-status\n\n" + b"a: b\n\n" * 500, "parts", id="report blocks"),
    ],
)
def test_bounds_are_kept(raw: bytes, reason: str) -> None:
    found = extract(raw, MAGIC)
    assert found.is_foreign
    assert reason in str(found.reason)


@pytest.mark.parametrize(
    "raw",
    [
        # The standard library looks for quotes from the start again at every semicolon.
        pytest.param(b'Content-Type: multipart/mixed; x="' + b";" * 4_000_000 + b"\n\nx", id="semicolons in a quote"),
        pytest.param(b'Content-Type: multipart/mixed; x="' + b";\n ;;;;;;;;;;;" * 100_000 + b"\n\nx", id="folded"),
        pytest.param(b"Content-Type: multipart/mixed; boundary=b\n\n--b" + b" " * 4_000_000, id="blanks"),
        pytest.param(b"\n--=_0123456789abcdef\n" * 50_000, id="half of our form"),
        pytest.param(b"Content-Transfer-Encoding: base64\n\n" + b"=" * 4_000_000, id="padding"),
        pytest.param(b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n" + b"M" * 4_000_000, id="uuencode"),
    ],
)
def test_no_input_takes_long(raw: bytes) -> None:
    start = time.process_time()
    assert extract(raw, MAGIC).is_foreign
    assert time.process_time() - start < 3


def test_bounds_can_be_set() -> None:
    raw = compose(MAIL)
    assert extract(raw, MAGIC, Bounds(size=len(raw))).payloads == (PAYLOAD,)
    assert extract(raw, MAGIC, Bounds(size=len(raw) - 1)).is_foreign
    assert extract(renamed(raw), MAGIC, Bounds(size=len(raw), parts=2)).is_foreign


@given(st.binary(max_size=2000))
def test_any_bytes_raise_nothing(raw: bytes) -> None:
    found = extract(raw, MAGIC)
    assert found.is_foreign == (found.reason is not None)


FRAGMENTS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b": ", b";", b'"', b"=", b"--b", b"--b--", b"\0", b"\xff\xfe", b"=?utf-8?b?!?=",
    b"Content-Type: ", b"multipart/mixed", b"multipart/digest", b"message/rfc822", b"message/partial", b"text/plain",
    b"; boundary=b", b"; boundary*=utf-8''b", b"; boundary*0=b; boundary*1*=%", b'; boundary=""', b"; charset=nowhere",
    b"Content-Transfer-Encoding: ", b"base64", b"quoted-printable", b"x-uuencode", b"8bit", b"\xc3\xa4",
    b"begin 644 a\n", b"end\n", b"k1JQTA==", MAGIC, compose(MAIL), compose(MAIL)[:700], renamed(compose(MAIL))[300:],
]  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=5), max_size=40).map(b"".join))
def test_anything_like_a_mail_raises_nothing(raw: bytes) -> None:
    found = extract(raw, MAGIC)
    assert all(payload.startswith(MAGIC) for payload in found.payloads)
    assert found.is_foreign == (found.reason is not None)


@given(st.data())
def test_a_mail_changed_anywhere_raises_nothing(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from([compose(MAIL), wrapped(compose(MAIL)), forwarded(compose(MAIL))])))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    found = extract(bytes(raw), MAGIC)
    assert found.is_foreign == (found.reason is not None)
