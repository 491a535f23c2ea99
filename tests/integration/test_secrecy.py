"""What others can see of the rows: nothing. What others can do to the mail: nothing that goes unnoticed."""

from __future__ import annotations

import base64
import contextlib
import email
import random
import re
import secrets
import shutil
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
import zstandard
from processes import Computer, exchange, invite, new_host

from replicator.runtime import Runtime
from replicator.transport import mime
from replicator.transport.base import Mail

SCHEMA = """
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, photo BLOB);
    CREATE TABLE wages (id INTEGER PRIMARY KEY, person TEXT NOT NULL, euros INTEGER);
"""
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@pytest.fixture
def office(tmp_path: Path) -> Computer:
    return new_host(tmp_path, SCHEMA, ("customers", "wages"))


def token() -> str:
    return f"TOKEN{secrets.token_hex(8)}"


class Post:
    """Keeps a copy of each mail that ever lay in a mailbox."""

    def __init__(self, *computers: Computer) -> None:
        self._computers = computers
        self.mails: dict[str, tuple[Computer, bytes]] = {}

    def exchange(self, rounds: int = 2) -> None:
        for _ in range(rounds):
            for computer in self._computers:
                exchange(computer, rounds=1)
                self.look()

    def look(self) -> None:
        for computer in self._computers:
            for path in computer.mails():
                self.mails.setdefault(path.name, (computer, path.read_bytes()))


# --- reading ----------------------------------------------------------------------------------------------------------


def insides(data: bytes) -> Iterator[bytes]:
    """Everything that can be got out of the bytes without a key: as they are, out of base64, out of zstd."""
    yield data
    for found in re.finditer(rb"(?:[A-Za-z0-9+/]{20,}={0,2}\r?\n?)+", data):
        text = re.sub(rb"\s", b"", found[0])
        decoded = base64.b64decode(text[: len(text) // 4 * 4])
        yield decoded
        yield from unpacked(decoded)
    yield from unpacked(data)


def unpacked(data: bytes) -> Iterator[bytes]:
    start = data.find(ZSTD_MAGIC)
    while start >= 0:
        with contextlib.suppress(zstandard.ZstdError):
            yield zstandard.ZstdDecompressor().decompressobj().decompress(data[start:])
        start = data.find(ZSTD_MAGIC, start + 1)


def shows(data: bytes, secret: str) -> bool:
    forms = (secret.encode(), secret.encode("utf-16-le"), base64.b64encode(secret.encode())[:-4])
    return any(form in inside for inside in insides(data) for form in forms)


def showing(folder: Path, secret: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and shows(path.read_bytes(), secret)]


def test_nothing_of_a_row_can_be_read_on_its_way(office: Computer) -> None:
    old, new, up, photo, wage, named = (token() for _ in range(6))
    office.sql("INSERT INTO customers VALUES (1, ?, ?)", old, photo.encode() * 50)
    koeln, lager = invite(office, "koeln"), invite(office, "lager", what="customers")
    post = Post(office, koeln, lager)
    post.exchange()
    office.sql("INSERT INTO customers VALUES (2, ?, NULL)", new)
    office.sql("INSERT INTO wages VALUES (1, ?, 4200)", wage)
    koeln.sql("INSERT INTO customers VALUES (3, ?, NULL)", up)
    koeln.sql("INSERT INTO wages VALUES (2, ?, 4300)", named)
    post.exchange()
    secret = [old, new, up, photo, wage, named]
    assert all(each in str(koeln.rows("customers") + koeln.rows("wages")) for each in (old, new, up, wage, named))
    assert len(post.mails) >= 8
    for name, (_, raw) in post.mails.items():
        assert not [each for each in secret if shows(raw, each)], name
        assert b"customers" not in raw
    # The search itself works: it finds what is there to be found.
    assert shows(base64.encodebytes(zstandard.compress(f"a row {old}".encode() * 9)), old)
    # A station has nothing, not even sealed or unapplied, of what its rules withhold.
    assert not showing(lager.home, wage)
    assert not showing(lager.folder / "lager.db", wage)
    for file in lager.folder.glob("lager.db*"):
        assert not shows(file.read_bytes(), wage)
        assert not shows(file.read_bytes(), named)


def test_nothing_of_a_row_lies_in_the_home_of_a_station_that_has_not_all_parts(office: Computer) -> None:
    """What has come is compressed, not sealed: it lies in the spool of the one it is for, closed to other users."""
    rows = [(number, token(), secrets.token_bytes(200)) for number in range(500)]
    office.many("INSERT INTO customers VALUES (?, ?, ?)", rows)
    koeln, lager = invite(office, "koeln"), invite(office, "lager", what="wages")
    office.configure(part_bytes=10_000)
    exchange(office, rounds=1)
    koeln.mails()[-1].unlink()
    exchange(koeln, lager, rounds=1)
    assert any(path.is_file() for path in (koeln.home / "spool").rglob("*"))
    assert (koeln.home.stat().st_mode & 0o077, (koeln.home / "spool").stat().st_mode & 0o077) == (0, 0)
    for _, secret, _ in rows[::100]:
        assert not showing(lager.home, secret)
        assert not showing(office.folder / "mail", secret)
        for log in office.folder.rglob("*.log"):
            assert secret not in log.read_text(encoding="utf-8")


# --- changing ---------------------------------------------------------------------------------------------------------


def payload_of(raw: bytes) -> bytes:
    part = next(part for part in email.message_from_bytes(raw).walk() if part.get_filename())
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def mailed(*payloads: bytes, to: Computer) -> bytes:
    runtime = Runtime()
    sentence, message_id = mime.sentence_for_people("a", "b"), mime.new_message_id(runtime, "evil@example.com")
    return mime.compose(
        Mail("evil@example.com", to.address, "Replicator", sentence, payloads, message_id, runtime.now())
    )


def test_sealed_bytes_changed_anywhere_are_set_aside(office: Computer) -> None:
    koeln = invite(office, "koeln")
    secret = token()
    office.sql("INSERT INTO customers VALUES (1, ?, NULL)", secret)
    exchange(office, rounds=1)
    (mail,) = koeln.mails()
    good = payload_of(mail.read_bytes())
    mail.rename(koeln.folder / "good")
    places = sorted({*range(60), *range(60, len(good), 9), len(good) - 1})
    for place in places:
        changed = bytearray(good)
        changed[place] ^= 1 << place % 8
        (koeln.inbox / f"changed-{place:05d}").write_bytes(mailed(bytes(changed), to=koeln))
    cut = [0, 1, 4, 5, 21, 60, len(good) // 2, len(good) - 1]
    for length in cut[2:]:
        (koeln.inbox / f"cut-{length:05d}").write_bytes(mailed(good[:length], to=koeln))
    longer = koeln.inbox / "longer"
    longer.write_bytes(mailed(good + b"\0", to=koeln))
    told = koeln.run()
    # Without the four magic bytes it is nobody's; all else was ours and is refused.
    foreign = {path.name for path in koeln.mails()}
    assert foreign == {f"changed-{place:05d}" for place in range(4)}
    refused = len(places) - 4 + len(cut) - 2 + 1
    assert f"{refused} of them set aside" in told
    kept = list((koeln.home / "aside").iterdir())
    assert len(kept) == refused
    reasons = koeln.sql("SELECT message FROM replicator_notice WHERE kind = 'set-aside'")
    assert len(reasons) == refused
    assert all(re.match(r"a mail was set aside as \S+\.eml: \w.{20}", reason) for (reason,) in reasons), reasons[:3]
    assert koeln.rows("customers") == []
    shown = koeln.done("mail", "show", kept[0])
    assert secret not in shown
    (koeln.folder / "good").rename(koeln.inbox / "good")
    koeln.run()
    assert koeln.rows("customers") == [(1, secret, None)]
    exchange(office, koeln)
    assert koeln.rows("customers") == office.rows("customers")


def test_a_bad_envelope_hides_none_of_the_others_in_its_mail(office: Computer) -> None:
    koeln = invite(office, "koeln")
    office.sql("INSERT INTO customers VALUES (1, 'Maier', NULL)")
    exchange(office, rounds=1)
    (mail,) = koeln.mails()
    good = payload_of(mail.read_bytes())
    mail.write_bytes(mailed(good[:-1], good[:60], good, to=koeln))
    assert "1 of them set aside" in koeln.run()
    assert koeln.rows("customers") == [(1, "Maier", None)]
    assert koeln.mails() == []
    assert len(list((koeln.home / "aside").iterdir())) == 1


# --- misleading -------------------------------------------------------------------------------------------------------


def state_of(*computers: Computer) -> list[object]:
    return [
        (computer.rows("customers"), computer.rows("wages"), computer.rows("replicator_conflict"))
        for computer in computers
    ]


def test_all_mail_ever_sent_again_in_any_order_changes_nothing(office: Computer) -> None:
    dice = random.Random(7)
    koeln, lager = invite(office, "koeln"), invite(office, "lager")
    everybody = (office, koeln, lager)
    post = Post(*everybody)
    post.exchange()
    for number in range(6):
        for place, computer in enumerate(everybody):
            computer.sql("INSERT INTO customers VALUES (?, ?, NULL)", 100 * number + place, token())
            # The same row everywhere: conflicts, and verdicts that go back.
            computer.sql("UPDATE customers SET name = ? WHERE id = 0", token())
        if number == 4:
            office.sql("DELETE FROM customers WHERE id = 100")
        post.exchange(rounds=1)
    post.exchange(rounds=3)
    before = state_of(*everybody)
    assert before[0][0] == before[1][0] == before[2][0]  # type: ignore[index]
    copies = list(post.mails.items()) * 2
    dice.shuffle(copies)
    for number, (_, (computer, raw)) in enumerate(copies):
        (computer.inbox / f"again-{number}").write_bytes(raw)
    post.exchange(rounds=3)
    assert state_of(*everybody) == before
    for computer in everybody:
        computer.sql("INSERT INTO wages VALUES (?, 'x', 1)", everybody.index(computer))
    post.exchange(rounds=3)
    assert len(office.rows("wages")) == 3
    assert office.rows("wages") == koeln.rows("wages") == lager.rows("wages")


def test_mail_for_another_goes_aside(office: Computer) -> None:
    """Another station's, the node's own, and that of a station which is not known here."""
    koeln, lager = invite(office, "koeln"), invite(office, "lager")
    secret = token()
    office.sql("INSERT INTO customers VALUES (1, ?, NULL)", secret)
    exchange(office, rounds=1)
    (for_koeln,), (for_lager,) = koeln.mails(), lager.mails()
    shutil.copy(for_koeln, lager.inbox / "of-koeln")
    shutil.copy(for_lager, koeln.inbox / "of-lager")
    shutil.copy(for_koeln, office.inbox / "my-own")
    told = koeln.run()
    assert "1 of them set aside" in told
    assert "it is sealed for another node" in told
    assert "sealed for another node" in lager.run()
    assert "sealed for another node" in office.run()
    exchange(office, koeln, lager)
    assert office.rows("customers") == koeln.rows("customers") == lager.rows("customers") == [(1, secret, None)]
    stranger = Computer(office.folder / "elsewhere", "office")
    stranger.folder.mkdir()
    other = new_host(stranger.folder, SCHEMA, ("customers",))
    invite(other, "koeln")
    exchange(other, rounds=1)
    (mail,) = Computer(other.folder, "koeln").mails()
    shutil.copy(mail, koeln.inbox / "of-a-stranger")
    assert "set aside" in koeln.run()


def test_foreign_mail_stays_as_it_is_and_is_told_once(office: Computer) -> None:
    koeln = invite(office, "koeln")
    letter = Message()
    letter["From"], letter["To"], letter["Subject"] = "aunt@example.com", koeln.address, "Greetings"
    letter.set_payload("Dear Köln, how are you?", "utf-8")
    koeln.inbox.mkdir(parents=True, exist_ok=True)
    foreign = {"letter.eml": letter.as_bytes(), "picture.jpg": secrets.token_bytes(3000), "empty": b""}
    for name, content in foreign.items():
        (koeln.inbox / name).write_bytes(content)
    office.run()
    told = koeln.run()
    assert told.count("is left alone") == 3
    assert {path.name: path.read_bytes() for path in koeln.mails()} == foreign
    exchange(office, koeln)
    assert koeln.run() == "nothing to do\n"
    (koeln.inbox / "another").write_bytes(b"one more")
    assert koeln.run().count("is left alone") == 1
