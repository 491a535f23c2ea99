"""Setting up by the command line: hosts, invitations, stations, tables and rules, and what is refused."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Place, join, new_office

ALL = ["new", "changed", "deleted"]


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return new_office(tmp_path, capsys)


# --- nodes ------------------------------------------------------------------------------------------------------------


def test_host_and_station_from_nothing_to_equal_rows(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    office.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "new,changed")
    station = join(office.folder, capsys)
    office.run()
    station.run()
    for table in ("customers", "orders"):
        assert station.sql(f"SELECT * FROM {table}") == office.sql(f"SELECT * FROM {table}")
    office.run()
    listed = office.done("station", "list", "--json").json
    assert [(each["name"], each["joined"]) for each in listed] == [("Köln", True)]


def test_set_up_says_what_it_changed_and_closes_what_is_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Place(tmp_path, "office", capsys)
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    told = office.done("host-init", *office.options, "--address", "office@example.com").out
    assert "WAL" in told
    assert "The host host <office@example.com> is set up" in told
    for name in ("identity.key", "state", "replicator.toml"):
        assert stat.S_IMODE((office.home / name).stat().st_mode) == 0o600
    assert not (office.home / "setting-up").exists()
    office.done("station", "add", "west", "--address", "west@example.com", "--out", tmp_path / "w")
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o600


def test_relative_paths_hold_from_any_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sqlite3.connect(tmp_path / "app.db").close()
    environment = {**os.environ, "REPLICATOR_HOME": str(tmp_path / "office"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "replicator.cli.main"]
    made = [*command, "host-init", "--database", "sqlite:///app.db", "--address", "a@b.de", "--mailbox", "folder:mail"]
    subprocess.run(made, cwd=tmp_path, env=environment, check=True, capture_output=True)
    shown = subprocess.run([*command, "status"], cwd="/", env=environment, check=True, capture_output=True, text=True)
    assert str(tmp_path / "app.db") in shown.stdout
    assert str(tmp_path / "mail") in shown.stdout


def test_a_node_is_set_up_once(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    again = office.refused("host-init", *office.options, "--address", "office@example.com")
    assert "holds a node already" in again
    other = Place(office.folder, "other", capsys)
    options = ["--database", f"sqlite:///{office.database_file}", "--mailbox", f"folder:{office.folder / 'mail'}"]
    taken = other.refused("host-init", *options, "--address", "other@example.com")
    assert "belongs to the host Zentrale already" in taken
    assert office.done("status").code == 0


def test_a_key_without_its_configuration_is_not_written_over(office: Place) -> None:
    key = (office.home / "identity.key").read_bytes()
    (office.home / "replicator.toml").unlink()
    assert "replicator.toml is missing" in office.refused("host-init", *office.options, "--address", "a@example.com")
    assert (office.home / "identity.key").read_bytes() == key


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("--address", "nowhere", "e-mail address"),
        ("--mailbox", "carrier-pigeon:x", "folder:"),
        ("--mailbox", "pop3s://me:secret@example.com", "password"),
        ("--database", "oracle://db", "isn't supported"),
        ("--database", "nonsense", "URL"),
        ("--name", "a/b", "letters"),
    ],
)
def test_options_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, word: str
) -> None:
    office = Place(tmp_path, "office", capsys)
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    options = [*office.options, "--address", "office@example.com", option, value]
    sentence = office.refused("host-init", *options)
    assert word in sentence
    assert "secret" not in sentence
    office.done("host-init", *office.options, "--address", "office@example.com")


def test_a_host_needs_its_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    office = Place(tmp_path, "office", capsys)
    assert "is missing" in office.refused("host-init", *office.options, "--address", "a@example.com", code=1)
    assert not office.database_file.exists()


def test_no_node_and_no_tables(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no node" in Place(office.folder, "nowhere", capsys).refused("status")
    connection = sqlite3.connect(office.database_file)
    names = connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'replicator_%' AND type = 'table'")
    for (name,) in names.fetchall():
        connection.execute(f"DROP TABLE {name}")
    connection.commit()
    connection.close()
    assert "tables are missing" in office.refused("status", code=1)
    assert "tables are missing" in office.refused("station", "add", "x", "--address", "x@example.com", code=1)


def test_a_mixed_up_database_is_named(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    station = join(office.folder, capsys)
    configuration = station.home / "replicator.toml"
    configuration.write_text(configuration.read_text().replace(str(station.database_file), str(office.database_file)))
    assert "belongs to the host Zentrale" in station.refused("status")


AS_NOBODY = """
import os, sys
from replicator.cli import main
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(main.run(sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="access goes by other ways here")
@pytest.mark.parametrize("command", ["status", "station list", "station disable Köln"])
def test_no_permission_on_the_home(office: Place, command: str) -> None:
    office.home.chmod(0)
    try:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        arguments = [sys.executable, "-c", AS_NOBODY, "--home", str(office.home), *command.split()]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    finally:
        office.home.chmod(0o700)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "no permission" in done.stderr


def test_one_process_a_node_but_anybody_may_look(office: Place) -> None:
    from replicator.runtime import Runtime
    from replicator.store.files import Files
    from replicator.store.home import Home

    with Home(office.home, Files(Runtime())).lock():
        assert "another process" in office.refused("station", "disable", "Köln", code=1)
        office.done("status")
        office.done("rule", "list")


# --- invitations ------------------------------------------------------------------------------------------------------


def test_an_invitation_works_once(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    copy = office.folder / "copy"
    copy.write_bytes((office.folder / "k.invitation").read_bytes())
    join(office.folder, capsys)
    second = Place(office.folder, "second", capsys)
    assert "used already" in second.refused("remote-init", office.folder / "k.invitation", *second.options)
    assert "station invite Köln" in second.refused("remote-init", office.folder / "k.invitation", *second.options)
    assert not second.home.exists()


def test_damaged_and_missing_invitations(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    station, file = Place(office.folder, "koeln", capsys), office.folder / "k.invitation"
    assert "there is no invitation" in station.refused("remote-init", office.folder / "nothing", *station.options)
    whole = file.read_text()
    lines = whole.splitlines()
    place = lines.index("-----BEGIN REPLICATOR INVITATION-----") + 2
    lines[place] = lines[place][:-2] + ("AA" if not lines[place].endswith("AA") else "BB")
    file.write_text("\n".join(lines))
    assert "damaged" in station.refused("remote-init", file, *station.options)
    file.write_text("Dear colleague")
    assert "no invitation" in station.refused("remote-init", file, *station.options)
    file.write_text(whole)
    station.done("remote-init", file, *station.options)


def test_a_passphrase_is_asked_for(
    office: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = office.folder / "n.invitation"
    add = ("station", "add", "Nord", "--address", "n@example.com", "--out", file, "--passphrase")
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115
    assert "REPLICATOR_PASSPHRASE" in office.refused(*add)
    monkeypatch.setenv("REPLICATOR_PASSPHRASE", "Grüße aus Köln")
    office.done(*add)
    station = Place(office.folder, "nord", capsys)
    monkeypatch.delenv("REPLICATOR_PASSPHRASE")
    assert "passphrase is needed" in station.refused("remote-init", file, *station.options)
    monkeypatch.setenv("REPLICATOR_PASSPHRASE", "Gruesse")
    assert "passphrase does not open" in station.refused("remote-init", file, *station.options)
    monkeypatch.setenv("REPLICATOR_PASSPHRASE", "Gru\u0308ße aus Ko\u0308ln")
    station.done("remote-init", file, *station.options)


def test_a_replaced_computer_gets_everything_anew(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    office.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    old = join(office.folder, capsys)
    for place in (office, old, office):
        place.run()
    told = office.done("station", "invite", "Köln", "--out", office.folder / "k.invitation").out
    assert "void" in told
    before = office.done("station", "show", "Köln", "--json").json
    assert (before["joined"], before["in_epoch"], before["starts_anew"]) == (False, [0, 2], True)
    old.sql("UPDATE customers SET city = 'lost' WHERE id = 1")
    old.run()
    new = join(office.folder, capsys, "koeln2")
    office.run()
    new.run()
    assert new.sql("SELECT * FROM customers") == office.sql("SELECT * FROM customers")
    new.sql("UPDATE customers SET city = 'Aachen' WHERE id = 2")
    for place in (new, office):
        place.run()
    assert office.sql("SELECT city FROM customers ORDER BY id") == [("Bremen",), ("Aachen",)]


# --- stations ---------------------------------------------------------------------------------------------------------


def test_names_and_addresses_are_unique_and_safe(office: Place) -> None:
    add = ("station", "add")
    address = ("--address", "x@example.com")
    assert "there is a station" in office.refused(*add, "KÖLN", *address)
    assert "stands for something else" in office.refused(*add, "zentrale", *address)
    assert "stands for something else" in office.refused(*add, "host", *address)
    assert "letters" in office.refused(*add, "../x", *address)
    assert "each station needs its own" in office.refused(*add, "x", "--address", "Koeln@example.com")
    assert "own address" in office.refused(*add, "x", "--address", "office@example.com")
    assert "e-mail address" in office.refused(*add, "x", "--address", "x")
    assert [each["name"] for each in office.done("station", "list", "--json").json] == ["Köln"]


def test_an_invitation_never_overwrites_another_file(office: Place, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear all")
    assert "is there already" in office.refused("station", "add", "x", "--address", "x@example.com", "--out", file)
    assert "is no invitation" in office.refused("station", "invite", "Köln", "--out", file)
    assert file.read_text() == "Dear all"
    nowhere = tmp_path / "no" / "folder"
    office.refused("station", "add", "x", "--address", "x@example.com", "--out", nowhere, code=1)
    assert len(office.done("station", "list", "--json").json) == 1


def test_set_switch_and_remove(office: Place) -> None:
    office.done("station", "set", "Köln", "--title", "Filiale Köln", "--address", "neu@example.com")
    shown = office.done("station", "show", "Köln", "--json").json
    assert (shown["title"], shown["address"], shown["enabled"]) == ("Filiale Köln", "neu@example.com", True)
    assert "is off." in office.done("station", "disable", "Köln").out
    assert "was off already" in office.done("station", "disable", "Köln").out
    assert office.done("station", "show", "Köln", "--json").json["enabled"] is False
    office.done("station", "enable", "Köln")
    assert "nothing to set" in office.refused("station", "set", "Köln")
    for command in ("show", "enable", "disable", "invite", "remove"):
        assert "no station named Kiel" in office.refused("station", command, "Kiel")
    office.done("rule", "set", "Köln", "all", "--to-remote", "all")
    office.run()
    assert any((office.home / "spool" / "segments").rglob("*/*"))
    office.done("station", "remove", "Köln", "--yes")
    assert office.done("station", "list", "--json").json == []
    assert not [path for path in (office.home / "spool").rglob("*") if path.is_file()]
    office.done("station", "add", "Köln", "--address", "koeln@example.com", "--out", office.folder / "k2")
    assert office.sql("SELECT id FROM replicator_peer") == [(2,)]


def test_removing_asks_first(office: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_arguments, **_options: False)
    assert office.call("station", "remove", "Köln").code == 1
    assert len(office.done("station", "list", "--json").json) == 1
