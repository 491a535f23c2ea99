"""The journal is replayed: the tables of any position, on any database; held against copies made at that time."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from replicator.engine import bases as keeping
from replicator.engine import rolling
from replicator.engine.progress import Silent
from replicator.errors import StorageTrouble
from replicator.operations import journal_replay
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace
from tests.integration.replayed import ALL, Company, Course, at_work, built, copied, known_bases, new_company

CHANGES = int(os.environ.get("REPLICATOR_REPLAY", "2000"))
"""500000 for the whole."""
KINDS = ("sqlite", "postgresql", "mariadb")


def company(new_place: NewPlace, kind: str = "sqlite", seed: int = 1) -> Course:
    office = new_place(kind, "office")
    new_company(office)
    return Course(Company(office, Random(seed), max(5, CHANGES // 2000)))


def _nowhere(place: Place) -> str:
    """Where nothing is built."""
    return f"sqlite:///{place.folder / 'nowhere.db'}"


def rows(place: Place) -> dict[str, list[tuple[Any, ...]]]:
    return {table: [tuple(map(str, row)) for row in place.sql(query)] for table, query in ALL.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_of_any_position(new_place: NewPlace, kind: str) -> None:
    course = company(new_place, kind)
    office = course.company.place
    course.go_on(CHANGES // 2, steps=3)
    assert course.verify() > 10
    assert course.purge().slices
    course.go_on(CHANGES // 2, steps=3)
    assert course.verify() > 10
    first = min(course.copies)
    assert "has been purged" in office.refused("journal", "replay", "--into", _nowhere(office), "--until", str(first))
    checked = office.done("journal", "replay", "--check", "--json").json
    assert {table["name"]: table["differences"] for table in checked["tables"]} == {"items": [], "parts": []}
    for target in KINDS:
        copy = new_place(target, f"copy-{target}")
        done = office.done("journal", "replay", "--into", copy.options[1], "--json").json
        assert done["position"] == checked["position"]
        assert [table["rows"] for table in done["tables"]] == [len(office.sql(ALL[name])) for name in sorted(ALL)]
        if target == kind:
            assert rows(copy) == rows(office)
        else:
            assert [row[:2] for row in rows(copy)["items"]] == [row[:2] for row in rows(office)["items"]]
            assert rows(copy)["parts"] == rows(office)["parts"]
            assert _amounts(copy) == _amounts(office)


def _amounts(place: Place) -> list[float]:
    """SQLite adds as doubles do; a column of two places rounds that."""
    return [round(float(row[2]), 2) for row in rows(place)["items"]]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_built_takes_new_rows(new_place: NewPlace, kind: str) -> None:
    """Keys hold, and so do the foreign keys between the tables."""
    course = company(new_place, kind)
    copy = new_place(kind, "copy")
    course.company.place.done("journal", "replay", "--into", copy.options[1])
    copy.sql("INSERT INTO items VALUES (3, 'third', 1, NULL, NULL)")
    for statement in ("INSERT INTO items VALUES (4, 'third', 1, NULL, NULL)", "INSERT INTO parts VALUES (99, 1, 'x')"):
        with pytest.raises(Exception, match=r"(?i)unique|duplicate|foreign key"):
            _strict(copy, statement) if kind == "sqlite" else copy.sql(statement)


def _strict(place: Place, statement: str) -> None:
    with closing(sqlite3.connect(place.database_file)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(statement)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_true_at_a_time(new_place: NewPlace, kind: str) -> None:
    office = new_place(kind, "office")
    new_company(office)
    moments = []
    for turn in range(4):
        time.sleep(0.03)
        moments.append(datetime.now(UTC))
        time.sleep(0.03)
        office.sql(f"INSERT INTO items VALUES ({10 + turn}, 'c{turn}', 1, NULL, NULL)")
        if turn % 2:
            office.done("host-run")
    office.done("host-run")
    counts = []
    for turn, moment in enumerate(moments):
        until = moment.astimezone().replace(tzinfo=None).isoformat() if turn % 2 else moment.isoformat()
        copy = f"sqlite:///{office.folder / f'copy-{turn}.db'}"
        done = office.done("journal", "replay", "--into", copy, "--until", until, "--json").json
        counts.append({table["name"]: table["rows"] for table in done["tables"]}["items"])
    # Where the database does not tell transactions apart, what one run found is one group.
    assert counts == ([2, 3, 4, 5] if kind == "postgresql" else [2, 2, 4, 4])


def test_what_a_station_wrote_was_true_when_it_came(new_place: NewPlace) -> None:
    office, station = new_place("sqlite", "office"), new_place("sqlite", "koeln")
    new_company(office)
    enrol(office, station)
    exchange(office, station)
    station.sql("INSERT INTO items VALUES (7, 'seven', 1, NULL, NULL)")
    station.run()
    time.sleep(0.05)
    before = datetime.now(UTC)
    time.sleep(0.05)
    exchange(office, station)
    assert len(office.sql(ALL["items"])) == 3
    copy = office.folder / "copy.db"
    office.done("journal", "replay", "--into", f"sqlite:///{copy}", "--until", before.isoformat())
    with closing(sqlite3.connect(copy)) as connection:
        assert [row[0] for row in connection.execute(ALL["items"])] == [1, 2]
    refused = station.refused("journal", "replay", "--into", f"sqlite:///{copy}")
    assert "at the host" in refused


@pytest.mark.parametrize("kind", KINDS)
def test_tables_come_and_go(new_place: NewPlace, kind: str) -> None:
    course = company(new_place, kind)
    office = course.company.place
    course.go_on(60, steps=1)
    office.sql("CREATE TABLE later (id INTEGER PRIMARY KEY, word VARCHAR(50))")
    office.sql("INSERT INTO later VALUES (1, 'before')")
    office.done("table", "add", "later")
    office.sql("INSERT INTO later VALUES (2, 'captured')")
    course.go_on(60, steps=1)
    office.done("table", "remove", "parts")
    office.sql("DELETE FROM parts")
    office.sql("UPDATE later SET word = 'between' WHERE id = 1")
    course.go_on(0, steps=1)
    office.sql("INSERT INTO parts SELECT id, 1, 'anew' FROM items WHERE id < 3")
    office.done("table", "add", "parts")
    course.go_on(60, steps=1)
    assert course.verify() > 5
    lines = office.done("journal", "base", "--json").json
    assert [line["table"] for line in lines] == ["items", "later", "parts", "parts"]
    assert [bool(line["ended"]) for line in lines].count(True) == 1
    # As of its end, a table that was taken out is there once more.
    ended = next(line["ended"] for line in lines if line["ended"])
    copy = new_place(kind, "copy")
    done = office.done(
        "journal",
        "replay",
        "--into",
        copy.options[1],
        "--until",
        f"{ended[0]}.{ended[1]}",
        "--table",
        "parts",
        "--json",
    ).json
    assert done["remarks"] == ["Foreign keys of parts to items are left out, as that is not there."]
    assert [table["name"] for table in done["tables"]] == ["parts"]
    # Purged past its end, it is forgotten.
    course.purge()
    assert [line["table"] for line in office.done("journal", "base", "--json").json] == ["items", "later", "parts"]
    assert course.verify() > 0
    early = office.refused("journal", "replay", "--into", _nowhere(office), "--until", "1", "--table", "later")
    assert "left out" in early


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_built_with_the_columns_that_it_had(new_place: NewPlace, kind: str) -> None:
    course = company(new_place, kind)
    office = course.company.place
    office.sql("CREATE TABLE later (id INTEGER PRIMARY KEY, word VARCHAR(50))")
    office.done("table", "add", "later")
    columns, key = ["word"], 0
    positions: dict[int, list[str]] = {}

    def live_on() -> None:
        nonlocal key
        for column in columns:
            key += 1
            office.sql(f"INSERT INTO later (id, {column}) VALUES ({key}, '{key}')")
            course.go_on(0, steps=1)
            office.sql(f"UPDATE later SET {columns[-1]} = 'x{key}' WHERE id <= {key}")
            course.go_on(0, steps=1)
        # After the last group it has both forms.
        positions[sorted(course.copies)[-2]] = list(columns)

    live_on()
    office.sql("ALTER TABLE later ADD COLUMN number VARCHAR(9) DEFAULT '7'")
    office.sql("UPDATE later SET number = 'before' WHERE id = 1")
    assert "number" in office.done("table", "upgrade", "later").out
    columns.append("number")
    live_on()
    office.sql("ALTER TABLE later RENAME COLUMN word TO term")
    office.done("table", "upgrade", "later", "--renamed", "word=term")
    columns[0] = "term"
    live_on()
    assert course.verify() == len(course.copies)
    lines = [line for line in office.done("journal", "base", "--json").json if line["table"] == "later"]
    assert [line["ended"] is None for line in lines] == [False, False, True]
    assert office.done("journal", "replay", "--check").code == 0
    for n, names in positions.items():
        copy = office.folder / f"copy-{n}.db"
        office.done("journal", "replay", "--into", f"sqlite:///{copy}", "--until", str(n))
        with closing(sqlite3.connect(copy)) as connection:
            assert [row[1] for row in connection.execute("PRAGMA table_info(later)")] == ["id", *names]
    # In the middle of the second form, the first one is forgotten; the second one moves on.
    middle = sorted(positions)[1]
    with at_work(office) as node:
        with node.database.transaction(write=False) as connection:
            (number,) = connection.exec_driver_sql(
                f"SELECT max(id) FROM replicator_slice WHERE last_n <= {middle}"
            ).fetchone() or (0,)
        rolling.roll(node, number, all_of_it=True)
    assert course.verify() > 2
    assert len(office.done("journal", "base", "--json").json) == 4
    course.purge()
    assert course.verify() > 0
    assert len(office.done("journal", "base", "--json").json) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_finds_what_nobody_captured(new_place: NewPlace, kind: str) -> None:
    course = company(new_place, kind)
    office = course.company.place
    course.go_on(100, steps=50)
    with at_work(office) as node, node.unit() as unit:
        table = next(table for table in unit.tables.values() if table.name == "items")
        with unit.database.replaying(unit.connection, [table]):
            images = list(unit.database.read_images(unit.connection, table, [b"\x91\x01"]).values())
            unit.database.write_images(
                unit.connection, table, [(1, "other", *images[0][2:]), (900_000, "x", 1, "", None)]
            )
            unit.database.delete_keys(unit.connection, table, [b"\x91\x02"])
    found = office.call("journal", "replay", "--check", "--json")
    assert found.code == 3
    items, parts = found.json["tables"]
    assert [(each["key"], each["what"]) for each in items["differences"]] == [
        ([1], "changed"),
        ([2], "missing"),
        ([900_000], "extra"),
    ]
    assert parts["differences"] == []
    text = office.call("journal", "replay", "--check").out
    assert "items: 1 other than in the journal, 1 missing here, 1 that the journal does not know." in text
    assert office.done("journal", "replay", "--check", "--table", "parts").code == 0
    office.done("journal", "base", "items", "--anew")
    assert office.done("journal", "replay", "--check").code == 0
    assert "begins with" in office.refused(
        "journal", "replay", "--into", _nowhere(office), "--until", "0", "--table", "items"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_base_is_of_one_moment_while_others_write(new_place: NewPlace, kind: str) -> None:
    office = new_place(kind, "office")
    office.sql("CREATE TABLE busy (id INTEGER PRIMARY KEY, number INTEGER)")
    office.sql("INSERT INTO busy VALUES " + ", ".join(f"({n}, 0)" for n in range(3000)))
    office.done("host-init", *office.options, "--address", "office@example.com")
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            office.sql(f"UPDATE busy SET number = number + 1 WHERE id BETWEEN {turn % 2900} AND {turn % 2900 + 60}")
            office.sql(f"INSERT INTO busy VALUES ({10_000 + turn}, {turn})")
            office.sql(f"DELETE FROM busy WHERE id = {turn}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        office.done("table", "add", "busy")
        checks = [office.call("journal", "replay", "--check", "--json") for _ in range(4)]
    finally:
        stop.set()
        writer.join()
    for check in [*checks, office.call("journal", "replay", "--check", "--json")]:
        assert check.code == 0, check
        assert check.json["tables"][0]["rows"] > 2000


class _Died(BaseException):
    pass


def dying(place: Place, after: int) -> Any:
    """The node of a process that dies at a later commit."""
    left = [after]

    def reached(point: str) -> None:
        if point.startswith("commit"):
            left[0] -= 1
            if left[0] < 0:
                raise _Died(point)

    runtime = Runtime(reached=reached)
    return open_node(Home(place.home, Files(runtime)), runtime)


def test_a_crash_at_any_commit_of_a_move(new_place: NewPlace) -> None:
    course = company(new_place)
    course.go_on(1500, steps=3)
    office, turn, died = course.company.place, 0, True
    while died:
        course.go_on(40, steps=3)
        died = False
        try:
            with dying(office, turn) as node:
                with node.database.transaction(write=False) as connection:
                    newest = connection.exec_driver_sql("SELECT max(id) FROM replicator_slice").scalar_one()
                rolling.roll(node, newest - 1, all_of_it=True)
        except _Died:
            died = True
        assert course.verify(6) > 0
        turn += 1
    assert turn > 10
    assert {base.n for base in _bases(office)} == {base.reach_n for base in _bases(office)}


def test_a_crash_at_any_commit_of_taking_a_base(new_place: NewPlace) -> None:
    course = company(new_place)
    course.go_on(300, steps=5)
    office, turn, died = course.company.place, 0, True
    while died:
        course.go_on(20, steps=1)
        died = False
        numbers = [base.table for base in _bases(office)] or [1, 2]
        try:
            with dying(office, turn) as node:
                keeping.take(node, numbers, Silent())
        except _Died:
            died = True
        with at_work(office) as node:
            keeping.keep(node, Silent())
            with node.database.transaction(write=False) as connection:
                segments = connection.exec_driver_sql(
                    "SELECT count(*) FROM replicator_base_segment s WHERE NOT EXISTS"
                    " (SELECT 1 FROM replicator_base b WHERE b.id = s.base AND ordinal < next_ordinal)"
                ).scalar_one()
            with node.unit() as unit:
                assert built(unit.connection, unit.state.last_n) == copied(unit)
        assert segments == 0
        turn += 1
    assert turn > 5


def _bases(place: Place) -> list[Any]:
    with at_work(place) as node:
        return known_bases(node)


def test_where_no_base_is_wanted(new_place: NewPlace) -> None:
    office = new_place("sqlite", "office")
    new_company(office)
    assert len(_bases(office)) == 2
    file = office.home / "replicator.toml"
    file.write_text(file.read_text("utf-8").replace("[run]", "[run]\njournal_base = false"), "utf-8")
    office.done("host-run")
    assert _bases(office) == []
    for way in (["--into", _nowhere(office)], ["--check"]):
        assert "journal_base" in office.refused("journal", "replay", *way)
    assert "journal_base" in office.refused("journal", "base", "--anew")
    assert office.done("journal", "base", "--json").json == []
    file.write_text(file.read_text("utf-8").replace("journal_base = false\n", ""), "utf-8")
    assert "a run makes them" in office.refused("journal", "replay", "--into", _nowhere(office))
    office.done("host-run")
    assert office.done("journal", "replay", "--check").code == 0


def test_what_can_not_be_built_is_told(new_place: NewPlace, tmp_path: Path) -> None:
    office = new_place("sqlite", "office")
    new_company(office)
    office.sql("INSERT INTO items VALUES (3, 'third', 1, NULL, NULL)")
    office.done("host-run")
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    for arguments, told in (
        ([], "--into URL"),
        (["--check", "--until", "1"], "leave --into and --until out"),
        (["--into", target, "--until", "1.77"], "the journal ends with 1.1"),
        (["--into", target, "--until", "5.1"], "of a timeline that is over"),
        (["--into", target, "--until", "yesterday"], "neither a position"),
        (["--into", target, "--table", "nobody"], "tells of no table nobody"),
        (["--check", "--table", "nobody"], "is not replicated"),
        (["--into", f"sqlite:///{office.database_file}"], "is not empty"),
        (["--into", "oracle://x"], "isn't supported"),
    ):
        assert told in office.refused("journal", "replay", *arguments)
    assert not (tmp_path / "copy.db").exists()
    done = office.done("journal", "replay", "--into", target)
    assert "Built as of 1.1" in done.out
    assert "has the table items" in office.refused("journal", "replay", "--into", target)


@pytest.mark.parametrize("kind", KINDS)
def test_what_fails_halfway_leaves_an_empty_database(
    new_place: NewPlace, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, target = new_place("sqlite", "office"), new_place(kind, "copy")
    new_company(office)
    office.sql("INSERT INTO items VALUES (3, 'third', 1, NULL, NULL)")
    office.done("host-run")

    def breaks_off(pages: Iterator[list[Any]]) -> Iterator[list[Any]]:
        for page in pages:
            yield page
            raise StorageTrouble("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(journal_replay, "_in_lots", breaks_off)
        assert "the disk is full" in office.call("journal", "replay", "--into", target.options[1]).err
    done = office.done("journal", "replay", "--into", target.options[1])
    assert "Built as of 1.1" in done.out


def test_a_restored_host_replays_its_own_timeline(new_place: NewPlace) -> None:
    course = company(new_place)
    office = course.company.place
    course.go_on(100, steps=2)
    office.back_up()
    kept = dict(course.copies)
    course.go_on(100, steps=2)
    course.purge()
    office.run()
    office.put_back()
    office.run()
    course.copies = kept
    course.company.ids = [row[0] for row in office.sql("SELECT id FROM items WHERE id >= 100")]
    course.go_on(100, steps=2)
    assert course.verify() > 10
    assert office.done("journal", "replay", "--check").code == 0
