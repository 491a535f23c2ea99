"""The application changes a table at the host: the definition travels, stations follow late, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from replicator.operations.opening import open_node, open_view
from replicator.runtime import Runtime
from replicator.store import notices, table_versions
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.changed import MIXES, NewPlace, joined, make_anew, needs, rename, rows
from tests.integration.command_line import Place, exchange


@pytest.fixture(params=MIXES, ids="-".join)
def places(request: pytest.FixtureRequest, new_place: NewPlace) -> tuple[Any, Any]:
    """A host and a station that have exchanged everything."""
    return joined(new_place, request.param)


def test_a_column_that_is_added_comes_to_the_station_with_what_was_written_to_it(places: tuple[Any, Any]) -> None:
    office, koeln = places
    koeln.sql("UPDATE customers SET city = 'Kiel' WHERE id = 2")  # in the old form, on its way
    koeln.done("remote-run")
    office.sql("ALTER TABLE customers ADD COLUMN points integer NOT NULL DEFAULT 7")
    office.sql("ALTER TABLE customers ADD COLUMN note varchar(40)")
    office.sql("UPDATE customers SET note = 'regular', points = 9 WHERE id = 1")
    koeln.sql("INSERT INTO customers VALUES (3, 'Christ', 'Ulm')")  # not even collected yet
    exchange(office, koeln, rounds=3)
    koeln.sql("UPDATE customers SET note = 'new' WHERE id = 3")
    exchange(office, koeln, rounds=2)
    expected = [
        (1, "Ahlers", "Bremen", 9, "regular"),
        (2, "Brandt", "Kiel", 7, None),
        (3, "Christ", "Ulm", 7, "new"),
    ]
    assert rows(office, "id, name, city, points, note") == expected
    assert rows(koeln, "id, name, city, points, note") == expected
    assert needs(office) == needs(koeln) == set()
    assert json.loads(office.done("conflict", "list", "--json").out) == []


def test_a_renamed_column_is_held_until_the_station_has_it_and_its_rows_come_all_the_same(
    places: tuple[Any, Any],
) -> None:
    office, koeln = places
    koeln.sql("UPDATE customers SET city = 'Kiel' WHERE id = 2")
    rename(office)
    office.sql("ALTER TABLE customers ADD COLUMN points integer")
    told = office.refused("table", "upgrade", "customers", "--json")
    assert "--renamed" in told
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    office.sql("UPDATE customers SET town = 'Celle', points = 3 WHERE id = 1")
    exchange(office, koeln, rounds=3)
    assert rows(koeln, "id, name, city") == [(1, "Ahlers", "Celle"), (2, "Brandt", "Kiel")]
    assert rows(office, "id, name, town") == [(1, "Ahlers", "Celle"), (2, "Brandt", "Kiel")]
    assert "schema-held" in needs(koeln)
    assert koeln.call("table", "upgrade").code == 3
    # Weeks later, with rows that were written in the old form and not even collected.
    koeln.sql("INSERT INTO customers VALUES (3, 'Christ', 'Ulm')")
    koeln.sql("UPDATE customers SET city = 'Goslar' WHERE id = 1")
    rename(koeln)
    exchange(koeln, office, rounds=4)
    expected = [(1, "Ahlers", "Goslar", 3), (2, "Brandt", "Kiel", None), (3, "Christ", "Ulm", None)]
    assert rows(office, "id, name, town, points") == expected
    assert rows(koeln, "id, name, town, points") == expected
    assert needs(office) == needs(koeln) == set()


def test_a_load_brings_no_rows_of_a_table_whose_columns_the_host_has_not_taken_over(places: tuple[Any, Any]) -> None:
    """SQLite took the name of a column that was gone for a text, and that was loaded (seed 946)."""
    office, koeln = places
    rename(office)
    office.done("station", "reload", "koeln")
    exchange(office, koeln, rounds=2)
    assert rows(koeln, "*") == [(1, "Ahlers", "Bremen"), (2, "Brandt", "Köln")]
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    exchange(office, koeln, rounds=3)
    assert rows(koeln, "*") == [(1, "Ahlers", "Bremen"), (2, "Brandt", "Köln")]


def test_what_a_late_station_writes_to_a_dropped_column_goes_into_the_conflicts(places: tuple[Any, Any]) -> None:
    office, koeln = places
    if type(office) is Place:
        # SQLite drops no column that a trigger names: the table is made anew, and all its rows count as changed.
        make_anew(office, {"city": None})
    else:
        office.sql("ALTER TABLE customers DROP COLUMN city")
    office.done("table", "upgrade", "customers")
    exchange(office, koeln, rounds=2)
    assert "schema-held" in needs(koeln)
    office.sql("INSERT INTO customers VALUES (4, 'Dorn')")
    koeln.sql("UPDATE customers SET city = 'Kiel', name = 'Brandt-Ott' WHERE id = 2")
    exchange(koeln, office, rounds=3)
    assert rows(office, "id, name") == [(1, "Ahlers"), (2, "Brandt-Ott"), (4, "Dorn")]
    expected = [(1, "Ahlers", "Bremen"), (2, "Brandt-Ott", "Kiel"), (4, "Dorn", None)]
    assert rows(koeln, "id, name, city") == expected
    (conflict,) = json.loads(office.done("conflict", "list", "--json").out)
    assert (conflict["kind"], conflict["key"]) == ("column-dropped", [2])
    shown = json.loads(office.done("conflict", "show", str(conflict["id"]), "--json").out)
    assert shown["station"]["city"] == "Kiel"
    assert shown["columns"] == ["city"]


def test_a_station_that_is_upgraded_first_is_heard_once_the_host_has_the_column(places: tuple[Any, Any]) -> None:
    office, koeln = places
    koeln.sql("ALTER TABLE customers ADD COLUMN note varchar(40)")
    koeln.sql("UPDATE customers SET note = 'here first' WHERE id = 2")
    exchange(koeln, office, rounds=2)
    office.sql("ALTER TABLE customers ADD COLUMN note varchar(40)")
    office.sql("UPDATE customers SET note = 'of the host' WHERE id = 1")
    exchange(office, koeln, rounds=4)
    expected = [(1, "of the host"), (2, "here first")]
    assert rows(office, "id, note") == expected
    assert rows(koeln, "id, note") == expected


def test_a_station_that_renames_first_takes_what_the_host_sends_of_it(places: tuple[Any, Any]) -> None:
    """Rows can't be written in the old form any more, and the batch in which they stand tells of the new one."""
    office, koeln = places
    koeln.sql("UPDATE customers SET city = 'Kiel' WHERE id = 2")
    rename(koeln)
    office.sql("UPDATE customers SET city = 'Celle' WHERE id = 1")
    rename(office)
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    office.sql("INSERT INTO customers VALUES (3, 'Christ', 'Ulm')")
    exchange(office, koeln, rounds=3)
    expected = [(1, "Ahlers", "Celle"), (2, "Brandt", "Kiel"), (3, "Christ", "Ulm")]
    assert rows(office, "id, name, town") == expected
    assert rows(koeln, "id, name, town") == expected
    assert needs(office) == needs(koeln) == set()


def test_rows_of_a_held_table_are_not_told_as_different(places: tuple[Any, Any]) -> None:
    office, koeln = places
    rename(office)
    office.sql("ALTER TABLE customers ADD COLUMN points integer NOT NULL DEFAULT 7")
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    exchange(office, koeln, rounds=2)
    assert "schema-held" in needs(koeln)
    office.done("compare", "koeln")
    exchange(office, koeln, rounds=2)
    found = office.done("comparison", "show", "1", "--json").json
    assert (found["state"], found["differences"], found["rows"]) == ("done", 0, [])


def test_rows_wait_where_a_station_has_renamed_before_the_host_tells_of_it_and_all_else_goes_on(
    places: tuple[Any, Any],
) -> None:
    """The word comes in a later batch than the rows (seed 167)."""
    office, koeln = places
    office.sql("CREATE TABLE notes (id integer PRIMARY KEY, body varchar(40))")
    office.done("table", "add", "notes")
    office.done("rule", "set", "koeln", "notes", "--to-remote", "all", "--to-host", "all")
    exchange(office, koeln)
    rename(koeln)
    office.sql("UPDATE customers SET city = 'Celle' WHERE id = 1")
    office.sql("INSERT INTO customers VALUES (3, 'Christ', 'Ulm')")
    office.sql("INSERT INTO notes VALUES (1, 'goes on')")
    exchange(office, koeln)
    assert koeln.sql("SELECT id, body FROM notes") == [(1, "goes on")]
    assert rows(koeln, "id, name, town") == [(1, "Ahlers", "Bremen"), (2, "Brandt", "Köln")]
    assert {"quarantine", "capture"} <= needs(koeln)
    assert "has no column city" in koeln.done("quarantine", "list").out
    rename(office)
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    exchange(office, koeln, rounds=3)
    expected = [(1, "Ahlers", "Celle"), (2, "Brandt", "Köln"), (3, "Christ", "Ulm")]
    assert rows(office, "id, name, town") == rows(koeln, "id, name, town") == expected
    assert needs(office) == needs(koeln) == set()


def test_a_station_that_is_two_versions_ahead_of_what_it_has_heard_makes_no_column_of_the_one_between(
    places: tuple[Any, Any],
) -> None:
    """A column that was renamed twice has the name in the middle nowhere at the station (seed 186)."""
    office, koeln = places
    koeln.sql("ALTER TABLE customers RENAME COLUMN city TO place")
    rename(office)
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    office.sql("UPDATE customers SET town = 'Celle' WHERE id = 1")
    exchange(office, koeln, rounds=2)
    assert rows(koeln, "*") == [(1, "Ahlers", "Bremen"), (2, "Brandt", "Köln")]
    assert {"schema-held", "quarantine"} <= needs(koeln)
    office.sql("ALTER TABLE customers RENAME COLUMN town TO place")
    office.done("table", "upgrade", "customers", "--renamed", "town=place")
    exchange(office, koeln, rounds=3)
    assert rows(office, "*") == rows(koeln, "*") == [(1, "Ahlers", "Celle"), (2, "Brandt", "Köln")]
    assert needs(office) == needs(koeln) == set()


def test_a_column_that_a_station_had_under_its_last_name_already_gets_what_was_written_under_the_first(
    places: tuple[Any, Any],
) -> None:
    office, koeln = places
    koeln.sql("ALTER TABLE customers ADD COLUMN remark varchar(40)")
    koeln.sql("UPDATE customers SET remark = 'here' WHERE id = 2")
    office.sql("ALTER TABLE customers ADD COLUMN note varchar(40)")
    office.sql("UPDATE customers SET note = 'of the host' WHERE id = 1")
    exchange(office, koeln, rounds=2)
    office.sql("ALTER TABLE customers RENAME COLUMN note TO remark")
    office.done("table", "upgrade", "customers", "--renamed", "note=remark")
    exchange(office, koeln, rounds=4)
    expected = [(1, "of the host"), (2, "here")]
    assert rows(office, "id, remark") == rows(koeln, "id, remark") == expected
    with open_view(Home(koeln.home, Files(Runtime())), Runtime()) as view:
        told = [notice.message for notice in notices.recent(view.connection)]
    assert any("note is called remark there, and stands here beside it" in message for message in told)


def test_a_station_between_two_versions_of_the_host_takes_the_first_and_waits_for_the_other(
    places: tuple[Any, Any],
) -> None:
    office, koeln = places
    office.sql("ALTER TABLE customers ADD COLUMN note varchar(40)")
    office.done("table", "upgrade", "customers")
    rename(office)
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    office.sql("UPDATE customers SET town = 'Celle', note = 'new' WHERE id = 1")
    exchange(office, koeln, rounds=2)
    assert rows(koeln, "id, city, note") == [(1, "Celle", "new"), (2, "Köln", None)]
    assert "schema-held" in needs(koeln)
    rename(koeln)
    exchange(office, koeln, rounds=2)
    assert rows(koeln, "id, town, note") == [(1, "Celle", "new"), (2, "Köln", None)]
    assert needs(koeln) == set()


def test_a_station_between_two_versions_of_the_host_that_is_loaded_anew_takes_the_first(
    places: tuple[Any, Any],
) -> None:
    """A load tells the versions between as well: the words of them went with the old stream."""
    office, koeln = places
    rename(office)
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    office.sql("ALTER TABLE customers RENAME COLUMN town TO place")
    office.done("table", "upgrade", "customers", "--renamed", "town=place")
    office.sql("UPDATE customers SET place = 'Celle' WHERE id = 1")
    office.done("station", "reload", "koeln")
    rename(koeln)
    exchange(office, koeln, rounds=3)
    assert rows(koeln, "id, town") == [(1, "Celle"), (2, "Köln")]
    koeln.sql("ALTER TABLE customers RENAME COLUMN town TO place")
    exchange(office, koeln, rounds=2)
    assert rows(office, "*") == rows(koeln, "*") == [(1, "Ahlers", "Celle"), (2, "Brandt", "Köln")]
    assert needs(office) == needs(koeln) == set()


def test_a_table_that_a_station_asked_for_waits_until_its_change_was_taken_over(places: tuple[Any, Any]) -> None:
    """And ends no run."""
    office, koeln = places
    with open_node(Home(office.home, Files(Runtime())), Runtime()) as node, node.unit() as unit:
        for peer in unit.peers:
            table_versions.ask_reload(unit.connection, peer, next(iter(unit.tables)))
    rename(office)
    for _ in range(2):
        assert office.call("host-run").code == 3
    rename(koeln)
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    office.sql("UPDATE customers SET town = 'Celle' WHERE id = 1")
    exchange(office, koeln, rounds=3)
    assert rows(koeln, "id, name, town") == rows(office, "id, name, town")
    with open_node(Home(office.home, Files(Runtime())), Runtime()) as node, node.unit() as unit:
        assert not table_versions.take_reloads(unit.connection)
