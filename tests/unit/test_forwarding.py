"""The mail in which another one is forwarded, and which mails never are."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from replicator.runtime import Runtime
from replicator.store import copies
from replicator.transport.forwarding import barred, digest_in, forwarded, forwarded_digest, refers_to_forwarded
from replicator.transport.mime import extract
from replicator.transport.origin import Origin, read_head, was_forwarded

OWN, TO = "office@example.com", "anna@example.com"
LETTER = b"From: aunt@example.net\r\nSubject: Greetings\r\n\r\nHow are you?\r\n.\r\n..\r\n"


def sent(original: bytes) -> EmailMessage:
    composed = forwarded(original, read_head(original), node="Zentrale", sender=OWN, recipient=TO, date=0)
    assert composed.content.isascii()
    assert all(len(line) <= 998 for line in composed.content.split(b"\r\n"))
    assert composed.content.count(b"\n") == composed.content.count(b"\r\n") == composed.content.count(b"\r")
    found = email.message_from_bytes(composed.content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def attached(original: bytes) -> tuple[str, bytes]:
    """Kind and bytes of the attachment, as they stand in the mail that arrives."""
    composed = forwarded(original, read_head(original), node="Zentrale", sender=OWN, recipient=TO, date=0)
    boundary = composed.content.partition(b'boundary="')[2].partition(b'"')[0]
    part = composed.content.split(b"--" + boundary)[2]
    head, _, body = part.partition(b"\r\n\r\n")
    if b"Transfer-Encoding: base64" in head:
        (found,) = (each for each in sent(original).walk() if each.get_filename())
        return found.get_content_type(), found.get_payload(decode=True)  # type: ignore[return-value]
    return "message/rfc822", body.removesuffix(b"\r\n")


def test_a_person_reads_what_it_is_and_opens_the_original() -> None:
    mail = sent(LETTER)
    assert (mail["From"], mail["To"], mail["Subject"]) == (OWN, TO, "Fwd: Greetings")
    assert (mail["Auto-Submitted"], mail["Reply-To"]) == ("auto-generated", None)
    assert 'Attached is a mail from aunt@example.net ("Greetings").' in " ".join(
        mail.get_body().get_content().split()  # type: ignore[union-attr]
    )
    assert attached(LETTER) == ("message/rfc822", LETTER)
    inner = next(part for part in mail.walk() if part.get_content_type() == "message/rfc822").get_payload(0)
    assert inner["From"] == "aunt@example.net"  # type: ignore[index]


@pytest.mark.parametrize(
    "original",
    [
        b"",
        b"no header\r\n",
        b"\r\n\r\n",
        LETTER.replace(b"\r\n", b"\n"),
        LETTER + "Gr\u00fc\u00dfe".encode(),
        LETTER + b"\0",
        LETTER + b"\r",
        LETTER + b"x" * 999 + b"\r\n",
        LETTER + b"x" * 999,
        LETTER + b"From here\r\n",
        bytes(range(256)) * 100,
    ],
)
def test_what_may_not_stand_in_a_mail_as_it_is_goes_as_a_file(original: bytes) -> None:
    assert attached(original) == ("application/octet-stream", original)


def test_a_mail_at_the_limits_goes_as_it_is() -> None:
    original = LETTER + b"x" * 998 + b"\r\n" + b"no line end"
    assert attached(original) == ("message/rfc822", original)


def test_its_own_boundary_in_it_ends_nothing() -> None:
    """Nobody can know it before; but what is forwarded again holds one."""
    first = forwarded(LETTER, read_head(LETTER), node="Zentrale", sender=OWN, recipient=TO, date=0).content
    assert attached(first) == ("message/rfc822", first)


def test_the_same_mail_goes_by_the_same_name() -> None:
    mail = sent(LETTER)
    assert mail["Message-ID"] == sent(LETTER)["Message-ID"]
    assert digest_in(mail["Message-ID"]) == forwarded_digest(LETTER, OWN)
    assert forwarded_digest(LETTER, "other@example.com") != forwarded_digest(LETTER, OWN) != forwarded_digest(b"", OWN)
    assert digest_in("<18f.0001020304050607@example.com>") is None


@given(st.binary(max_size=300))
def test_any_bytes_arrive_bit_for_bit(noise: bytes) -> None:
    """What begins like an envelope would be taken for one wherever it stands, and is never forwarded as a whole."""
    assume(not noise.startswith(b"RPLM"))
    assert attached(noise)[1] == noise
    assert attached(LETTER + noise)[1] == LETTER + noise
    assert extract(
        forwarded(noise, read_head(noise), node="x", sender=OWN, recipient=TO, date=0).content, b"RPLM"
    ).reason


@pytest.mark.parametrize("name", ["Zentrale", "B\u00fcro\r\nBcc: x@y.test", "\ud800"])
def test_no_name_makes_a_header_of_its_own(name: str) -> None:
    raw = b"Subject: a =?utf-8?q?=0D=0ABcc:_x@y.test?=\n\n"
    content = forwarded(raw, read_head(raw), node=name, sender=OWN, recipient=TO, date=0).content
    assert "Bcc" not in email.message_from_bytes(content)


# --- never ------------------------------------------------------------------------------------------------------------


def why_not(raw: bytes, *, answers_us: bool = False) -> str | None:
    return barred(read_head(raw), raw, recipient=TO, sender=OWN, answers_us=answers_us)


def test_a_letter_may_go_and_so_may_a_list() -> None:
    assert why_not(LETTER) is None
    assert why_not(b"List-Id: <news.example.net>\nPrecedence: list\nFrom: news@example.net\n\nNews") is None
    assert why_not(b"\xff\xd8 no mail at all") is None


@pytest.mark.parametrize(
    "head",
    [
        b"Auto-Submitted: auto-replied",
        b"Auto-Submitted: auto-generated",
        b"Return-Path: <>",
        b"Content-Type: multipart/report; boundary=x",
        b"From: Mailer-Daemon@example.net",
        b"From: anna <ANNA@EXAMPLE.com>",
        b"Sender: anna@example.com",
        b"Return-Path: <anna@example.com>",
        b"From: office@example.com",
        b"X-Replicator-Forwarded: by office@example.com",
        b"X: y\n" * 2_000,
    ],
)
def test_what_might_come_back_never_goes(head: bytes) -> None:
    assert why_not(head + b"\nSubject: x\n\ntext")


def test_what_answers_a_mail_of_ours_never_goes() -> None:
    assert why_not(LETTER, answers_us=True)
    ours = b"<forwarded." + b"0" * 32 + b"@example.com>"
    assert refers_to_forwarded(read_head(b"From: x@y.test\nIn-Reply-To: " + ours + b"\n\n"))
    assert not refers_to_forwarded(read_head(b"From: x@y.test\nIn-Reply-To: <x@example.com>\n\n"))


def test_what_was_forwarded_never_goes_again_from_anywhere() -> None:
    content = forwarded(LETTER, read_head(LETTER), node="x", sender=OWN, recipient=TO, date=0).content
    redirected = b"Return-Path: <anna@elsewhere.test>\r\n" + content
    wrapped = b"From: carl@example.net\r\n\r\n> " + content.replace(b"\r\n", b"\r\n> ")
    for raw in (content, redirected, wrapped):
        assert barred(read_head(raw), raw, recipient="other@example.org", sender="b@example.org", answers_us=False)
    assert was_forwarded(wrapped)
    assert read_head(wrapped).origin is Origin.MAIL


# --- copies -----------------------------------------------------------------------------------------------------------

DIGEST, OTHER = "0" * 32, "f" * 32


def clock(time: int) -> Runtime:
    return Runtime(now=lambda: time)


def test_a_copy_is_found_once_its_mail_has_gone(tmp_path: Path) -> None:
    folder = tmp_path / "forwarded"
    assert copies.find_sent(folder, DIGEST) is None
    path = copies.keep(folder, DIGEST, LETTER, clock(1))
    assert copies.find_sent(folder, DIGEST) is None
    copies.mark_sent(path, clock(1))
    found = copies.find_sent(folder, DIGEST)
    assert found is not None
    assert found.read_bytes() == LETTER
    assert copies.find_sent(folder, OTHER) is None
    kept = copies.move(found, tmp_path / "aside", clock(2))
    assert kept.read_bytes() == LETTER
    assert copies.find_sent(folder, DIGEST) is None


def test_a_mail_has_one_copy_and_an_old_one_goes(tmp_path: Path) -> None:
    for time in (1, 2):
        copies.keep(tmp_path, DIGEST, LETTER, clock(time))
    assert [path.name for path in tmp_path.iterdir()] == [f"{2:016d}-{DIGEST}.eml"]
    copies.keep(tmp_path, OTHER, b"x", clock(copies.KEPT + 2))
    assert len(list(tmp_path.iterdir())) == 2
    copies.keep(tmp_path, OTHER, b"x", clock(copies.KEPT + 3))
    assert [path.name for path in tmp_path.iterdir()] == [f"{copies.KEPT + 3:016d}-{OTHER}.eml"]


def test_copies_take_only_so_much_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST_BYTES", 250)
    for number in range(4):
        copies.keep(tmp_path, f"{number:032x}", b"x" * 100, clock(number))
    assert len(list(tmp_path.iterdir())) == 2
    copies.keep(tmp_path, DIGEST, b"x" * 1000, clock(9))
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [1000]
    (tmp_path / "something else").write_bytes(b"")
    assert copies.find_sent(tmp_path, DIGEST) is None
