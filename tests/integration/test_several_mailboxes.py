"""A node with more than one mailbox: mail, and a folder on a stick that is there at times."""

from __future__ import annotations

import sqlite3
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from command_line import Place, join, new_office

from replicator.engine.mailboxes import NodeMailbox
from replicator.errors import RecipientRefused
from replicator.operations.listening import Looking, wait_for_mail
from replicator.operations.opening import open_node
from replicator.operations.running import Runs
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.store.notices import Notice
from replicator.transport.base import Mail
from replicator.transport.folder import FolderMailbox
from replicator.types import Role

ADDRESSES = {"office": "office@example.com", "koeln": "koeln@example.com"}


class Stick:
    """A drive that is plugged in or not. Where it is not, its place is there or not."""

    def __init__(self, folder: Path) -> None:
        self.place, self._aside = folder / "stick", folder / "in a pocket"
        self.place.mkdir()

    @property
    def url(self) -> str:
        return f"folder:{self.place / 'mail'}"

    def unplug(self, *, leaves: bool = False) -> None:
        self.place.rename(self._aside)
        if leaves:
            self.place.mkdir()

    def plug_in(self) -> None:
        if self.place.exists():
            self.place.rmdir()  # nothing was written into it
        self._aside.rename(self.place)

    def mails(self, name: str) -> list[Path]:
        folder = self.place / "mail" / ADDRESSES[name] / "new"
        return sorted(folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def stick(tmp_path: Path) -> Stick:
    return Stick(tmp_path)


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    office = new_office(tmp_path, capsys)
    office.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    return office


@pytest.fixture
def koeln(office: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    koeln = join(tmp_path, capsys)
    rest(office, koeln)
    return koeln


def rest(*places: Place) -> None:
    for _ in range(4):
        for place in places:
            place.run()


def sizes(place: Place, name: str) -> list[Path]:
    """Mails that lie in the folder that everybody has."""
    folder = place.folder / "mail" / ADDRESSES[name] / "new"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def lose(files: list[Path]) -> None:
    for file in files:
        file.unlink()


def add(place: Place, number: int, city: str = "Bonn") -> None:
    place.sql("INSERT INTO customers VALUES (?, ?, ?)", number, f"customer {number}", city)


def customers(place: Place) -> set[int]:
    return {number for (number,) in place.sql("SELECT id FROM customers")}


def queue(place: Place) -> list[tuple[int, int]]:
    """(mailbox, n) of what waits."""
    return place.sql("SELECT mailbox, n FROM replicator_send_queue ORDER BY mailbox, n")


def told(place: Place) -> list[Notice]:
    """What waits for a person after a run."""
    runs = Runs(Home(place.home, Files(Runtime())), Runtime(), Role.HOST)
    return runs.once().needs


# --- a stick ----------------------------------------------------------------------------------------------------------


def test_a_batch_goes_by_both_and_counts_once(office: Place, koeln: Place, stick: Stick) -> None:
    for place in (office, koeln):
        place.done("account", "add", "stick", "--mailbox", stick.url)
    rest(office, koeln)
    add(office, 100)
    summary = office.run()
    assert (summary.sent.mails, summary.sent.rows) == (2, 1)
    assert (len(sizes(office, "koeln")), len(stick.mails("koeln"))) == (1, 1)
    received = koeln.run()
    assert (received.received.mails, received.applied.batches, received.applied.rows) == (2, 1, 1)
    assert 100 in customers(koeln)
    rest(koeln, office)
    assert stick.mails("koeln") == stick.mails("office") == []
    assert office.run().sent.mails == koeln.run().sent.mails == 0, "an idle run sends nothing"


def test_a_stick_brings_what_the_mail_lost(office: Place, koeln: Place, stick: Stick) -> None:
    for place in (office, koeln):
        place.done("account", "add", "stick", "--mailbox", stick.url)
    rest(office, koeln)
    for number in (100, 101, 102):
        add(office, number)
        office.run()
        lose(sizes(office, "koeln"))
    koeln.run()
    assert {100, 101, 102} <= customers(koeln)
    lose(sizes(koeln, "office"))
    office.run()
    assert office.done("status", "--json").json["links"][0]["unacknowledged_bytes"] == 0, "the answer by the stick"


def test_a_stick_that_takes_no_mail_for_somebody_calls_nobody_once_all_is_there(
    office: Place, koeln: Place, stick: Stick, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.done("account", "add", "stick", "--mailbox", stick.url)
    rest(office, koeln)
    send = FolderMailbox.send

    def full(mailbox: FolderMailbox, mail: Mail) -> None:
        if mailbox._path.is_relative_to(stick.place):
            raise RecipientRefused(f"the mailbox of {mail.recipient} is full", mail.recipient, full=True)
        send(mailbox, mail)

    monkeypatch.setattr(FolderMailbox, "send", full)
    add(office, 100)
    assert [notice.kind for notice in told(office)] == ["refused-full"]
    assert "by the mailbox stick" in told(office)[0].message
    rest(koeln, office)
    assert 100 in customers(koeln)
    assert told(office) == [], "it got all by mail"


@pytest.mark.parametrize("leaves", [False, True])
def test_a_stick_that_is_away_stops_nothing_and_gets_all_that_is_needed(
    office: Place, koeln: Place, stick: Stick, leaves: bool
) -> None:
    for place in (office, koeln):
        place.done("account", "add", "stick", "--mailbox", stick.url)
    rest(office, koeln)
    stick.unplug(leaves=leaves)
    add(office, 100)
    told = office.done("host-run").out
    assert "sent      1 mail" in told
    assert "mailbox stick" in told
    assert "1 mail, " in told
    assert "waits for it" in told
    koeln.run()
    assert 100 in customers(koeln)
    office.run()
    assert queue(office) == [], "it is acknowledged, so it is not needed on the stick any more"
    for number in (101, 102):
        add(office, number)
        office.run()
        lose(sizes(office, "koeln"))
    status = office.done("status", "--json").json
    assert [(box["name"], box["away_since"] is not None) for box in status["mailboxes"]] == [
        ("", False),
        ("stick", True),
    ]
    assert "away since" in office.done("status").out
    assert not list(stick.place.iterdir()) if leaves else not stick.place.exists()
    stick.plug_in()
    office.run()
    koeln.run()
    assert {101, 102} <= customers(koeln)
    assert "away since" not in office.done("status").out


def test_what_the_mail_lost_is_asked_for_while_a_stick_is_away_on_which_it_waits(
    office: Place, koeln: Place, stick: Stick
) -> None:
    office.done("account", "add", "stick", "--mailbox", stick.url)
    rest(office, koeln)
    stick.unplug()
    add(office, 100)
    office.run()
    lose(sizes(office, "koeln"))
    assert office.run(later=3600).sent.mails == 1, "a probe, after an hour's silence"
    koeln.run()
    assert 100 not in customers(koeln)
    office.run()
    koeln.run()
    assert 100 in customers(koeln)


def test_an_acknowledgement_is_owed_to_a_mailbox_that_was_away(office: Place, koeln: Place, stick: Stick) -> None:
    for place in (office, koeln):
        place.done("account", "add", "stick", "--mailbox", stick.url)
    rest(office, koeln)
    add(office, 100)
    office.run()
    lose(stick.mails("koeln"))
    stick.unplug()
    koeln.run()
    lose(sizes(koeln, "office"))
    assert koeln.run().sent.mails == 0, "nothing waits, and the stick is still away"
    stick.plug_in()
    assert koeln.run().sent.mails == 1
    assert len(stick.mails("office")) == 1
    assert koeln.run().sent.mails == 0
    office.run()
    assert office.done("status", "--json").json["links"][0]["unacknowledged_bytes"] == 0


def test_all_mailboxes_away_is_an_error(office: Place, koeln: Place, stick: Stick) -> None:
    office.done("account", "add", "stick", "--mailbox", stick.url)
    office.run()
    stick.unplug()
    (office.folder / "mail").rename(office.folder / "share that is away")
    (office.folder / "mail").write_text("no folder")
    add(office, 100)
    assert str(office.folder / "mail") in office.refused("host-run", code=1), "of the account's own mailbox"
    (office.folder / "mail").unlink()
    (office.folder / "share that is away").rename(office.folder / "mail")
    assert "mailbox stick" in office.done("host-run").out


def test_a_mailbox_that_is_new_gets_all_that_is_not_acknowledged(office: Place, koeln: Place, stick: Stick) -> None:
    add(office, 100)
    office.run()
    lose(sizes(office, "koeln"))
    for place in (office, koeln):
        place.done("account", "add", "stick", "--mailbox", stick.url)
    office.run()
    koeln.run()
    assert 100 in customers(koeln)


def test_a_mailbox_that_is_removed_keeps_nothing_waiting(office: Place, koeln: Place, stick: Stick) -> None:
    office.done("account", "add", "stick", "--mailbox", stick.url)
    rest(office, koeln)
    stick.unplug()
    add(office, 100)
    office.run()
    assert [mailbox for mailbox, _ in queue(office)] == [2]
    office.done("account", "remove", "stick")
    assert office.run().away == []
    assert queue(office) == []
    stick.plug_in()
    office.done("account", "add", "stick", "--mailbox", stick.url)
    office.run()
    assert len(stick.mails("koeln")) == 1


def test_a_station_only_by_the_stick(office: Place, koeln: Place, stick: Stick, tmp_path: Path) -> None:
    office.done("station", "add", "Bonn", "--address", "bonn@example.com", "--out", tmp_path / "b.invitation")
    office.done("account", "set", "--station", "Bonn")
    office.done("account", "add", "stick", "--mailbox", stick.url, "--station", "Köln")
    koeln.done("account", "add", "stick", "--mailbox", stick.url)
    rest(office, koeln)
    add(office, 100)
    office.run()
    assert sizes(office, "koeln") == []
    koeln.run()
    assert 100 in customers(koeln)
    office.done("account", "set", "stick", "--station", "Bonn")
    add(office, 101)
    office.run()
    assert "no mailbox sends mail to Köln" in office.call("status").out
    assert office.call("status").code == 3
    office.done("account", "set", "stick", "--station", "")
    office.run()
    koeln.run()
    assert 101 in customers(koeln)
    assert office.call("status").code == 0


def test_a_mailbox_has_limits_of_its_own(office: Place, koeln: Place, stick: Stick) -> None:
    office.done("account", "add", "stick", "--mailbox", stick.url)
    office.run()
    file = office.home / "replicator.toml"
    file.write_text(
        file.read_text()
        .replace("# mails_per_run = 0", "mails_per_run = 1")
        .replace("# part_bytes = 1000000", "part_bytes = 10000")
    )
    for number in range(100, 130):
        office.sql("INSERT INTO orders VALUES (?, 1, NULL, randomblob(3000))", number)
    summary = office.run()
    assert (len(sizes(office, "koeln")), summary.sent.mails) == (1, 1 + len(stick.mails("koeln")))
    assert len(stick.mails("koeln")) > 5, "a folder on a stick has no provider"
    assert summary.sent.held_back == len(stick.mails("koeln")) - 1


# --- setting up -------------------------------------------------------------------------------------------------------


def sections(place: Place) -> dict[str, object]:
    found = tomllib.loads((place.home / "replicator.toml").read_text(encoding="utf-8"))
    return dict(found.get("MAILBOX", {}))


def test_add_and_remove_leave_the_rest_of_the_file_as_it_was(office: Place, stick: Stick) -> None:
    file = office.home / "replicator.toml"
    file.write_text(f"# ours\n{file.read_text()}\n# at the end\n")
    before = file.read_text()
    told = office.done("account", "add", "stick", "--mailbox", stick.url, "--title", "Reise")
    assert stick.url in told.out
    assert sections(office) == {"stick": {"title": "Reise", "mailbox": stick.url}}
    office.done("account", "add", "old", "--address", "office@gmx.de", "--send", "", "--password-file", _secret(office))
    assert (
        sections(office)["old"]
        == {
            "address": "office@gmx.de",
            "mailbox": "imaps://imap.gmx.net",
            "auth": "password",
            "password_file": str(_secret(office)),
        }
        or sections(office)["old"]
    )
    shown = office.done("account", "show", "--json").json
    assert [(each["name"], each["sends"], each["address"]) for each in shown["further"]] == [
        ("stick", True, "office@example.com"),
        ("old", False, "office@gmx.de"),
    ]
    told = office.done("account", "show").out
    assert "MAILBOX.stick" in told
    assert "only fetched from" in told
    office.done("account", "set", "stick", "--title", "", "--disable")
    assert office.done("account", "show", "--json").json["further"][0]["enabled"] is False
    office.done("account", "remove", "stick")
    office.done("account", "remove", "old")
    assert file.read_text().rstrip() == before.rstrip()


def _secret(place: Place) -> Path:
    file = place.folder / "password"
    file.touch(mode=0o600)
    file.write_text("hemlig-77")
    return file


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["add", "Stick", "--mailbox", "STICK"], 2, "letters from a to z"),
        (["add", "other", "--mailbox", "STICK"], 2, "mailbox stick fetches from there already"),
        (["add", "other", "--mailbox", "OWN"], 2, "the account fetches from there already"),
        (["add", "stick", "--mailbox", "folder:/tmp"], 2, "there is a mailbox 'stick' already"),
        (["add", "other", "--mailbox", "folder:/no/such/drive/mail"], 1, "connect its drive"),
        (["add", "other", "--mailbox", "pigeon:x"], 2, "folder:"),
        (["add", "other", "--mailbox", "imaps://max:geheim@x.example.com"], 2, "password"),
        (["add", "other"], 2, "the mail servers of office@example.com are not known here"),
        (["add", "other", "--mailbox", "STICK/b", "--station", "Bonn"], 2, "no station named Bonn"),
        (["add", "other", "--mailbox", "STICK/b", "--address", "nowhere"], 2, "e-mail address"),
        (["add", "other", "--mailbox", "imaps://imap.example.com", "--auth", "oauth2"], 2, "oauth_client_id"),
        (["set", "other", "--title", "x"], 2, "there is no mailbox 'other'"),
        (["set", "stick", "--mailbox", "folder:/no/such/drive/mail"], 1, "connect its drive"),
        (["set", "stick", "--station", "Bonn"], 2, "no station named Bonn"),
        (["remove", "other"], 2, "there is no mailbox 'other'"),
        (["test", "other"], 2, "there is no mailbox 'other'"),
    ],
)
def test_wrong_use_changes_nothing(office: Place, stick: Stick, arguments: list[str], code: int, word: str) -> None:
    office.done("account", "add", "stick", "--mailbox", stick.url)
    before = (office.home / "replicator.toml").read_text()
    own = office.options[office.options.index("--mailbox") + 1]
    given = [own if each == "OWN" else each.replace("STICK", stick.url) for each in arguments]
    assert word in office.refused("account", *given, code=code)
    assert (office.home / "replicator.toml").read_text() == before


def test_stations_are_a_hosts_affair(koeln: Place, stick: Stick) -> None:
    sentence = koeln.refused("account", "add", "stick", "--mailbox", stick.url, "--station", "Köln")
    assert "belongs to a host" in sentence


def test_account_test_tries_all_of_them(office: Place, stick: Stick) -> None:
    office.done("account", "add", "stick", "--mailbox", stick.url)
    told = office.done("account", "test").out
    assert told.count("came back") == 2
    assert "The mailbox stick:" in told
    stick.unplug(leaves=True)
    result = office.call("account", "test", "--json")
    assert (result.code, [(each["mailbox"], each["good"]) for each in result.json["findings"]][-1]) == (
        1,
        ("stick", False),
    )
    assert office.done("account", "test", "").out.count("came back") == 1, "the account's own"
    assert not list(stick.place.iterdir())


def test_another_stick_is_set_up_by_naming_it_again(office: Place, koeln: Place, stick: Stick) -> None:
    office.done("account", "add", "stick", "--mailbox", stick.url)
    stick.unplug(leaves=True)
    assert office.run().away[0].name == "stick"
    office.done("account", "set", "stick", "--mailbox", stick.url)
    assert office.run().away == []


# --- waiting ----------------------------------------------------------------------------------------------------------


def folder(path: Path, name: str, *, create: bool = True) -> FolderMailbox:
    return FolderMailbox(path, ADDRESSES[name], Runtime(), create=create)


def drop(path: Path, name: str) -> None:
    (path / ADDRESSES[name] / "new" / "mail.eml").write_bytes(b"Subject: new\n\nmail\n")


@pytest.mark.parametrize("where", ["mail", "stick"])
def test_waiting_ends_with_mail_at_any_of_them(tmp_path: Path, where: str) -> None:
    boxes = [
        NodeMailbox(name, folder(tmp_path / (name or "mail"), "office"), number, is_folder=True)
        for number, name in enumerate(("", "stick"), 1)
    ]
    for box in boxes:
        list(box.mailbox.fetch())
    wait_for_mail(boxes, 0.1, Event())
    drop(tmp_path / where, "office")
    stop = Event()
    wait_for_mail(boxes, 3600, stop)
    assert not stop.is_set()


def test_a_folder_that_comes_is_news(tmp_path: Path, stick: Stick) -> None:
    def at(path: Path) -> Looking:
        return Looking(Event(), [folder(path, "office", create=False)], clock)

    times = iter(range(0, 1000, 10))
    clock: Callable[[], float] = lambda: float(next(times))  # noqa: E731
    folder(tmp_path / "here", "office")
    present = folder(tmp_path / "here", "office", create=False)
    list(present.fetch())
    looking = Looking(Event(), [present], clock)
    assert not looking.is_set()
    (tmp_path / "here").rename(tmp_path / "gone")
    missing = Looking(Event(), [present], clock)
    assert not missing.is_set()
    (tmp_path / "gone").rename(tmp_path / "here")
    assert missing.is_set()
    assert not looking.is_set()


# --- a crash ----------------------------------------------------------------------------------------------------------


class Died(BaseException):
    """As kill -9."""


@pytest.mark.parametrize("place", ["mail:before", "mail:after", "commit:before", "commit:after", "side:before"])
@pytest.mark.parametrize("after", range(0, 12, 3))
def test_a_crash_between_two_mailboxes_loses_nothing(
    office: Place, koeln: Place, stick: Stick, place: str, after: int
) -> None:
    for each in (office, koeln):
        each.done("account", "add", "stick", "--mailbox", stick.url)
    rest(office, koeln)
    add(office, 100)
    left = [after]

    def reached(where: str) -> None:
        if where == place:
            left[0] -= 1
            if left[0] < 0:
                raise Died

    from replicator.engine.session import run

    runtime = Runtime(reached=reached)
    try:
        with open_node(Home(office.home, Files(runtime)), runtime) as node:
            run(node)
    except Died:
        pass
    lose(sizes(office, "koeln"))
    rest(office, koeln)
    assert 100 in customers(koeln)
    assert queue(office) == []
    with closing(sqlite3.connect(office.database_file)) as raw:
        assert raw.execute("SELECT count(*) FROM replicator_route WHERE owed").fetchone() == (0,)
