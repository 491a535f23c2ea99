"""What every mailbox does, whatever stands behind it. A new kind of mailbox adds a farm to `FARMS`, and no test.

What only one kind does is tested beside it (tests/unit/test_folder_mailbox.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Timer

import pytest
from mailbox_farms import SIZE_LIMIT, Farm, FolderFarm, ServerFarm

from replicator.errors import ConfigurationError, MailTooLarge
from replicator.runtime import Runtime
from replicator.transport import Absence, Mail, Mailbox
from replicator.transport.mime import extract, sentence_for_people

MAGIC = b"\x93RPL"
HOST, STATION = "server@example.test", "remote1@example.test"


@dataclass
class Places:
    """A runtime that notes the crash points it passes."""

    passed: list[str] = field(default_factory=list)

    def runtime(self) -> Runtime:
        return Runtime(reached=self.passed.append)


SERVERS = {
    "smtps and pop3s": ("smtps", "pop3s"),
    "smtp and pop3": ("smtp", "pop3"),
    "smtps and imaps": ("smtps", "imaps"),
    "smtp and imap": ("smtp", "imap"),
}
"""With TLS from the first byte, and with STARTTLS."""
BY_TOKEN = {"tokens and pop3": ("smtps", "pop3"), "tokens and imap": ("smtp", "imaps")}
"""XOAUTH2 in place of the password."""
FARMS = ["folder", *SERVERS, *BY_TOKEN]


@pytest.fixture(params=FARMS)
def farm(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    if request.param == "folder":
        return FolderFarm(tmp_path)
    servers = request.getfixturevalue("clean_mail_farm")
    if request.param in BY_TOKEN:
        return ServerFarm(servers, *BY_TOKEN[request.param], by_token=True)
    return ServerFarm(servers, *SERVERS[request.param])


@pytest.fixture
def host(farm: Farm) -> Iterator[Mailbox]:
    with farm.open(HOST) as mailbox:
        yield mailbox


@pytest.fixture
def station(farm: Farm) -> Iterator[Mailbox]:
    with farm.open(STATION) as mailbox:
        yield mailbox


def content(number: int = 0, payload: bytes = b"") -> bytes:
    return MAGIC + number.to_bytes(4, "big") + payload


def mail(number: int = 0, payload: bytes = b"") -> Mail:
    return Mail(
        sender=HOST,
        recipient=STATION,
        subject=f"Replicator {number}",
        sentence=sentence_for_people("host", "Köln"),
        payloads=(content(number, payload),),
        message_id=f"<{number}@example.test>",
        date=1_700_000_000_000_000 + number,
    )


def payloads(mailbox: Mailbox) -> list[bytes]:
    return [payload for fetched in mailbox.fetch() if fetched.raw for payload in extract(fetched.raw, MAGIC).payloads]


def test_an_empty_mailbox(station: Mailbox) -> None:
    assert list(station.fetch()) == []
    station.delete([])


def test_what_is_sent_is_fetched_bit_for_bit(host: Mailbox, station: Mailbox) -> None:
    sent = mail(payload=bytes(range(256)) * 1000 + b"\r\n.\r\n\n\0")
    host.send(sent)
    assert payloads(station) == [*sent.payloads]
    assert payloads(host) == []


def test_it_does_not_matter_who_opens_first(farm: Farm, host: Mailbox) -> None:
    host.send(mail())
    with farm.open(STATION) as station:
        assert payloads(station) == [content()]


def test_oldest_first(host: Mailbox, station: Mailbox) -> None:
    for number in range(20):
        host.send(mail(number))
    assert payloads(station) == [content(number) for number in range(20)]


def test_how_many_follow_is_known(host: Mailbox, station: Mailbox) -> None:
    for number in range(3):
        host.send(mail(number))
    assert [fetched.behind for fetched in station.fetch()] == [2, 1, 0]


def test_fetching_deletes_nothing(farm: Farm, host: Mailbox, station: Mailbox) -> None:
    host.send(mail())
    for _ in range(3):
        assert payloads(station) == [content()]
    station.close()
    assert len(farm.contents(STATION)) == 1


def test_only_what_is_named_is_deleted(farm: Farm, host: Mailbox, station: Mailbox) -> None:
    for number in range(4):
        host.send(mail(number))
    fetched = list(station.fetch())
    station.delete([fetched[0].id, fetched[2].id])
    station.close()
    assert len(farm.contents(STATION)) == 2
    assert payloads(station) == [content(1), content(3)]


def test_deleting_in_the_midst_of_fetching(host: Mailbox, station: Mailbox) -> None:
    for number in range(5):
        host.send(mail(number))
    seen = 0
    for fetched in station.fetch():
        station.delete([fetched.id])
        seen += 1
    assert seen == 5
    assert list(station.fetch()) == []


def test_fetching_may_be_ended_early(host: Mailbox, station: Mailbox) -> None:
    for number in range(3):
        host.send(mail(number))
    first = next(station.fetch())
    station.delete([first.id])
    assert payloads(station) == [content(1), content(2)]


def test_deleting_twice_is_harmless(farm: Farm, host: Mailbox, station: Mailbox) -> None:
    host.send(mail())
    (fetched,) = station.fetch()
    station.delete([fetched.id])
    station.delete([fetched.id])
    station.close()
    station.close()
    assert farm.contents(STATION) == []


def test_what_goes_away_meanwhile_is_left_out(farm: Farm, host: Mailbox, station: Mailbox) -> None:
    for number in range(3):
        host.send(mail(number))
    fetching = station.fetch()
    first = next(fetching)
    farm.remove_all(STATION)
    assert len(list(fetching)) <= 2
    station.delete([first.id])


def test_sending_twice_gives_two_mails(host: Mailbox, station: Mailbox) -> None:
    host.send(mail())
    host.send(mail())
    assert payloads(station) == [content()] * 2


def test_sending_to_oneself(host: Mailbox) -> None:
    """As `account test` does."""
    host.send(replace(mail(), recipient=HOST))
    assert payloads(host) == [content()]


def test_addresses_differ_by_more_than_case(farm: Farm, host: Mailbox) -> None:
    host.send(replace(mail(), recipient=STATION.title()))
    with farm.open(STATION.upper()) as station:
        assert payloads(station) == [content()]


def test_a_mailbox_may_be_used_again_after_closing(host: Mailbox, station: Mailbox) -> None:
    for number in range(3):
        host.send(mail(number))
        host.close()
        assert payloads(station)[number:] == [content(number)]
        station.close()


def test_foreign_mail_is_fetched_as_it_is_and_stays(farm: Farm, host: Mailbox, station: Mailbox) -> None:
    foreign = b"From: a@example.test\r\nSubject: Hello\r\n\r\nHow are you?\r\n"
    farm.put(STATION, foreign)
    host.send(mail())
    fetched = list(station.fetch())
    assert sum(item.raw is not None and b"How are you?" in item.raw for item in fetched) == 1
    station.delete(item.id for item in fetched if item.raw and extract(item.raw, MAGIC).payloads)
    station.close()
    (left,) = farm.contents(STATION)
    assert b"How are you?" in left


def test_hints_are_stable_and_can_be_skipped(farm: Farm, host: Mailbox, station: Mailbox) -> None:
    farm.put(STATION, b"Subject: foreign\r\n\r\nx\r\n")
    hints = [fetched.hint for fetched in station.fetch()]
    station.close()
    assert [fetched.hint for fetched in station.fetch()] == hints
    host.send(mail())
    assert [fetched.raw is not None for fetched in station.fetch(skip=frozenset(hints))] == [True]
    assert len(list(station.fetch())) == 2


def test_a_mail_that_is_too_large_comes_without_content_and_stops_nothing(host: Mailbox, station: Mailbox) -> None:
    host.send(mail(0))
    host.send(mail(1, b"x" * 100_000))
    host.send(mail(2))
    fetched = list(station.fetch(largest=50_000))
    assert [item.absence for item in fetched] == [None, Absence.TOO_LARGE, None]
    assert [item.raw is None for item in fetched] == [False, True, False]
    assert fetched[1].size > 100_000
    station.delete([fetched[1].id])
    assert payloads(station) == [content(0), content(2)]


def test_damaged_mail_stops_nothing(farm: Farm, host: Mailbox, station: Mailbox) -> None:
    for raw in (
        b"\r\n",
        b"\xff\xfe\r\n\r\n\x80",
        b"x" * 5000 + b"\r\n",
        b"Subject: x\r\n\r\n" + b"y" * 100_000 + b"\r\n",
    ):
        farm.put(STATION, raw)
    host.send(mail())
    assert payloads(station) == [content()]


def test_a_mailbox_refuses_what_is_too_large_for_it(farm: Farm) -> None:
    with farm.open_small(HOST) as host, farm.open(STATION) as station:
        with pytest.raises(MailTooLarge) as refused:
            host.send(mail(0, b"x" * SIZE_LIMIT))
        assert refused.value.limit == host.size_limit == SIZE_LIMIT
        assert farm.contents(STATION) == []
        host.send(mail(1, b"x" * (SIZE_LIMIT // 2)))
        assert len(payloads(station)) == 1


def test_crash_points_are_passed(farm: Farm) -> None:
    places = Places()
    with farm.open(HOST, places.runtime()) as host, farm.open(STATION, places.runtime()) as station:
        host.send(mail())
        assert places.passed == ["mail:before", "mail:after"]
        places.passed.clear()
        (fetched,) = station.fetch()
        assert places.passed == []
        station.delete([fetched.id])
        station.close()
        assert places.passed == ["delete:before", "delete:after"]


def test_waiting_ends(host: Mailbox, station: Mailbox) -> None:
    stop = Event()
    assert station.wait(0, stop) is False
    assert list(station.fetch()) == []
    timer = Timer(0.1, stop.set)
    timer.start()
    assert station.wait(60, stop) is False
    host.send(mail())
    assert station.wait(0, stop) is False
    timer.join()


# --- moving -----------------------------------------------------------------------------------------------------------

LETTERS = [
    b"From: aunt@example.com\nSubject: one\n\nHow are you?\n",
    b"\xff\xfe\n\n\x80",
    b"Subject: long\n\n" + b"x" * 5_000 + b"\n.\n..\n",
]
KEPT = "Other mail/Unrecognised"


def letters_arrive(farm: Farm) -> None:
    for letter in LETTERS:
        farm.put(STATION, letter)


def without_folders(station: Mailbox) -> bool:
    """Whether this is POP3, and then its refusal is checked."""
    if station.has_folders:
        return False
    fetched = [item.id for item in station.fetch()]
    with pytest.raises(ConfigurationError):
        station.move(fetched, KEPT)
    return True


def test_what_is_moved_lies_in_the_folder_bit_for_bit_and_nothing_else_does(
    farm: Farm, host: Mailbox, station: Mailbox
) -> None:
    letters_arrive(farm)
    host.send(mail())
    if without_folders(station):
        return
    fetched = list(station.fetch())
    assert (
        station.move([item.id for item in fetched if not (item.raw and extract(item.raw, MAGIC).payloads)], KEPT) == {}
    )
    assert farm.contents_of_folder(STATION, KEPT) == LETTERS
    assert payloads(station) == list(mail().payloads)
    assert len(farm.contents(STATION)) == 1


def test_moving_in_the_midst_of_fetching_and_deleting(farm: Farm, host: Mailbox, station: Mailbox) -> None:
    letters_arrive(farm)
    for number in range(3):
        host.send(mail(number))
    letters_arrive(farm)
    if without_folders(station):
        return
    for item in station.fetch():
        if item.raw and extract(item.raw, MAGIC).payloads:
            station.delete([item.id])
        else:
            assert station.move([item.id], KEPT) == {}
    station.close()
    assert farm.contents_of_folder(STATION, KEPT) == LETTERS * 2
    assert farm.contents(STATION) == []


def test_moving_again_what_has_been_moved_deleted_or_taken_away(farm: Farm, station: Mailbox) -> None:
    letters_arrive(farm)
    if without_folders(station):
        return
    ids = [item.id for item in station.fetch()]
    station.delete(ids[:1])
    assert station.move(ids[:2], KEPT) == {}
    assert station.move(ids[:2], KEPT) == {}
    farm.remove_all(STATION)
    assert station.move(ids, KEPT) == {}
    station.delete(ids)
    station.close()
    assert list(station.fetch()) == []


def test_a_mail_that_is_too_large_to_be_fetched_can_be_moved(farm: Farm, station: Mailbox) -> None:
    letters_arrive(farm)
    if without_folders(station):
        return
    large = [item.id for item in station.fetch(largest=1_000) if item.absence is Absence.TOO_LARGE]
    assert station.move(large, KEPT) == {}
    assert farm.contents_of_folder(STATION, KEPT) == LETTERS[2:]
    assert farm.contents(STATION) == LETTERS[:2]


def test_many_mails_are_moved(farm: Farm, station: Mailbox) -> None:
    many = [b"Subject: %d\n\nx\n" % number for number in range(250)]
    for letter in many:
        farm.put(STATION, letter)
    if without_folders(station):
        return
    assert station.move([item.id for item in station.fetch()], KEPT) == {}
    assert farm.contents(STATION) == []
    assert sorted(farm.contents_of_folder(STATION, KEPT)) == sorted(many), "in whatever order"


def test_moving_passes_crash_points(farm: Farm) -> None:
    places = Places()
    with farm.open(STATION, places.runtime()) as station:
        letters_arrive(farm)
        if without_folders(station):
            return
        (first, *_) = [item.id for item in station.fetch()]
        station.move([first], KEPT)
        assert places.passed == ["move:before", "move:after"]


# --- much -------------------------------------------------------------------------------------------------------------


def test_many_mails_one_at_a_time(host: Mailbox, station: Mailbox) -> None:
    for number in range(200):
        host.send(mail(number))
    assert payloads(station) == [content(number) for number in range(200)]
    station.delete([fetched.id for fetched in station.fetch()])
    assert payloads(station) == []
