"""The situations of docs/restoring.md, each played as its page says, with real processes.

'After a fire' has a file of its own (test_after_a_fire.py), a replica is a matter of servers
(tests/integration/test_promoted_replica.py), and the lines of 'A database without the replicator' are tried in
test_examples.py.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from firm import Firm, commands, mentioned, section
from forking import serving

PAGE = "restoring.md"
ELSEWHERE = {
    "What is noticed",
    "After a fire",
    "A host: a replica of its database takes its place",
    "A database without the replicator",
}
"""Sections that are not played here."""


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    with TemporaryDirectory(prefix="replicator-") as folder:
        program = Path(folder) / "replicator"
        with serving(Path(folder), program):
            yield Firm.founded(tmp_path_factory.mktemp("firm"), program)


@pytest.fixture
def firm(founded: Firm, tmp_path: Path) -> Firm:
    return founded.copied(tmp_path)


def names(firm: Firm, place: str) -> dict[object, object]:
    return dict(firm.sql(place))


def test_every_section_is_played() -> None:
    text = (Path(__file__).parents[2] / "docs" / PAGE).read_text(encoding="utf-8")
    played = set(re.findall(r'section\(PAGE, "([^"]+)"\)', Path(__file__).read_text(encoding="utf-8")))
    assert set(re.findall(r"^## (.+)$", text, re.MULTILINE)) == played | ELSEWHERE


# --- backups ----------------------------------------------------------------------------------------------------------


def test_the_script_of_backups(firm: Firm) -> None:
    text = section(PAGE, "Backups, and what may be forgotten")
    begin, done = commands(text)
    [script] = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert script.index(begin.removeprefix("replicator ")) < script.index(done.removeprefix("replicator "))
    (firm.folder / "backup").mkdir()
    for real, stand_in in (("/srv/replicator", "koeln"), ("/srv/app.db", "koeln.db"), ("/backup/", "backup/")):
        script = script.replace(real, str(firm.folder / stand_in) + "/" * real.endswith("/"))
    told = firm.done("koeln", script.strip())
    assert "the next run tells" in told
    assert (firm.folder / "backup" / "app.db").stat().st_size > 0
    assert not (firm.folder / "backup" / "app.db.new").exists()


def test_a_backup_that_is_older_than_the_one_announced(firm: Firm) -> None:
    text = section(PAGE, "Backups, and what may be forgotten")
    firm.sql("koeln", "INSERT INTO customers VALUES (10, 'Dierks')")
    firm.done("koeln", "remote-run")
    firm.keep("koeln", "old")
    firm.exchange()
    firm.sql("koeln", "UPDATE customers SET name = 'Dirks' WHERE id = 10")
    firm.exchange()
    for days in (0, 93, 97, 99, 101):  # a backup holds its journal of 90 days
        firm.days = days
        for place in ("koeln", "office"):
            firm.done(place, *commands(text))
        firm.exchange()
    firm.put_back("koeln", "old")
    firm.days = 102
    firm.exchange("koeln", "office", rounds=3)
    assert "older than the one it announced" in firm.at("office", "status")[1]
    told = firm.done("office", mentioned(text, "conflict list --station").replace("NAME", "koeln"))
    assert "older-than-backups" in told
    assert names(firm, "koeln")[10] == names(firm, "office")[10] == "Dirks", "what came after the backup comes back"


def test_as_it_was_at_a_moment(firm: Firm) -> None:
    text = section(PAGE, "As it was at a moment")
    look, build = commands(text)
    firm.sql("office", "UPDATE customers SET name = 'right' WHERE id = 1")
    firm.done("office", "host-run")
    before = json.loads(firm.done("office", f"{look} --json"))[-1]
    firm.sql("office", "UPDATE customers SET name = 'wrong'")
    firm.done("office", "host-run")
    assert "wrong" in firm.done("office", "journal show " + f"{before['epoch']}.{before['n'] + 1}")
    build = build.replace("/tmp/before.db", str(firm.database("before")))
    firm.done("office", build.replace("2026-11-27 14:03:22", f"{before['epoch']}.{before['n']}"))
    assert names(firm, "before") == {1: "right", 2: "Brandt"}
    assert names(firm, "office") == {1: "wrong", 2: "wrong"}, "nothing is changed at the host"
    for command in ("journal replay --check", "journal base"):
        assert f"replicator {command}" in " ".join(text.split())
        firm.done("office", command)
    anew = mentioned(text, "journal base --anew").replace("TABLE", "customers")
    firm.done("office", anew)
    assert firm.at("office", f"journal replay --into sqlite:///{firm.database('again')} --until {before['epoch']}.1")[0]


# --- stations ---------------------------------------------------------------------------------------------------------


def lived_on(firm: Firm) -> None:
    """Since a backup of koeln: what it has sent, what others wrote, and what it has not sent."""
    firm.sql("koeln", "INSERT INTO customers VALUES (10, 'sent')")
    firm.sql("bonn", "INSERT INTO customers VALUES (20, 'of bonn')")
    firm.sql("office", "UPDATE customers SET name = 'of the office' WHERE id = 1")
    firm.exchange()
    firm.sql("koeln", "INSERT INTO customers VALUES (11, 'not sent')")


KNOWN = {1: "of the office", 2: "Brandt", 10: "sent", 20: "of bonn"}


def test_a_stations_database_from_a_backup(firm: Firm) -> None:
    [command] = commands(section(PAGE, "A station: a backup of its database"))
    firm.keep("koeln", "backup")
    lived_on(firm)
    firm.put_back("koeln", "backup")
    code, told = firm.at("koeln", command)
    assert (code, "the database of this node is older than what it has already sent" in told) == (0, True), told
    firm.exchange()
    assert dict(firm.equal()) == KNOWN
    assert firm.at("koeln", "status")[0] == 0


@pytest.mark.parametrize("said", [True, False])
def test_a_stations_whole_computer_was_put_back(firm: Firm, said: bool) -> None:
    [command] = commands(section(PAGE, "A station: the whole computer was put back"))
    firm.keep("koeln", "image", home=True)
    lived_on(firm)
    firm.put_back("koeln", "image")
    if said:
        firm.done("koeln", command)
    else:
        firm.sql("office", "UPDATE customers SET name = 'by mail' WHERE id = 2")  # what it is found out with
    firm.exchange(rounds=4)
    assert dict(firm.equal()) == KNOWN | ({} if said else {2: "by mail"})
    assert [firm.at(place, "status")[0] for place in ("office", "koeln", "bonn")] == [0, 0, 0]


def test_a_station_moves_to_a_new_computer(firm: Firm) -> None:
    [command] = commands(section(PAGE, "A station: a new computer"))
    firm.machines = {"koeln": "old", "office": "office"}
    firm.exchange("koeln", "office")
    shutil.copytree(firm.folder / "koeln", firm.folder / "moved")
    shutil.copyfile(firm.database("koeln"), firm.database("moved"))
    settings = firm.folder / "moved" / "replicator.toml"
    settings.write_text(settings.read_text("utf-8").replace("koeln.db", "moved.db"), "utf-8")
    firm.machines["moved"] = "new"
    assert "belongs to this computer now" in firm.done("moved", command)
    firm.sql("moved", "INSERT INTO customers VALUES (10, 'of the new computer')")
    firm.exchange("moved", "office", "bonn")
    assert names(firm, "office")[10] == "of the new computer"
    assert firm.equal("moved", "bonn")
    assert firm.at("moved", "status")[0] == 0


def test_a_station_on_a_new_computer_without_its_home_folder(firm: Firm) -> None:
    text = section(PAGE, "A station: a new computer")
    firm.sql("koeln", "INSERT INTO customers VALUES (10, 'sent')")
    firm.exchange("koeln", "office")
    firm.sql("koeln", "INSERT INTO customers VALUES (11, 'numbered')")
    firm.done("koeln", "remote-run")
    firm.folder.joinpath("koeln").rename(firm.folder / "old")
    firm.database("koeln").rename(firm.database("old"))
    (firm.folder / "old" / "replicator.toml").write_text(
        (firm.folder / "old" / "replicator.toml").read_text("utf-8").replace("koeln.db", "old.db"), "utf-8"
    )
    invite = mentioned(text, "station invite").replace("NAME", "koeln").replace("FILE", "anew")
    join = mentioned(text, "remote-init").replace("FILE", "anew")
    mail = f"folder:{firm.folder}/mail"
    join = join.replace("--database URL", f"--database sqlite:///{firm.database('koeln')}")
    join = join.replace("--mailbox URL", f"--mailbox {mail}")
    firm.done("office", invite)
    firm.done("koeln", join)
    told = firm.exchange("office", "koeln", rounds=2)
    assert "set aside" in told, "what the old computer had sent"
    assert dict(firm.equal("koeln")) == {1: "Ahlers", 2: "Brandt", 10: "sent"}
    assert "customers" in firm.done("old", "journal list"), "what has to be entered again"


def behind(firm: Firm, place: str, *statements: str) -> None:
    """As a tool that switches triggers off."""
    triggers = [str(sql) for (sql,) in firm.sql(place, "SELECT sql FROM sqlite_schema WHERE type = 'trigger'")]
    found = firm.sql(place, "SELECT name FROM sqlite_schema WHERE type = 'trigger'")
    for (name,) in found:
        firm.sql(place, f'DROP TRIGGER "{name}"')
    for statement in (*statements, *triggers):
        firm.sql(place, statement)


def test_a_table_was_changed_behind_its_back(firm: Firm) -> None:
    text = section(PAGE, "A table was changed behind the replicator's back")
    compare, run, show = commands(text)
    behind(firm, "koeln", "UPDATE customers SET name = 'wrong' WHERE id = 1", "DELETE FROM customers WHERE id = 2")
    firm.done("office", compare, run)
    firm.done("koeln", "remote-run")
    code, told = firm.at("office", "host-run")
    assert (code, "2 rows of koeln differ" in told) == (3, True), told
    code, told = firm.at("office", show)
    assert (code, "differs" in told, "missing" in told) == (3, True, True), told
    repair = mentioned(text, r"comparison repair 1")
    firm.done("office", repair)
    firm.exchange("office", "koeln")
    assert dict(firm.equal("koeln")) == {1: "Ahlers", 2: "Brandt"}
    (line,) = json.loads(firm.done("koeln", "conflict list --json"))
    settle = mentioned(text, "conflict settle").replace("NUMBER", str(line["id"]))
    firm.done("koeln", settle)
    firm.exchange("koeln", "office")
    assert dict(firm.equal("koeln")) == {1: "wrong", 2: "Brandt"}, "what the repair replaced is brought back"
    # `--repair` from the start.
    behind(firm, "koeln", "UPDATE customers SET name = 'once more' WHERE id = 2")
    firm.done("office", mentioned(text, "compare koeln --repair"))
    firm.exchange("office", "koeln", rounds=3)
    assert dict(firm.equal("koeln")) == {1: "wrong", 2: "Brandt"}


@pytest.mark.parametrize("whole", [False, True], ids=["a table", "everything"])
def test_something_is_missing_at_a_station(firm: Firm, whole: bool) -> None:
    command = commands(section(PAGE, "A station: something is missing there"))[whole].replace("NAME", "koeln")
    behind(firm, "koeln", "DELETE FROM customers")
    firm.sql("koeln", "INSERT INTO customers VALUES (10, 'not sent yet')")
    firm.done("office", command)
    firm.exchange("office", "koeln", rounds=3)
    assert dict(firm.equal("koeln")) == {1: "Ahlers", 2: "Brandt", 10: "not sent yet"}


@pytest.mark.parametrize("place", ["koeln", "office"])
def test_rows_that_a_database_refuses(firm: Firm, place: str) -> None:
    text = section(PAGE, "A station or a host: rows that its database refuses")
    [command] = commands(text)
    other = "office" if place == "koeln" else "koeln"
    firm.sql(place, "CREATE UNIQUE INDEX refuses ON customers (length(name)) WHERE name LIKE 'no%'")
    firm.sql(other, "INSERT INTO customers VALUES (10, 'no1'), (11, 'no2'), (12, 'yes')")
    firm.exchange("koeln", "office")
    assert names(firm, place).keys() == {1, 2, 10, 12}, "it holds up nothing else"
    assert "UNIQUE" in firm.done(place, mentioned(text, "quarantine list"))
    firm.sql(place, "DROP INDEX refuses")
    firm.done(place, command)
    firm.exchange("koeln", "office")
    assert dict(firm.equal("koeln")) == {1: "Ahlers", 2: "Brandt", 10: "no1", 11: "no2", 12: "yes"}
    assert json.loads(firm.done(place, "quarantine list --json")) == []


# --- hosts ------------------------------------------------------------------------------------------------------------


def host_lived_on(firm: Firm) -> None:
    """Since a backup of the office: what stations have got and what they wrote, and what nobody has got."""
    firm.sql("office", "UPDATE customers SET name = 'got' WHERE id = 1")
    firm.sql("koeln", "INSERT INTO customers VALUES (10, 'of koeln')")
    firm.exchange()
    firm.sql("office", "INSERT INTO customers VALUES (3, 'not got')")
    firm.sql("bonn", "INSERT INTO customers VALUES (20, 'of bonn')")


def test_a_hosts_database_from_a_backup(firm: Firm) -> None:
    text = section(PAGE, "A host: a backup of its database")
    [command] = commands(text)
    firm.keep("office", "backup")
    host_lived_on(firm)
    firm.put_back("office", "backup")
    code, told = firm.at("office", command)
    assert (code, "older than what it has already sent" in told) == (0, True), told
    firm.exchange("bonn", "office", "koeln", "office", rounds=2)
    firm.exchange()
    assert dict(firm.equal()) == {1: "got", 2: "Brandt", 10: "of koeln", 20: "of bonn"}
    assert "no conflicts" in firm.done("office", mentioned(text, "conflict list")).lower()


def test_what_was_set_up_after_a_hosts_backup_is_set_up_again(firm: Firm) -> None:
    text = section(PAGE, "A host: a backup of its database")
    firm.keep("office", "backup")
    firm.sql("office", "CREATE TABLE articles (id INTEGER PRIMARY KEY)")
    firm.sql("office", "INSERT INTO articles VALUES (1)")
    firm.done("office", "table add articles", "rule set koeln articles --to-remote all --to-host all")
    firm.exchange("office", "koeln")
    firm.sql("koeln", "INSERT INTO articles VALUES (2)")
    firm.exchange("koeln", "office")
    firm.put_back("office", "backup")
    firm.done("office", "host-run")
    firm.exchange("koeln", "office")
    firm.sql("office", "CREATE TABLE articles (id INTEGER PRIMARY KEY)")
    firm.done("office", "table add articles", "rule set koeln articles --to-remote all --to-host all")
    firm.exchange("office", "koeln", rounds=3)
    assert firm.sql("office", "SELECT id FROM articles ORDER BY id") == [(1,), (2,)], "its rows come back"
    assert mentioned(text, "station invite") == "station invite"


@pytest.mark.parametrize("said", [True, False])
def test_a_hosts_whole_computer_was_put_back(firm: Firm, said: bool) -> None:
    [command] = commands(section(PAGE, "A host: the whole computer was put back"))
    firm.keep("office", "image", home=True)
    host_lived_on(firm)
    firm.put_back("office", "image")
    firm.sql("office", "INSERT INTO customers VALUES (4, 'in between')")
    if not said:
        told = ""
        for _ in range(3):
            code, told = firm.at("office", "host-run")
            if code == 3 and "halted" in firm.at("office", "status")[1]:
                break
            firm.exchange("koeln", "bonn", rounds=1)
        assert "replicator restored" in told, told
        assert firm.at("office", "host-run")[0] == 3, "each run says so"
    firm.done("office", command)
    firm.exchange(rounds=5)
    assert dict(firm.equal()) == {1: "got", 2: "Brandt", 4: "in between", 10: "of koeln", 20: "of bonn"}


def test_a_host_that_is_lost_without_a_backup_station(firm: Firm) -> None:
    text = section(PAGE, "A host: lost for good, without a backup station")
    for name in ("host-init", "table add", "station add", "rule set"):
        assert f"`{name}" in text or f"`replicator {name}" in text
    [lines] = re.findall(
        r"^```python\n(.*?)^```$", section(PAGE, "A database without the replicator"), re.MULTILINE | re.DOTALL
    )
    (firm.folder / "clean.py").write_text(lines, encoding="utf-8")
    for name in ("mail", "office"):
        shutil.rmtree(firm.folder / name)
    firm.keep("bonn", "new")
    (firm.folder / "mail").mkdir()
    mail = f"--mailbox folder:{firm.folder}/mail"
    firm.done(
        "new",
        "set -e; python clean.py new.db",
        f"host-init --database sqlite:///{firm.database('new')} --address office@example.com {mail}",
        "table add customers",
        "station add koeln --address koeln@example.com --out again",
        "rule set koeln all --to-remote all --to-host all",
    )
    shutil.rmtree(firm.folder / "koeln")
    firm.database("koeln").unlink()
    firm.done("koeln", f"remote-init again --database sqlite:///{firm.database('koeln')} {mail}")
    for _ in range(2):
        firm.done("new", "host-run")
        firm.done("koeln", "remote-run")
    assert firm.sql("koeln") == firm.sql("new") == [(1, "Ahlers"), (2, "Brandt")]


# --- copies -----------------------------------------------------------------------------------------------------------


def copied(firm: Firm) -> str:
    """A laptop is copied, and both work on until one halts. Gives its place."""
    shutil.copytree(firm.folder / "koeln", firm.folder / "twin")
    shutil.copyfile(firm.database("koeln"), firm.database("twin"))
    settings = firm.folder / "twin" / "replicator.toml"
    settings.write_text(settings.read_text("utf-8").replace("koeln.db", "twin.db"), "utf-8")
    firm.machines = {"koeln": "first", "twin": "second"}
    for number, place in enumerate(("koeln", "twin"), 10):
        firm.sql(place, f"INSERT INTO customers VALUES ({number}, 'of {place}')")
    for _ in range(4):
        for place in ("koeln", "twin"):
            if firm.at(place, "remote-run")[0] == 3 and "halted" in firm.at(place, "status")[1]:
                return place
            firm.done("office", "host-run")
    raise AssertionError("none halts")


def test_two_computers_with_one_station_and_the_halted_one_is_right(firm: Firm) -> None:
    text = section(PAGE, "Two computers with one station")
    halted = copied(firm)
    other = "koeln" if halted == "twin" else "twin"
    firm.sql(halted, "INSERT INTO customers VALUES (12, 'of the halted one')")
    firm.done(halted, mentioned(text, "restored"))
    for _ in range(3):
        firm.at(halted, "remote-run")
        firm.sql("office", "UPDATE customers SET name = name || '.' WHERE id = 1")
        firm.done("office", "host-run")
        code, told = firm.at(other, "remote-run")
        if code == 3 and "halted" in told:
            break
    else:
        raise AssertionError(told)
    firm.exchange(halted, "office")
    assert firm.equal(halted)
    assert names(firm, "office")[12] == "of the halted one"


def test_the_copy_becomes_a_station(firm: Firm) -> None:
    first, text = (
        section(PAGE, "Two computers with one station"),
        section(PAGE, "A copy of a station becomes a station"),
    )
    halted = copied(firm)
    other = "koeln" if halted == "twin" else "twin"
    firm.sql(halted, "INSERT INTO customers VALUES (12, 'of the halted one')")
    assert "`replicator copy` there shows what only it knows" in " ".join(first.split())
    assert "customers 12 new" in firm.done(halted, "copy")
    add = mentioned(text, "station add").replace("NAME", "trier").replace("STATION", "koeln")
    firm.done("office", add.replace("ADDRESS", "trier@example.com"))
    become = mentioned(text, "copy NAME").replace("NAME", str(firm.folder / "trier"))
    firm.done(halted, become.replace("URL", f"folder:{firm.folder}/mail"))
    firm.exchange("office", halted, other, rounds=3)
    assert firm.equal(halted, other)
    assert names(firm, "office")[12] == "of the halted one"
    assert {names(firm, "office")[number] for number in (10, 11)} == {"of koeln", "of twin"}
    assert firm.at(halted, "status")[0] == 0
    # If it is to go for good after that:
    firm.done("office", mentioned(first, "station remove").replace("NAME", "trier"))
