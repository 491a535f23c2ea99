"""Columns that come, go and change places in ways that nobody would plan: nothing is lost, and what is told is true."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.changed import MIXES, NewPlace, conflicts, joined, needs, rename, rows
from tests.integration.command_line import exchange


@pytest.fixture(params=MIXES, ids="-".join)
def places(request: pytest.FixtureRequest, new_place: NewPlace) -> tuple[Any, Any]:
    return joined(new_place, request.param)


def drop(place: Any, column: str) -> None:
    place.sql(f"ALTER TABLE customers DROP COLUMN {column}")


STEPS = [("name", "other"), ("city", "name"), ("other", "city")]


def test_a_column_that_a_station_has_added_with_another_type_and_default(places: tuple[Any, Any]) -> None:
    office, koeln = places
    koeln.sql("ALTER TABLE customers ADD COLUMN points varchar(20) DEFAULT 'none'")
    koeln.sql("UPDATE customers SET points = '5' WHERE id = 2")
    exchange(koeln, office)
    office.sql("ALTER TABLE customers ADD COLUMN points integer NOT NULL DEFAULT 7")
    office.sql("UPDATE customers SET points = 9 WHERE id = 1")
    office.sql("INSERT INTO customers (id, name) VALUES (3, 'Christ')")
    koeln.sql("UPDATE customers SET name = 'Brandt-Ott' WHERE id = 2")
    exchange(office, koeln)
    assert "schema-held" in needs(koeln)
    assert "points" in koeln.call("table", "upgrade").out
    expected = [(1, "Ahlers"), (2, "Brandt-Ott"), (3, "Christ")]
    assert rows(office, "id, name") == rows(koeln, "id, name") == expected
    # Its application is put right.
    if type(koeln).__name__ == "Place":
        koeln.sql("ALTER TABLE customers RENAME COLUMN points TO former")
        koeln.sql("ALTER TABLE customers ADD COLUMN points integer NOT NULL DEFAULT 7")
    else:
        drop(koeln, "points")
        koeln.sql("ALTER TABLE customers ADD COLUMN points integer NOT NULL DEFAULT 7")
    koeln.done("table", "upgrade")
    exchange(koeln, office)
    assert rows(office, "id, points") == rows(koeln, "id, points") == [(1, 9), (2, 7), (3, 7)]
    assert needs(office) == needs(koeln) == set()


@pytest.mark.parametrize("mix", [("postgresql", "mariadb"), ("mariadb", "sqlite")], ids="-".join)
def test_a_column_that_goes_and_comes_under_its_name_between_two_looks(
    new_place: NewPlace, mix: tuple[str, str]
) -> None:
    """Nobody can tell it from the one that was there; that it was emptied shows when rows are compared."""
    office, koeln = joined(new_place, mix)
    drop(office, "city")
    office.sql("ALTER TABLE customers ADD COLUMN city varchar(80)")
    assert "as it is replicated" in office.done("table", "upgrade", "customers").out
    office.sql("UPDATE customers SET city = 'new' WHERE id = 1")
    exchange(office, koeln)
    assert rows(koeln, "id, city") == [(1, "new"), (2, "Köln")]
    office.done("compare", "koeln", "--repair")
    exchange(office, koeln, rounds=4)
    assert rows(office, "id, city") == rows(koeln, "id, city") == [(1, "new"), (2, None)]


def test_a_column_that_goes_and_comes_is_another_one_where_the_host_was_told_in_between(
    places: tuple[Any, Any],
) -> None:
    """What stands at a late station under that name is of the former one."""
    office, koeln = places
    office.done("table", "upgrade", "customers", "--dropping", "city")
    drop(office, "city")
    assert "may be dropped" not in office.done("table", "upgrade", "customers").out
    office.sql("ALTER TABLE customers ADD COLUMN city varchar(80)")
    office.sql("UPDATE customers SET city = 'new' WHERE id = 1")
    exchange(office, koeln)
    assert rows(koeln, "*") == [(1, "Ahlers", "Bremen"), (2, "Brandt", "Köln")]
    assert "another one of that name has come" in koeln.call("table", "upgrade").out
    assert koeln.call("table", "upgrade", "customers", "--dropping", "city").code == 3
    drop(koeln, "city")
    exchange(koeln, office)
    assert rows(office, "id, city") == rows(koeln, "id, city") == [(1, "new"), (2, None)]
    assert needs(office) == needs(koeln) == set()


def test_two_columns_that_change_their_names_with_one_another(places: tuple[Any, Any]) -> None:
    """At once nobody could tell by the names that anything has changed; so it is done in steps, at each place."""
    office, koeln = places
    koeln.sql("UPDATE customers SET city = 'Kiel' WHERE id = 2")
    office.sql("UPDATE customers SET city = 'Celle' WHERE id = 1")
    exchange(office, koeln)
    told = office.refused("table", "upgrade", "customers", "--renamed", "name=city", "--renamed", "city=name")
    assert "one by one" in told
    for old, new in STEPS:
        rename(office, old, new)
        office.done("table", "upgrade", "customers", "--renamed", f"{old}={new}")
    office.sql("UPDATE customers SET name = 'Bremen' WHERE id = 1")
    exchange(office, koeln)
    assert rows(koeln, "*") == [(1, "Ahlers", "Bremen"), (2, "Brandt", "Kiel")]
    assert "rename here as it was done there" in koeln.call("table", "upgrade").out
    for old, new in STEPS:
        rename(koeln, old, new)
        koeln.run()
    koeln.sql("UPDATE customers SET name = 'Husum' WHERE id = 2")
    exchange(koeln, office)
    assert rows(office, "id, city, name") == rows(koeln, "id, city, name")
    assert rows(office, "id, city, name") == [(1, "Ahlers", "Bremen"), (2, "Brandt", "Husum")]
    assert needs(office) == needs(koeln) == set()


def test_two_renames_between_two_runs(places: tuple[Any, Any]) -> None:
    office, koeln = places
    koeln.sql("UPDATE customers SET city = 'Kiel' WHERE id = 2")
    office.sql("UPDATE customers SET city = 'Celle' WHERE id = 1")
    rename(office, "city", "town")
    rename(office, "town", "place")
    rename(office, "name", "surname")
    told = office.refused("table", "upgrade", "customers")
    assert "name, city" in told
    assert "surname, place" in told
    office.done("table", "upgrade", "customers", "--renamed", "city=place", "--renamed", "name=surname")
    exchange(office, koeln)
    assert rows(koeln, "*") == [(1, "Ahlers", "Celle"), (2, "Brandt", "Kiel")]
    koeln.sql("INSERT INTO customers VALUES (3, 'Christ', 'Ulm')")
    rename(koeln, "name", "surname")
    rename(koeln, "city", "town")
    exchange(koeln, office)
    assert "schema-held" in needs(koeln)
    rename(koeln, "town", "place")
    exchange(koeln, office)
    expected = [(1, "Ahlers", "Celle"), (2, "Brandt", "Kiel"), (3, "Christ", "Ulm")]
    assert rows(office, "id, surname, place") == rows(koeln, "id, surname, place") == expected
    assert needs(office) == needs(koeln) == set()


def test_a_station_that_upgrades_with_unsent_changes_of_the_old_form(places: tuple[Any, Any]) -> None:
    office, koeln = places
    rename(office)
    office.sql("ALTER TABLE customers ADD COLUMN note varchar(40)")
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    exchange(office, koeln)
    koeln.sql("UPDATE customers SET city = 'Kiel' WHERE id = 2")
    koeln.sql("INSERT INTO customers VALUES (3, 'Christ', 'Ulm')")
    koeln.sql("DELETE FROM customers WHERE id = 1")
    rename(koeln)
    told = koeln.done("table", "upgrade", "customers").out
    assert "as it is replicated" in told
    assert needs(koeln) == set()
    koeln.sql("UPDATE customers SET note = 'new' WHERE id = 3")
    exchange(koeln, office)
    expected = [(2, "Brandt", "Kiel", None), (3, "Christ", "Ulm", "new")]
    assert rows(office, "id, name, town, note") == rows(koeln, "id, name, town, note") == expected
    assert needs(office) == needs(koeln) == set()
    assert conflicts(office) == []
