"""A column is dropped in two steps, at the host first and at a station weeks later, and nothing is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.changed import MIXES, NewPlace, conflicts, joined, make_anew, needs, rows
from tests.integration.command_line import exchange


@pytest.fixture(params=MIXES, ids="-".join)
def places(request: pytest.FixtureRequest, new_place: NewPlace) -> tuple[Any, Any]:
    return joined(new_place, request.param)


@pytest.fixture
def alone(new_place: NewPlace) -> tuple[Any, Any]:
    return joined(new_place, ("sqlite", "sqlite"))


def drop(place: Any, column: str = "city") -> None:
    place.sql(f"ALTER TABLE customers DROP COLUMN {column}")


def test_capture_is_made_anew_without_the_column_before_it_is_dropped(places: tuple[Any, Any]) -> None:
    office, koeln = places
    office.sql("UPDATE customers SET city = 'Celle' WHERE id = 1")  # before, and not collected
    told = office.done("table", "upgrade", "customers", "--dropping", "city").out
    assert "city dropped" in told
    office.sql("UPDATE customers SET name = 'Ahlers-Ott' WHERE id = 1")
    exchange(office, koeln, rounds=2)
    assert rows(koeln, "*") == [(1, "Ahlers-Ott", "Celle"), (2, "Brandt", "Köln")]
    assert needs(koeln) == {"schema-held"}
    assert "was dropped at the host" in koeln.call("table", "upgrade").out
    # It stands still, and nobody takes it for one that has come.
    assert office.done("table", "upgrade", "--json").json[0]["changes"] == []
    drop(office)
    office.sql("INSERT INTO customers VALUES (3, 'Christ')")
    koeln.sql("INSERT INTO customers VALUES (4, 'Dorn', 'Ulm')")
    koeln.sql("UPDATE customers SET name = 'Brandt-Ott' WHERE id = 2")
    exchange(office, koeln, rounds=2)
    assert needs(office) == set()
    office.done("table", "check")
    expected = [(1, "Ahlers-Ott"), (2, "Brandt-Ott"), (3, "Christ"), (4, "Dorn")]
    assert rows(office, "*") == rows(koeln, "id, name") == expected
    # The station, weeks later.
    koeln.sql("UPDATE customers SET name = 'Dorn-Ott' WHERE id = 4")
    koeln.done("table", "upgrade", "customers", "--dropping", "city")
    koeln.sql("INSERT INTO customers (id, name) VALUES (5, 'Eilers')")
    drop(koeln)
    koeln.sql("INSERT INTO customers VALUES (6, 'Franke')")
    exchange(koeln, office, rounds=2)
    assert rows(office, "*") == rows(koeln, "*") == [*expected[:3], (4, "Dorn-Ott"), (5, "Eilers"), (6, "Franke")]
    assert needs(office) == needs(koeln) == set()
    koeln.done("table", "check")
    # One of the same name is another one.
    office.sql("ALTER TABLE customers ADD COLUMN city varchar(80)")
    office.sql("UPDATE customers SET city = 'new' WHERE id = 6")
    exchange(office, koeln, rounds=2)
    assert rows(koeln, "id, city") == [*((number, None) for number in range(1, 6)), (6, "new")]
    assert needs(office) == needs(koeln) == set()


def test_a_column_that_stays_after_all(places: tuple[Any, Any]) -> None:
    office, koeln = places
    office.done("table", "upgrade", "customers", "--dropping", "city")
    office.sql("UPDATE customers SET city = 'Celle' WHERE id = 1")
    exchange(office, koeln, rounds=2)
    assert rows(koeln, "*") == [(1, "Ahlers", "Bremen"), (2, "Brandt", "Köln")]
    office.done("table", "upgrade", "customers", "--dropping", "none")
    exchange(office, koeln, rounds=2)
    assert rows(koeln, "*") == rows(office, "*") == [(1, "Ahlers", "Celle"), (2, "Brandt", "Köln")]
    assert needs(office) == needs(koeln) == set()


def test_what_can_not_leave(new_place: NewPlace) -> None:
    office, koeln = joined(
        new_place,
        ("sqlite", "sqlite"),
        (
            "CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL, code text UNIQUE, city text)",
            "CREATE INDEX by_city ON customers (city)",
            "CREATE UNIQUE INDEX by_name ON customers (lower(name))",
        ),
    )
    for column, words in (
        ("id", "part of a key"),
        ("code", "part of a key"),
        ("name", "needs a value in every row"),
        ("town", "has no column town; it has id, name, code, city"),
    ):
        assert words in office.refused("table", "upgrade", "customers", "--dropping", column)
    assert "name it" in office.refused("table", "upgrade", "--dropping", "city")
    assert "dropped there first" in koeln.refused("table", "upgrade", "customers", "--dropping", "city")
    assert office.done("table", "upgrade", "--json").json[0]["changes"] == []
    office.done("table", "upgrade", "customers", "--dropping", "city")
    office.sql("DROP INDEX by_city")
    drop(office)
    office.sql("INSERT INTO customers VALUES (1, 'Ahlers', 'a')")
    exchange(office, koeln, rounds=2)
    assert rows(koeln, "id, name, code") == [(1, "Ahlers", "a")]
    assert needs(office) == set()


@pytest.mark.parametrize("mix", MIXES, ids="-".join)
def test_a_column_that_a_station_has_as_not_null_without_a_default(new_place: NewPlace, mix: tuple[str, str]) -> None:
    """The host's new rows get there what is nothing in its type."""
    office, koeln = joined(
        new_place,
        mix,
        (
            "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80), city varchar(80) NOT NULL)",
            "INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen')",
        ),
    )
    if mix[0] == "sqlite":
        make_anew(office, {"city": None})
    else:
        drop(office)
    office.done("table", "upgrade", "customers")
    office.sql("INSERT INTO customers VALUES (2, 'Brandt')")
    koeln.sql("INSERT INTO customers VALUES (3, 'Christ', 'Ulm')")
    exchange(office, koeln, rounds=3)
    assert rows(koeln, "*") == [(1, "Ahlers", "Bremen"), (2, "Brandt", ""), (3, "Christ", "Ulm")]
    assert rows(office, "*") == [(1, "Ahlers"), (2, "Brandt"), (3, "Christ")]
    assert needs(koeln) == {"schema-held"}
    if mix[1] == "sqlite":
        assert "needs a value in every row" in koeln.refused("table", "upgrade", "customers", "--dropping", "city")
        make_anew(koeln, {"city": None})
    else:
        drop(koeln)
    koeln.done("table", "upgrade", "customers")
    exchange(koeln, office, rounds=2)
    assert rows(koeln, "*") == rows(office, "*")
    assert needs(office) == needs(koeln) == set()


# --- what a late station wrote to it ----------------------------------------------------------------------------------


@pytest.fixture
def lost(places: tuple[Any, Any]) -> tuple[Any, Any, str]:
    """With a conflict of that kind, and its number."""
    office, koeln = places
    office.done("table", "upgrade", "customers", "--dropping", "city")
    drop(office)
    exchange(office, koeln, rounds=2)
    koeln.sql("UPDATE customers SET city = 'Kiel', name = 'Brandt-Ott' WHERE id = 2")
    exchange(koeln, office, rounds=2)
    (conflict,) = conflicts(office)
    assert conflict["kind"] == "column-dropped"
    return office, koeln, str(conflict["id"])


@pytest.mark.parametrize("by", ["host", "file"])
def test_what_a_station_wrote_to_it_is_settled(lost: tuple[Any, Any, str], by: str) -> None:
    office, koeln, number = lost
    shown = office.done("conflict", "show", number).out
    assert "Kiel" in shown
    told = office.refused("conflict", "settle", number, "--take", "station")
    assert "no column city any more" in told
    assert "--take host" in told
    file = office.folder / "row.json"
    file.write_text('{"city": "Kiel"}', "utf-8")
    assert "has no column city; it has id, name" in office.refused("conflict", "settle", number, "--take", file)
    assert len(office.done("conflict", "list", "--open", "--json").json) == 1
    if by == "host":
        office.done("conflict", "settle", number, "--take", "host")
        name = "Brandt-Ott"
    else:
        name = "Brandt-Ott (Kiel)"
        file.write_text(json.dumps({"name": name}), "utf-8")
        office.done("conflict", "settle", number, "--take", file)
    assert office.done("conflict", "list", "--open", "--json").json == []
    assert rows(office, "*") == [(1, "Ahlers"), (2, name)]
    exchange(office, koeln)
    assert rows(koeln, "*") == [(1, "Ahlers", "Bremen"), (2, name, "Kiel")]
    assert needs(office) == set()


def test_of_a_row_that_is_gone_the_conflict_is_settled_all_the_same(alone: tuple[Any, Any]) -> None:
    office, koeln = alone
    make_anew(office, {"city": None})
    office.done("table", "upgrade", "customers")
    exchange(office, koeln)
    koeln.sql("INSERT INTO customers VALUES (3, 'Christ', 'Ulm')")
    exchange(koeln, office)
    office.sql("DELETE FROM customers WHERE id = 3")
    (conflict,) = conflicts(office)
    office.done("conflict", "settle", str(conflict["id"]), "--take", "host")
    exchange(office, koeln)
    assert rows(koeln, "id") == rows(office, "id") == [(1,), (2,)]
