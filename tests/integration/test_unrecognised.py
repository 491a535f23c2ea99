"""Mail that is not the replicator's, under each setting: never lost, told once, and never in a circle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from command_line import Place, new_office

from replicator.engine import forwarding, unrecognised
from replicator.engine.mailboxes import NodeMailbox
from replicator.engine.node import Node
from replicator.engine.session import Summary
from replicator.engine.session import run as run_session
from replicator.errors import MailboxTrouble, MailRefused, MailTooLarge, RecipientRefused, TryLater
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store import notices
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.transport.base import Composed, Fetched, Mail
from replicator.transport.folder import FolderMailbox
from replicator.transport.mime import compose
from replicator.transport.origin import ACCOUNT_TEST

OWN, TO = "office@example.com", "anna@example.com"
LETTER = b"From: aunt@example.net\r\nSubject: Greetings\r\n\r\nHow are you?\r\n"
VACATION = (
    b"Return-Path: <>\r\nFrom: carl@example.net\r\nAuto-Submitted: auto-replied\r\nSubject: away\r\n\r\nI am away.\r\n"
)
HOSTILE = [
    b"",
    b"\xff\xd8" + bytes(range(256)) * 20,
    b"From: \xff@\r\nSubject: =?utf-8?b?/////w==?=\r\n\r\n",
    b"Content-Type: multipart/report; boundary=x; report-type*0*=%zz''\r\n\r\n--x\r\n\r\n--x--\r\n",
    b"References: " + b"<a@b>" * 5_000 + b"\r\n\r\n",
    b"a: b\r\n" * 30_000,
    b"From: x@y.test\r\n\r\n" + b"z" * 200_000,
]


class Box(FolderMailbox):
    """A folder mailbox that counts what it reads, may know no folders, and refuses what it is told to."""

    reads = 0
    sends: MailboxTrouble | None = None
    """Raised by the next mails that are forwarded."""
    moves: MailboxTrouble | None = None
    deletes = True

    def _read(self, name: str, largest: int, skip: object) -> Fetched | None:
        fetched = super()._read(name, largest, skip)  # type: ignore[arg-type]
        self.reads += fetched is not None and fetched.raw is not None
        return fetched

    def send(self, mail: Mail | Composed) -> None:
        if isinstance(mail, Composed) and self.sends is not None:
            raise self.sends
        super().send(mail)

    def move(self, fetched_ids: object, folder: str) -> dict[str, MailboxTrouble]:
        assert self.has_folders
        if self.moves is not None:
            return dict.fromkeys(fetched_ids, self.moves)  # type: ignore[call-overload]
        return super().move(fetched_ids, folder)  # type: ignore[arg-type]

    def delete(self, fetched_ids: object) -> None:
        if self.deletes:
            super().delete(fetched_ids)  # type: ignore[arg-type]


@dataclass
class Office:
    """A host whose mailbox the test has in its hands."""

    place: Place
    folders: bool = True
    now: int = field(default_factory=lambda: Runtime().now())
    box: Box = field(init=False)
    further: tuple[NodeMailbox, ...] = ()

    def __post_init__(self) -> None:
        runtime = Runtime(now=lambda: self.now)
        self.box = Box(self.place.folder / "mail", OWN, runtime)
        self.box.has_folders = self.folders

    @contextmanager
    def node(self, **limits: int) -> Iterator[Node]:
        runtime = Runtime(now=lambda: self.now)
        with open_node(Home(self.place.home, Files(runtime)), runtime) as node:
            node.mailbox, node.further = self.box, self.further
            for name, value in limits.items():
                object.__setattr__(node.settings, name, value)
            yield node

    def set(self, way: str, *more: str) -> None:
        self.place.done("account", "set", "--unrecognised", way, *more)

    def run(self, **limits: int) -> tuple[Summary, list[str]]:
        """A run, and what it tells for the first time."""
        self.now += 1_000_000
        self.box.reads = 0
        with self.node(**limits) as node:
            with node.database.transaction(write=False) as connection:
                before = notices.newest(connection)
            summary = run_session(node)
            with node.database.transaction(write=False) as connection:
                return summary, [each.message for each in reversed(notices.after(connection, before, 1000))]

    def waiting(self) -> list[str]:
        with self.node() as node, node.database.transaction(write=False) as connection:
            return [notice.message for notice in notices.recent(connection, waiting_only=True)]

    def put(self, raw: bytes, name: str = "letter") -> None:
        (self.folder() / name).write_bytes(raw)

    def folder(self, name: str = "new", address: str = OWN) -> Path:
        return self.place.folder / "mail" / address / name

    def lies(self, name: str = "new", address: str = OWN) -> list[bytes]:
        folder = self.folder(name, address)
        return [file.read_bytes() for file in sorted(folder.iterdir())] if folder.is_dir() else []

    @property
    def forwarded(self) -> list[bytes]:
        return self.lies(address=TO)


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return new_office(tmp_path, capsys)


@pytest.fixture
def office(place: Place) -> Office:
    return Office(place)


@pytest.fixture
def forwarding_office(office: Office) -> Office:
    office.box.has_folders = False
    office.set("forward", "--unrecognised-to", TO)
    return office


# --- left -------------------------------------------------------------------------------------------------------------


def test_what_is_left_is_told_once_with_its_sender_and_read_once(office: Office) -> None:
    office.put(LETTER)
    office.put(VACATION, "vacation")
    summary, told = office.run()
    assert (summary.received.foreign, office.box.reads) == (2, 2)
    assert told == [
        'a mail from aunt@example.net ("Greetings") is left alone: it holds no data of the replicator',
        'an automatic answer from carl@example.net ("away") is left alone: it holds no data of the replicator',
    ]
    summary, told = office.run()
    assert (summary.received.foreign, office.box.reads, told) == (2, 0, [])
    assert office.lies() == [LETTER, VACATION]


def test_what_was_taken_away_is_forgotten_and_told_again_if_it_comes_again(office: Office) -> None:
    office.put(LETTER)
    office.run()
    (office.folder() / "letter").rename(office.place.folder / "kept")
    office.run()
    with office.node() as node, node.database.transaction(write=False) as connection:
        assert notices.known(connection, unrecognised.LEFT) == set()
    (office.place.folder / "kept").rename(office.folder() / "letter")
    assert len(office.run()[1]) == 1


def test_an_automatic_answer_to_a_mail_of_ours_is_told_as_one(office: Office) -> None:
    """Some programs only say that they are programs."""
    office.place.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    office.run()
    (mail,) = office.lies(address="koeln@example.com")
    (message_id,) = (line for line in mail.decode("latin-1").splitlines() if line.startswith("Message-ID: "))
    answer = (
        f"From: koeln@example.com\r\nAuto-Submitted: auto-generated\r\nIn-Reply-To: {message_id[12:]}\r\n\r\nAway\r\n"
    )
    office.put(answer.encode())
    assert office.run()[1] == [
        "an automatic answer from koeln@example.com is left alone: it holds no data of the replicator"
    ]


@pytest.mark.parametrize("way", ["leave", "move", "forward"])
def test_a_mail_of_the_account_test_is_left_alone_and_not_told(office: Office, way: str) -> None:
    """A run may go on meanwhile."""
    office.set(way, "--unrecognised-to", TO)
    office.put(compose(Mail(OWN, OWN, "test", "test", (ACCOUNT_TEST + bytes(16),), "<test@example.com>", 0)))
    summary, told = office.run()
    assert (summary.received.foreign, told, len(office.lies())) == (0, [], 1)


def test_whatever_a_file_is_called_it_is_told_once(office: Office) -> None:
    folder = os.fsencode(office.folder())
    for name in (b"\xff\xfe.eml", b"x\ny", b"z" * 255, b"mailbox 2: x"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(LETTER)
    assert len(office.run()[1]) == 4
    assert (office.run()[1], office.box.reads) == ([], 0)


# --- moved ------------------------------------------------------------------------------------------------------------


def test_what_is_moved_lies_in_the_folder(office: Office) -> None:
    office.set("move", "--unrecognised-folder", "Other/Strangers")
    office.put(LETTER)
    office.put(VACATION, "vacation")
    summary, told = office.run()
    assert (summary.received.moved, office.lies(), office.lies("Other/Strangers")) == (2, [], [LETTER, VACATION])
    assert told == [
        'a mail from aunt@example.net ("Greetings") was moved to the folder Other/Strangers',
        'an automatic answer from carl@example.net ("away") was moved to the folder Other/Strangers',
    ]
    office.put(LETTER)
    office.run()
    assert sorted(office.lies("Other/Strangers")) == sorted([LETTER, LETTER, VACATION]), "none replaces another"


def test_what_was_left_before_is_moved_when_that_is_set(office: Office) -> None:
    office.put(LETTER)
    office.run()
    office.set("move")
    assert office.run()[0].received.moved == 1
    assert office.lies("Unrecognised") == [LETTER]


def test_a_mail_too_large_to_be_looked_at_is_moved(office: Office) -> None:
    office.set("move")
    office.put(b"x" * 200_000)
    assert office.run(mail_bytes=100_000)[1] == [
        "a mail of 200,000 bytes was moved to the folder Unrecognised: it is too large to be looked at"
    ]
    assert office.lies("Unrecognised") == [b"x" * 200_000]


def test_what_can_not_be_moved_stays_and_waits_for_a_person_until_it_can(office: Office) -> None:
    office.set("move")
    office.put(LETTER)
    office.box.moves = MailboxTrouble("there is no room")
    _, told = office.run()
    assert told == [
        'a mail from aunt@example.net ("Greetings") is left alone: it can\'t be moved',
        "mail that is not the replicator's can't be moved to Unrecognised: there is no room",
    ]
    assert (office.run()[1], office.lies(), len(office.waiting())) == ([], [LETTER], 1)
    office.box.moves = None
    office.run()
    assert (office.lies(), office.lies("Unrecognised"), office.waiting()) == ([], [LETTER], [])


def test_many_are_moved_and_told_together(office: Office) -> None:
    office.set("move")
    for number in range(250):
        office.put(LETTER, f"letter{number:04d}")
    summary, told = office.run()
    assert summary.received.moved == len(office.lies("Unrecognised")) == 250
    assert len(told) == 3
    assert "100 mails that are not the replicator's were moved to the folder Unrecognised" in told


# --- forwarded --------------------------------------------------------------------------------------------------------


def test_what_is_forwarded_goes_to_the_address_and_is_deleted(forwarding_office: Office) -> None:
    office = forwarding_office
    office.put(LETTER)
    summary, told = office.run()
    assert summary.forwarded.mails == 1
    assert told == ['a mail from aunt@example.net ("Greetings") was forwarded to anna@example.com']
    assert office.lies() == []
    (mail,) = office.forwarded
    assert LETTER in mail
    assert office.run()[1] == []


def test_what_is_never_forwarded_stays_and_is_told_once(forwarding_office: Office) -> None:
    office = forwarding_office
    office.put(VACATION)
    (told,) = office.run()[1]
    assert told.startswith('an automatic answer from carl@example.net ("away") is left alone and never forwarded')
    assert (office.run()[1], office.box.reads) == ([], 0)
    assert (office.lies(), office.forwarded) == ([VACATION], [])


def test_where_there_are_folders_what_is_never_forwarded_is_moved(forwarding_office: Office) -> None:
    office = forwarding_office
    office.box.has_folders = True
    office.put(VACATION)
    office.put(LETTER, "aunt")
    office.run()
    assert (office.lies(), office.lies("Unrecognised"), len(office.forwarded)) == ([], [VACATION], 1)


def test_what_was_left_before_is_forwarded_when_that_is_set(office: Office) -> None:
    office.put(LETTER)
    office.run()
    office.set("forward", "--unrecognised-to", TO)
    office.run()
    assert (office.lies(), len(office.forwarded)) == ([], 1)


@pytest.mark.parametrize("way", ["leave", "move", "forward"])
def test_no_bytes_are_lost_and_none_stop_a_run(office: Office, way: str) -> None:
    office.set(way, "--unrecognised-to", TO)
    for number, raw in enumerate(HOSTILE):
        office.put(raw, f"hostile{number}")
    office.run()
    office.run()
    lie = office.lies() + office.lies("Unrecognised")
    forwarded = [raw for raw in HOSTILE if raw not in lie]
    assert len(office.forwarded) == len(forwarded) == (5 if way == "forward" else 0), [raw[:20] for raw in forwarded]


def test_only_so_many_go_in_an_hour_and_none_is_read_twice_meanwhile(
    forwarding_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = forwarding_office
    monkeypatch.setattr(forwarding, "AN_HOUR", 3)
    for number in range(8):
        office.put(LETTER + b"%d" % number, f"letter{number}")
    summary, told = office.run()
    assert (summary.forwarded.mails, len(office.lies())) == (3, 5)
    assert sum("waits to be forwarded to anna@example.com" in each for each in told) == 5
    summary, told = office.run()
    assert (summary.forwarded.mails, office.box.reads, told) == (0, 0, [])
    office.now += 3_600_000_000
    assert office.run()[0].forwarded.mails == 3
    office.now += 3_600_000_000
    assert office.run()[0].forwarded.mails == 2
    assert (office.lies(), len(office.forwarded)) == ([], 8)


def test_the_replicators_own_mail_goes_first(forwarding_office: Office) -> None:
    office = forwarding_office
    office.place.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    for number in range(3):
        office.put(LETTER + b"%d" % number, f"letter{number}")
    own = office.run(mails_per_run=2)[0]
    assert own.sent.mails + own.forwarded.mails == 2
    assert own.sent.mails >= 1
    assert office.run(mails_per_run=2)[0].forwarded.mails >= 1
    office.run(mails_per_hour=100)
    assert office.lies() == []
    assert office.run(mails_per_hour=4)[0].forwarded.mails == 0


# --- several mailboxes ------------------------------------------------------------------------------------------------


def with_stick(office: Office, *, folders: bool) -> Box:
    """A further mailbox of the office's."""
    stick = Box(office.place.folder / "stick", OWN, Runtime(now=lambda: office.now))
    stick.has_folders = folders
    office.further = (NodeMailbox("stick", stick, 2),)
    return stick


def put_into(box: Box, raw: bytes, name: str = "letter") -> Path:
    file = box._own / "new" / name
    file.write_bytes(raw)
    return file


def test_what_lies_in_two_mailboxes_is_told_and_forgotten_for_each(office: Office) -> None:
    stick = with_stick(office, folders=False)
    file = put_into(stick, LETTER)
    os.utime(file, ns=(1, 1))
    office.put(LETTER)
    os.utime(office.folder() / "letter", ns=(1, 1))  # the hints are the same
    assert len(office.run()[1]) == 2
    stick.reads = 0
    assert (office.run()[1], office.box.reads, stick.reads) == ([], 0, 0)
    (office.folder() / "letter").unlink()
    office.run()
    assert (office.run()[1], stick.reads) == ([], 0), "that one is still known"


def test_what_lies_in_a_further_mailbox_is_forwarded_by_the_accounts_own(forwarding_office: Office) -> None:
    office = forwarding_office
    stick = with_stick(office, folders=False)
    file = put_into(stick, LETTER)
    put_into(stick, VACATION, "vacation")
    assert office.run()[0].forwarded.mails == 1
    assert (len(office.forwarded), file.exists(), office.run()[1]) == (1, False, [])
    assert (stick._own / "new" / "vacation").exists()


def test_a_further_mailbox_without_folders_keeps_what_others_move(office: Office) -> None:
    office.set("move")
    stick = with_stick(office, folders=False)
    file = put_into(stick, LETTER)
    office.put(LETTER)
    told = office.run()[1]
    assert (file.exists(), office.lies(), office.lies("Unrecognised")) == (True, [], [LETTER])
    assert len(told) == 2
    stick.reads = 0
    assert (office.run()[1], stick.reads) == ([], 0)


# --- refused ----------------------------------------------------------------------------------------------------------


def test_a_recipient_that_is_refused_waits_for_a_person_and_passes_by_itself(forwarding_office: Office) -> None:
    office = forwarding_office
    office.box.sends = RecipientRefused("The mailbox of anna@example.com is full.", TO, full=True)
    for number in range(3):
        office.put(LETTER + b"%d" % number, f"letter{number}")
    assert office.run()[0].forwarded.mails == 0
    assert office.waiting() == ["unrecognised mail can't be forwarded to anna@example.com: " + str(office.box.sends)]
    office.run()
    assert office.box.reads == 1, "one is tried again"
    assert len(office.lies()) == 3
    assert not list((office.place.home / "aside" / "forwarded").iterdir())
    office.box.sends = None
    assert office.run()[0].forwarded.mails == 3
    assert (office.lies(), office.waiting()) == ([], [])


def test_where_nothing_waits_any_more_a_refusal_needs_nobody(forwarding_office: Office) -> None:
    office = forwarding_office
    office.box.sends = RecipientRefused("The mailbox of anna@example.com is full.", TO, full=True)
    office.put(LETTER)
    office.run()
    assert len(office.waiting()) == 1
    (office.folder() / "letter").unlink()
    office.run()
    assert office.waiting() == []


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        (MailTooLarge("A mail of 300 bytes is larger than 200 bytes."), "it is too large for the sending server"),
        (MailRefused("smtps://localhost refuses the mail."), "smtps://localhost refuses the mail."),
    ],
)
def test_one_mail_that_is_refused_stays_and_holds_up_no_other(
    forwarding_office: Office, refusal: MailboxTrouble, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = forwarding_office
    office.box.sends = refusal
    office.put(LETTER)
    office.put(LETTER + b"2", "second")
    _, told = office.run()
    assert told == [f'a mail from aunt@example.net ("Greetings") is left alone and can\'t be forwarded: {why}'] * 2
    office.box.sends = None
    office.put(LETTER + b"3", "third")
    assert office.run()[0].forwarded.mails == 1
    assert office.lies() == [LETTER, LETTER + b"2"]


def test_a_server_that_wants_it_later_ends_no_run(forwarding_office: Office) -> None:
    office = forwarding_office
    office.box.sends = TryLater("smtps://localhost takes no mail from us at the moment.")
    office.put(LETTER)
    assert len(office.run()[1]) == 2
    assert office.run()[1] == []
    assert office.lies() == [LETTER]
    office.box.sends = None
    assert office.run()[0].forwarded.mails == 1


def test_a_network_in_trouble_ends_the_run_after_the_replicators_own_work(forwarding_office: Office) -> None:
    office = forwarding_office
    office.place.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    office.box.sends = MailboxTrouble("The connection to smtps://localhost was lost.")
    office.put(LETTER)
    with pytest.raises(MailboxTrouble):
        office.run()
    assert (office.lies(), len(office.lies(address="koeln@example.com")) > 0) == ([LETTER], True)
    office.box.sends = None
    assert office.run()[0].forwarded.mails == 1
    assert office.lies() == []


def test_a_server_that_only_says_that_it_deletes_makes_no_circle(forwarding_office: Office) -> None:
    office = forwarding_office
    office.box.deletes = False
    office.put(LETTER)
    for _ in range(4):
        office.run()
    assert (len(office.forwarded), office.lies()) == (1, [LETTER])
    office.box.deletes = True
    office.run()
    assert (len(office.forwarded), office.lies()) == (1, [])


# --- coming back ------------------------------------------------------------------------------------------------------


def bounce(forwarded: bytes, action: str = "failed", status: str = "5.2.2") -> bytes:
    """Of a server that returns headers only."""
    head = forwarded.partition(b"\r\n\r\n")[0]
    return (
        b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=report\r\n\r\n"
        b"--report\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n"
        + f"Final-Recipient: rfc822; {TO}\r\nAction: {action}\r\nStatus: {status}\r\n\r\n".encode()
        + b"--report\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        + head
        + b"\r\n--report--\r\n"
    )


def test_a_forwarded_mail_that_comes_back_is_kept_and_stops_the_forwarding(forwarding_office: Office) -> None:
    office = forwarding_office
    office.put(LETTER)
    office.run()
    (mail,) = office.forwarded
    office.put(bounce(mail, "delayed", "4.2.2"), "delay")
    assert office.run()[1] == ["mail that was forwarded to anna@example.com has not arrived yet (status 4.2.2)"]
    assert office.lies() == []
    office.put(bounce(mail), "bounce")
    office.put(LETTER + b"second", "letter2")
    summary, told = office.run()
    assert (summary.received.bounces, summary.forwarded.mails) == (1, 0)
    assert "has come back, as the mailbox there is full (status 5.2.2)" in told[0]
    kept = [path for path in (office.place.home / "aside").iterdir() if path.is_file()]
    assert [path.read_bytes() for path in kept] == [LETTER]
    assert kept[0].name in told[0]
    assert office.lies() == [LETTER + b"second"]
    assert office.run()[0].forwarded.mails == 0
    number = office.place.call("status", "--json").json["needs"][0]["number"]
    office.place.done("status", "--done", str(number))
    assert office.run()[0].forwarded.mails == 1


def test_another_address_goes_on_at_once(forwarding_office: Office) -> None:
    office = forwarding_office
    office.put(LETTER)
    office.run()
    office.put(bounce(office.forwarded[0]), "bounce")
    office.put(LETTER + b"second", "letter2")
    office.run()
    office.set("forward", "--unrecognised-to", "berta@example.com")
    assert office.run()[0].forwarded.mails == 1
    assert len(office.lies(address="berta@example.com")) == 1


def test_a_bounce_of_a_mail_that_nobody_knows_is_never_forwarded(forwarding_office: Office) -> None:
    office = forwarding_office
    stranger = bounce(b"Message-ID: <forwarded." + b"0" * 32 + b"@example.com>\r\n\r\n")
    office.put(stranger)
    assert "bounces are not" in office.run()[1][0]
    assert (office.lies(), office.forwarded) == ([stranger], [])


def test_a_forwarded_mail_that_is_redirected_to_us_goes_no_second_time(forwarding_office: Office) -> None:
    office = forwarding_office
    office.put(LETTER)
    office.run()
    (mail,) = office.forwarded
    for number in range(5):
        office.put(mail, f"again{number}")
        office.run()
    assert len(office.forwarded) == 1
    assert len(office.lies()) == 5


def answered(office: Office, head: str) -> int:
    """For six runs somebody's program answers each forwarded mail, with these headers; how many were forwarded."""
    office.put(LETTER)
    known: set[bytes] = set()
    for number in range(6):
        office.run()
        for mail in set(office.forwarded) - known:
            known.add(mail)
            message_id = mail.partition(b"Message-ID: ")[2].partition(b"\r\n")[0].decode()
            office.put(f"{head.format(id=message_id)}\r\n\r\nAway ({number}).\r\n".encode(), f"answer{number}")
    return len(known)


@pytest.mark.parametrize(
    "head",
    [
        "From: anna@example.com",
        "From: Anna <ANNA@example.com>\r\nReply-To: other@example.com",
        "From: anna@elsewhere.example\r\nIn-Reply-To: {id}",
        "From: anna@elsewhere.example\r\nReferences: <x@y.example>\r\n {id}",
        "From: anna@elsewhere.example\r\nAuto-Submitted: auto-replied",
    ],
)
def test_a_program_that_answers_every_mail_is_not_answered(forwarding_office: Office, head: str) -> None:
    assert answered(forwarding_office, head) == 1
    assert len(forwarding_office.lies()) == 1, "its answer is left"


def test_a_circle_that_nobody_has_thought_of_turns_slowly(
    forwarding_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "AN_HOUR", 3)
    assert answered(forwarding_office, "From: anna@elsewhere.example") == 3
    assert len(forwarding_office.lies()) == 1


# --- dying ------------------------------------------------------------------------------------------------------------


class Dead(BaseException):
    """kill -9."""


@pytest.mark.parametrize("way", ["move", "forward"])
def test_whenever_a_run_dies_the_mail_lies_somewhere_and_is_dealt_with_by_a_later_run(place: Place, way: str) -> None:
    office = Office(place, folders=way == "move")
    office.set(way, "--unrecognised-to", TO)
    passed = unknown = 0
    while True:
        office.put(LETTER + b"%d" % passed)
        countdown = [passed]

        def reached(where: str, countdown: list[int] = countdown) -> None:
            countdown[0] -= 1
            if countdown[0] < 0:
                raise Dead(where)

        died = False
        office.now += 600_000_000
        runtime = Runtime(now=lambda: office.now, reached=reached)
        try:
            with open_node(Home(place.home, Files(runtime)), runtime) as node:
                node.mailbox = Box(place.folder / "mail", OWN, runtime)
                node.mailbox.has_folders = office.folders
                run_session(node)
        except Dead as dead:
            died = True
            unknown += str(dead) == "mail:after"
        whole = office.lies() + office.lies("Unrecognised") + office.forwarded
        assert any(LETTER + b"%d" % passed in raw for raw in whole)
        office.run()
        assert office.lies() == []
        if not died:
            break
        passed += 1
    assert passed >= 6, "it died at each point on the way"
    there = office.lies("Unrecognised") if way == "move" else office.forwarded
    assert passed + 1 <= len(there) <= passed + 1 + unknown, "twice only where the run did not hear that it had gone"
