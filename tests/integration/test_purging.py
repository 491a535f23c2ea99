"""What all have goes after a while; who is away holds nobody up; old backups are told of (protocol.md 5.9)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from replicator.engine import purging
from replicator.engine.node import Node
from replicator.operations import keeping
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store import sql
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

DAY = 24 * 3600
ROWS = "SELECT id, name, city FROM customers ORDER BY id"


def joined(new_place: NewPlace, kind: str = "sqlite") -> tuple[Place, Place]:
    office, station = new_place(kind, "office"), new_place(kind, "koeln")
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(2000), city VARCHAR(50))")
    office.sql("INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Bonn')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers")
    enrol(office, station)
    exchange(office, station)
    return office, station


def later(days: float, *places: Place, rounds: int = 3) -> None:
    for turn in range(rounds):
        for place in places:
            place.run(later=int(days * DAY) + 60 * turn)


def count(place: Place, table: str, where: str = "1 = 1") -> int:
    runtime = Runtime()
    with (
        open_node(Home(place.home, Files(runtime)), runtime) as node,
        node.database.transaction(write=False) as connection,
    ):
        row = sql.one(connection, f"SELECT count(*) FROM replicator_{table} WHERE {where}")
        assert row is not None
        return int(row[0])


def backed_up(place: Place, days: float) -> int:
    """A backup of this day was made, and told of. Gives to how many that is news."""
    runtime = Runtime(now=lambda: time.time_ns() // 1000 + int(days * DAY) * 1_000_000)
    with open_node(Home(place.home, Files(runtime)), runtime) as node:
        keeping.begin_backup(node)
        return keeping.finish_backup(node).peers


def test_a_node_that_is_backed_up_each_night_purges_all_the_same(new_place: NewPlace) -> None:
    """The mark that a backup begins with is not the day's look at what may go."""
    office, station = joined(new_place)
    work(office, station)
    held = count(office, "journal")
    assert min(held, count(station, "journal_key")) > 1
    for day in (1, 2, 91, 92, 93, 94):
        for place in (office, station):
            backed_up(place, day)
        later(day + 0.3, office, station)
    assert count(office, "journal", f"n <= {held}") == count(station, "journal_key") == 0


def configure(place: Place, section: str, line: str) -> None:
    file = place.home / "replicator.toml"
    key = line.partition(" ")[0]
    lines = [each for each in file.read_text("utf-8").splitlines() if not each.startswith(f"{key} =")]
    lines.insert(lines.index(f"[{section}]") + 1, line)
    file.write_text("\n".join(lines) + "\n", "utf-8")


def work(office: Place, station: Place) -> None:
    """Groups of both, and a row that comes and goes."""
    office.sql("INSERT INTO customers VALUES (3, 'Cordes', 'Emden')")
    station.sql("INSERT INTO customers VALUES (10, 'Dierks', 'Kiel')")
    exchange(office, station)
    office.sql("DELETE FROM customers WHERE id = 3")
    station.sql("UPDATE customers SET city = 'Ulm' WHERE id = 10")
    exchange(office, station)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_what_all_have_goes_after_three_months(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    work(office, station)
    later(1.5, office, station)
    held = count(office, "journal")
    seen, keys = count(office, "seen_group"), count(station, "journal_key")
    assert min(held, seen, keys) > 1
    assert count(office, "row_version", "deleted <> 0") == 1
    later(89, office, station)
    assert (count(office, "journal"), count(office, "seen_group")) == (held, seen), "not yet"
    # The host forgets; by the clock both announce what held three months ago, and then the station forgets as well.
    later(93, office, station)
    assert count(office, "journal") < held
    assert count(office, "tombstone") == 1, "the station might be put back to before the delete"
    later(97, office, station)
    assert count(office, "row_version", "deleted <> 0") == count(office, "tombstone") == 0
    assert count(station, "journal") < 3
    for place in (office, station):
        assert backed_up(place, 98) == 1
    later(99, station, office)
    later(101, office, station)
    assert count(office, "seen_group", "born_n = 1") == 0
    assert count(station, "journal_key") < keys
    assert count(station, "row_version", "deleted <> 0") == 0
    office.sql("UPDATE customers SET city = 'Celle' WHERE id = 10")
    station.sql("INSERT INTO customers VALUES (3, 'Cordes', 'Jever')")
    later(102, station, office)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert (10, "Dierks", "Celle") in station.sql(ROWS)
    assert (3, "Cordes", "Jever") in office.sql(ROWS)
    assert office.done("conflict", "list", "--json").json == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_station_that_is_away_for_too_long_is_loaded_anew_and_keeps_what_it_wrote(
    new_place: NewPlace, kind: str
) -> None:
    office, station = joined(new_place, kind)
    configure(office, "limits", "journal_percent = 1")
    station.sql("UPDATE customers SET city = 'Ulm' WHERE id = 1")
    station.sql("INSERT INTO customers VALUES (10, 'Dierks', 'Kiel')")
    station.run()
    station.sql("INSERT INTO customers VALUES (11, 'Eilers', 'Kiel')")
    # The mail of the first two is on its way for a long time; the third was not even collected.
    mails = list((station.folder / "mail" / "office@example.com" / "new").iterdir())
    away = station.folder / "away"
    away.mkdir()
    for mail in mails:
        mail.rename(away / mail.name)
    for number in range(100, 400):
        name = "".join(chr(97 + number * place * place % 1009 % 26) for place in range(1, 900))
        office.sql(f"INSERT INTO customers VALUES ({number}, '{name}', 'Bremen')")
        if number % 60 == 0:
            later(0.1, office, rounds=1)
    office.sql("DELETE FROM customers WHERE id = 2")
    later(1, office)
    held = office.done("station", "show", "koeln", "--json").json
    assert held["holds_bytes"] > 10_000
    assert held["holds_since"].startswith("20")
    groups = count(office, "slice")
    later(92, office)
    told = office.done("station", "show", "koeln", "--json").json
    assert told["starts_anew"]
    assert told["holds_bytes"] == 0
    assert count(office, "slice") < groups
    assert count(office, "batch_out") == 0
    for mail in mails:
        (away / mail.name).rename(mail)
    later(93, station, office, station, office)
    assert station.sql(ROWS) == office.sql(ROWS)
    known = office.sql(ROWS)
    assert len(known) == 303
    assert {(1, "Ahlers", "Ulm"), (10, "Dierks", "Kiel"), (11, "Eilers", "Kiel")} < set(known)
    assert office.done("conflict", "list", "--json").json == []


def let_go(office: Place) -> None:
    """The log grows until the host gives up the station's place in it."""
    for number in range(100, 400):
        name = "".join(chr(97 + number * place * place % 1009 % 26) for place in range(1, 900))
        office.sql(f"UPDATE customers SET name = '{name}' WHERE id = 2")
        if number % 10 == 0:
            later(0.1, office, rounds=1)
    office.sql("UPDATE customers SET name = 'Brandt' WHERE id = 2")
    later(1, office)
    later(92, office)
    assert office.done("station", "show", "koeln", "--json").json["starts_anew"]


def test_a_row_that_was_under_way_comes_with_the_load_though_new_ones_no_longer_go_down(new_place: NewPlace) -> None:
    """The host counts it as sent, and nothing else would bring it (seed 100)."""
    office, station = joined(new_place)
    configure(office, "limits", "journal_percent = 1")
    office.sql("INSERT INTO customers VALUES (3, 'Cordes', 'Emden')")
    office.run()
    for mail in (office.folder / "mail" / "koeln@example.com" / "new").iterdir():
        mail.unlink()
    office.done("rule", "set", "koeln", "customers", "--to-remote", "changed,deleted", "--to-host", "all")
    office.sql("INSERT INTO customers VALUES (4, 'Dierks', 'Kiel')")
    let_go(office)
    later(93, office, station, office, station)
    assert station.sql(ROWS) == [(1, "Ahlers", "Bremen"), (2, "Brandt", "Bonn"), (3, "Cordes", "Emden")]


def test_a_delete_that_was_refused_comes_back_with_what_a_station_is_loaded_anew_by(new_place: NewPlace) -> None:
    """The verdict was in the log that the load stands for. Rules don't keep it back (seed 309)."""
    office, station = joined(new_place)
    office.done("rule", "set", "koeln", "customers", "--to-remote", "changed,deleted", "--to-host", "all")
    exchange(office, station)
    configure(office, "limits", "journal_percent = 1")
    station.sql("DELETE FROM customers WHERE id = 1")
    station.run()
    (mail,) = (station.folder / "mail" / "office@example.com" / "new").iterdir()
    late = mail.rename(station.folder / mail.name)
    office.sql("UPDATE customers SET city = 'Celle' WHERE id = 1")
    let_go(office)
    late.rename(mail)
    later(93, office, station, office, station)
    assert [conflict["kind"] for conflict in office.done("conflict", "list", "--json").json] == [
        "deleted-here-changed-at-host"
    ]
    assert station.sql(ROWS) == [(1, "Ahlers", "Celle"), (2, "Brandt", "Bonn")]


def test_a_station_that_is_removed_holds_nothing_back(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    configure(office, "limits", "journal_percent = 0")
    for number in range(20, 30):
        office.sql(f"INSERT INTO customers VALUES ({number}, 'Focken', 'Bremen')")
        later(0.5, office, rounds=1)
    later(92, office)
    held = count(office, "journal")
    assert held >= 10
    office.done("station", "remove", "koeln", "--yes")
    assert count(office, "mark_link") == count(office, "horizon") == 0
    later(93, office)
    later(184, office)
    assert count(office, "journal") == count(office, "slice") == 1
    assert station.database_file.exists()


def test_a_backup_that_is_older_than_the_one_announced_is_told(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    station.sql("INSERT INTO customers VALUES (10, 'Dierks', 'Kiel')")
    station.run()
    station.back_up()
    exchange(office, station)
    station.sql("UPDATE customers SET name = 'Dirks' WHERE id = 10")
    exchange(station, office)
    office.done("backup", "begin")
    assert "the next run tells 1 station" in office.done("backup", "done").out
    later(2, office, station)
    later(93, office, station)
    assert backed_up(station, 94) == 1
    later(95, station, office)
    later(97, office)
    assert count(office, "seen_group", "born_n = 1") == 0
    station.put_back()
    later(98, station, office)
    status = office.call("status")
    assert status.code == 3
    assert "older than the one it announced" in " ".join(status.out.split())
    (line,) = office.done("conflict", "list", "--json").json
    assert (line["kind"], line["key"]) == ("older-than-backups", [10])
    assert station.sql(ROWS) == office.sql(ROWS)
    assert (10, "Dirks", "Kiel") in station.sql(ROWS)


LARGE = ("slice_segment", "journal", "journal_key", "row_version", "seen_group", "tombstone", "conflict", "link_row")


def test_what_is_to_be_purged_is_found_by_index(new_place: NewPlace) -> None:
    """Tables that are as large as the data or its changes are never read through."""
    office, station = joined(new_place)
    work(office, station)
    for place in (office, station):
        runtime = Runtime(now=lambda: time.time_ns() // 1000 + 200 * DAY * 1_000_000)
        with open_node(Home(place.home, Files(runtime)), runtime) as node:
            statements = _traced(node, lambda node=node: purging.purge(node))
            with node.database.transaction(write=False) as connection:
                for statement in statements:
                    plan = sql.rows(connection, f"EXPLAIN QUERY PLAN {statement}")
                    assert not [
                        line for *_, line in plan if line.startswith(tuple(f"SCAN replicator_{t}" for t in LARGE))
                    ]


def _traced(node: Node, deed: Callable[[], object]) -> list[str]:
    statements: list[str] = []
    with node.database.transaction(write=False) as connection:
        raw: Any = connection.connection.driver_connection
        raw.set_trace_callback(statements.append)
    deed()
    raw.set_trace_callback(None)
    found = [each for each in dict.fromkeys(statements) if each.startswith(("SELECT", "DELETE", "UPDATE"))]
    found = [each for each in found if not each.endswith(" LIMIT 1")]  # the first by the key, and no more
    assert len(found) > 10
    return found


def test_purging_by_order(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    work(office, station)
    assert "Nothing is to be purged" in office.done("journal", "purge", "--dry-run").out
    configure(office, "run", "journal_days = 0")
    held = count(office, "journal")
    dry = office.done("journal", "purge", "--dry-run", "--json").json
    assert dry["groups"] == held
    assert dry["bytes"] > 100
    text = office.done("journal", "purge").out
    assert "Gone: " in text
    assert "Left: 1 group" in text
    assert "Nothing is to be purged" in office.done("journal", "purge").out
    assert len(office.done("journal", "list", "--json").json) <= 2
    station.sql("DELETE FROM customers WHERE id = 10")
    exchange(station, office)
    work(office, station)
    assert station.sql(ROWS) == office.sql(ROWS)


def test_a_backup_that_nobody_told_of_counts_from_the_day_before(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    assert "replicator backup begin" in office.refused("backup", "done")
    work(office, station)
    office.done("backup", "begin")
    assert office.done("backup", "done", "--json").json["peers"] == 1
    assert "no news" in office.done("backup", "begin").out + office.done("backup", "done").out
