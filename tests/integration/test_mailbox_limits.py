"""Mailboxes that take small mails only, or few, or none for somebody; and mails that come back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Place, join, new_office

from replicator.engine.node import Node
from replicator.engine.session import Summary
from replicator.engine.session import run as run_session
from replicator.errors import MailTooLarge, RecipientRefused
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store import notices, outgoing
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.transport.base import Mail
from replicator.transport.folder import FolderMailbox

ADDRESSES = {"office": "office@example.com", "koeln": "koeln@example.com"}


class Narrow(FolderMailbox):
    """Takes mails up to a size that it does not tell, and none for some."""

    takes: int = 1 << 30
    refuses: frozenset[str] = frozenset()

    def send(self, mail: Mail) -> None:
        if mail.recipient in self.refuses:
            raise RecipientRefused(f"the mailbox of {mail.recipient} is full", mail.recipient, full=True)
        if sum(map(len, mail.payloads)) > self.takes:
            raise MailTooLarge("the mail is too large")
        super().send(mail)


@contextmanager
def opened(place: Place, **settings: int) -> Iterator[tuple[Node, Narrow]]:
    runtime = Runtime()
    with open_node(Home(place.home, Files(runtime)), runtime) as node:
        mailbox = Narrow(place.folder / "mail", ADDRESSES[place.name], runtime, size_limit=None)
        node.mailbox, node.settings = mailbox, replace(node.settings, **settings)
        yield node, mailbox


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    office = new_office(tmp_path, capsys)
    office.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    return office


@pytest.fixture
def koeln(office: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    koeln = join(tmp_path, capsys)
    for _ in range(3):
        koeln.run()
        office.run()
    koeln.run()
    return koeln


def fill(place: Place, rows: int = 40) -> None:
    """Values that do not compress: about 5 kB each."""
    for number in range(100, 100 + rows):
        place.sql("INSERT INTO orders VALUES (?, 1, NULL, ?)", number, os.urandom(5_000))


def known(place: Place) -> dict[str, str]:
    with opened(place) as (node, _), node.database.transaction(write=False) as connection:
        return {notice.kind: notice.message for notice in notices.recent(connection)}


def test_parts_are_halved_until_the_mailbox_takes_them(office: Place, koeln: Place) -> None:
    fill(office)
    with opened(office) as (node, mailbox):
        mailbox.takes = 30_000
        first = run_session(node)
        with node.unit() as unit:
            learned = unit.part_bytes
    assert 15_000 < learned < 30_000
    assert first.sent.mails >= 200_000 / learned
    koeln.run()
    assert koeln.sql("SELECT count(*) FROM orders") == office.sql("SELECT count(*) FROM orders")
    assert "mail-size" in known(office)
    with opened(office) as (node, _), node.unit() as unit:
        assert unit.part_bytes == learned, "remembered"


def test_what_a_server_takes_is_forgotten_when_another_one_is_set(
    office: Place, koeln: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATOR_PASSWORD", "no keyring is asked for one")

    def learned() -> int:
        with opened(office) as (node, _), node.database.transaction(write=False) as connection:
            return outgoing.load(connection).part_bytes

    fill(office)
    with opened(office) as (node, mailbox):
        mailbox.takes = 30_000
        run_session(node)
    assert learned() > 0
    office.done("account", "set", "--title", "Office", "--mailbox", f"folder:{office.folder / 'mail'}")
    assert learned() > 0
    office.done("account", "set", "--send", "smtps://smtp.example.com")
    assert learned() == 0
    with opened(office) as (node, _), node.unit() as unit:
        outgoing.save(unit.connection, outgoing.MailboxState(20_000))
    office.done("account", "set", "--send", "smtps://somebody@smtp.example.com", "--auth", "password")
    assert learned() == 20_000, "the same server"
    office.done("account", "set", "--send", "smtp://smtp.example.com")
    assert learned() == 0


def test_a_limit_that_the_mailbox_tells_is_used_at_once(office: Place, koeln: Place) -> None:
    fill(office)
    with opened(office) as (node, mailbox):
        mailbox.size_limit = 60_000
        run_session(node)
    mails = [file.stat().st_size for file in (office.folder / "mail" / ADDRESSES["koeln"] / "new").iterdir()]
    assert max(mails) <= 60_000
    assert max(mails) > 45_000, "not much smaller than it may be"
    koeln.run()
    assert koeln.sql("SELECT count(*) FROM orders") == office.sql("SELECT count(*) FROM orders")


def test_a_mailbox_that_takes_next_to_nothing_is_an_error(office: Place, koeln: Place) -> None:
    fill(office)
    with opened(office) as (node, mailbox):
        mailbox.takes = 1_000
        with pytest.raises(MailTooLarge):
            run_session(node)


def test_so_many_mails_a_run(office: Place, koeln: Place) -> None:
    fill(office)

    def run() -> Summary:
        with opened(office, part_bytes=20_000, mails_per_run=4) as (node, _):
            return run_session(node)

    first = run()
    assert (first.sent.mails, first.sent.held_back > 0) == (4, True)
    runs = 1
    while run().sent.held_back:
        runs += 1
    assert runs >= 200_000 / 20_000 / 4 - 1
    koeln.run()
    assert koeln.sql("SELECT count(*) FROM orders") == office.sql("SELECT count(*) FROM orders")


def test_a_run_tells_what_waits_for_the_next(office: Place, koeln: Place) -> None:
    fill(office)
    file = office.home / "replicator.toml"
    text = file.read_text().replace("# part_bytes = 1000000", "part_bytes = 20000")
    file.write_text(text.replace("# mails_per_run = 0", "mails_per_run = 4"))
    told = office.done("host-run").out
    assert "sent      4 mails" in told
    assert "more mails with the next run" in told


def test_so_many_mails_an_hour() -> None:
    found = outgoing.MailboxState()
    hour = outgoing.HOUR
    assert found.left(7 * hour, 10) == 10
    found.count(7 * hour, 6)
    assert found.left(7 * hour + 1, 10) == 4
    found.count(7 * hour + hour // 2, 3)
    assert found.left(8 * hour - 1, 10) == 1
    assert found.left(8 * hour, 10) == 10, "an hour after the first"
    assert found.left(8 * hour, 0) is None


def test_a_full_mailbox_holds_up_nobody_else(
    office: Place, koeln: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    office.done("station", "add", "Bonn", "--address", "bonn@example.com", "--out", tmp_path / "b.invitation")
    office.done("rule", "set", "Bonn", "all", "--to-remote", "all", "--to-host", "all")
    fill(office, 2)
    with opened(office) as (node, mailbox):
        mailbox.refuses = frozenset([ADDRESSES["koeln"]])
        run_session(node)
    assert list((tmp_path / "mail" / "bonn@example.com" / "new").iterdir())
    assert "Köln is not taken" in known(office)["refused-full"]
    assert office.call("status").code == 3
    office.run()
    koeln.run()
    assert koeln.sql("SELECT count(*) FROM orders") == office.sql("SELECT count(*) FROM orders")
    assert "refused-full" not in known(office)
    assert office.call("status").code == 0


# --- bounces ----------------------------------------------------------------------------------------------------------


def bounce(message_id: str, status: str) -> bytes:
    return (
        "Return-Path: <>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=report\n\n"
        "--report\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        f"Final-Recipient: rfc822; koeln@example.com\nAction: failed\nStatus: {status}\n\n"
        f"--report\nContent-Type: text/rfc822-headers\n\nMessage-ID: {message_id}\n\n--report--\n"
    ).encode()


def sent_message_id(office: Place) -> str:
    """Of the mail that lies in the station's mailbox."""
    (mail,) = (office.folder / "mail" / ADDRESSES["koeln"] / "new").iterdir()
    (line,) = (line for line in mail.read_text("latin-1").splitlines() if line.startswith("Message-ID: "))
    return line.removeprefix("Message-ID: ")


def test_a_bounce_says_whose_mailbox_is_full(office: Place, koeln: Place) -> None:
    fill(office, 1)
    office.run()
    inbox = office.folder / "mail" / ADDRESSES["office"] / "new"
    (inbox / "bounce.eml").write_bytes(bounce(sent_message_id(office), "5.2.2"))
    assert office.run().received.bounces == 1
    assert "mailbox is full" in known(office)["bounce-full"]
    assert office.call("status").code == 3
    assert not list(inbox.iterdir())
    koeln.run()
    office.run()
    assert "bounce-full" not in known(office), "the station was heard again"


def test_a_bounce_leads_to_the_batches_and_status_says_since_when(office: Place, koeln: Place) -> None:
    for _ in range(2):
        fill_one(office)
        with opened(office) as (node, mailbox):
            mailbox.refuses = frozenset([ADDRESSES["koeln"]])
            run_session(node)
    office.run()
    first = office.sql("SELECT min(n) FROM replicator_batch_out")[0][0]
    inbox = office.folder / "mail" / ADDRESSES["office"] / "new"
    (inbox / "bounce.eml").write_bytes(bounce(sent_message_id(office), "5.2.2"))
    office.run()
    assert known(office)["bounce-full"].startswith(
        f"batches {first} to {first + 1} to Köln <koeln@example.com> came back"
    )
    told = office.call("status").out
    assert re.search(r"^mailbox of Köln is full since \d{4}-\d\d-\d\d \d\d:\d\d$", told, re.MULTILINE)
    assert re.search(r"full since \d{4}-\d\d-\d\d", office.done("station", "show", "Köln").out)
    since = office.call("status", "--json").json["links"][0]["full_since"]
    (inbox / "bounce.eml").write_bytes(bounce(sent_message_id(office), "5.2.2"))
    office.run()
    assert office.call("status", "--json").json["links"][0]["full_since"] == since
    koeln.run()
    office.run()
    assert "full since" not in office.done("status").out
    assert office.done("status", "--json").json["links"][0]["full_since"] is None


def test_a_bounce_of_what_came_all_the_same_calls_nobody(office: Place, koeln: Place) -> None:
    fill(office, 1)
    office.run()
    message_id = sent_message_id(office)
    koeln.run()
    office.run()
    inbox = office.folder / "mail" / ADDRESSES["office"] / "new"
    (inbox / "bounce.eml").write_bytes(bounce(message_id, "5.2.2"))
    assert office.run().received.bounces == 1
    assert "bounce-full" not in known(office)
    assert not list(inbox.iterdir())


@pytest.mark.parametrize("status", ["5.2.2", "5.1.1"])
def test_what_came_back_goes_again_once_the_mailbox_takes_mail(office: Place, koeln: Place, status: str) -> None:
    fill(office, 1)
    office.run()
    inbox = office.folder / "mail" / ADDRESSES["office"] / "new"
    (inbox / "bounce.eml").write_bytes(bounce(sent_message_id(office), status))
    for file in (office.folder / "mail" / ADDRESSES["koeln"] / "new").iterdir():
        file.unlink()  # that was the mail that came back
    assert office.run().sent.mails == 0, "nothing is sent because of a bounce"
    later(office, minutes=20)
    later(koeln, minutes=21)
    later(office, minutes=22)
    later(koeln, minutes=23)
    assert koeln.sql("SELECT count(*) FROM orders") == office.sql("SELECT count(*) FROM orders")
    later(office, minutes=24)
    assert office.done("status").code == 0


def later(place: Place, minutes: int) -> Summary:
    """A run at another time."""
    real = Runtime()
    runtime = Runtime(now=lambda: real.now() + minutes * 60_000_000)
    with open_node(Home(place.home, Files(runtime)), runtime) as node:
        return run_session(node)


def fill_one(place: Place) -> None:
    (number,) = place.sql("SELECT max(id) FROM orders")[0]
    place.sql("INSERT INTO orders VALUES (?, 1, NULL, NULL)", number + 1)


def test_what_was_too_large_goes_again_at_once(office: Place, koeln: Place) -> None:
    fill(office, 4)
    office.run()
    inbox = office.folder / "mail" / ADDRESSES["office"] / "new"
    (inbox / "bounce.eml").write_bytes(bounce(sent_message_id(office), "5.3.4"))
    for file in (office.folder / "mail" / ADDRESSES["koeln"] / "new").iterdir():
        file.unlink()
    assert office.run().sent.mails >= 2
    koeln.run()
    assert koeln.sql("SELECT count(*) FROM orders") == office.sql("SELECT count(*) FROM orders")


def test_a_bounce_of_a_large_mail_makes_smaller_ones(office: Place, koeln: Place) -> None:
    fill(office, 4)
    office.run()
    inbox = office.folder / "mail" / ADDRESSES["office"] / "new"
    (inbox / "bounce.eml").write_bytes(bounce(sent_message_id(office), "5.3.4"))
    office.run()
    with opened(office) as (node, _), node.unit() as unit:
        assert 8_000 < unit.part_bytes < 14_000, "half of the mail that came back"


def test_somebody_elses_bounce_stays(office: Place, koeln: Place) -> None:
    inbox = office.folder / "mail" / ADDRESSES["office"] / "new"
    (inbox / "bounce.eml").write_bytes(bounce("<not.ours@example.com>", "5.2.2"))
    summary = office.run()
    assert (summary.received.bounces, summary.received.foreign) == (0, 1)
    assert list(inbox.iterdir())
    assert "bounce" not in known(office)
