"""A column gets another type at the host, or at a station first: what does not fit waits, and nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from tests.integration.changed import MIXES, NewPlace, conflicts, joined, make_anew, needs, retype, rows
from tests.integration.command_line import Place, exchange


class Widened(NamedTuple):
    old: str
    new: str
    first: str
    """A literal that fits both."""
    wide: str
    """One that fits the new type only."""


TEXT = Widened("varchar(20)", "varchar(100)", "'short'", f"'{'long ' * 12}'")
WHOLE = Widened("integer", "bigint", "7", "5000000000")
MONEY = Widened("numeric(8,2)", "numeric(12,4)", "12.25", "12345678.1255")
CASES = {"text": TEXT, "whole": WHOLE, "money": MONEY}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=MIXES, ids="-".join)
def places(request: pytest.FixtureRequest, new_place: NewPlace, case: Widened) -> tuple[Any, Any]:
    return joined(new_place, request.param, schema_of(case))


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def schema_of(case: Widened) -> tuple[str, ...]:
    return (
        f"CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL, worth {case.old})",
        f"INSERT INTO customers VALUES (1, 'Ahlers', {case.first}), (2, 'Brandt', {case.first})",
    )


def values(place: Any) -> list[tuple[Any, ...]]:
    return [(number, name, comparable(worth)) for number, name, worth in rows(place, "id, name, worth")]


def literals(case: Widened) -> list[Any]:
    return [text.strip("'") if case is TEXT else Decimal(text) for text in (case.first, case.wide)]


def holds_anything(place: Any, case: Widened) -> bool:
    """SQLite looks at no lengths, and its whole numbers are made as large as they get."""
    return type(place) is Place or (
        case is WHOLE and type(place).__name__ == "PostgresqlPlace" and place.name == "koeln"
    )


def comparable(value: Any) -> Any:
    return Decimal(str(value)).normalize() if isinstance(value, (int, float, Decimal)) else value


def test_a_wider_type_is_told_and_what_does_not_fit_waits(places: tuple[Any, Any], case: Widened) -> None:
    office, koeln = places
    retype(office, "worth", case.new)
    office.done("table", "upgrade", "customers")
    office.sql(f"UPDATE customers SET worth = {case.wide} WHERE id = 1")
    office.sql("UPDATE customers SET name = 'Brandt-Ott' WHERE id = 2")
    koeln.sql(f"INSERT INTO customers VALUES (3, 'Christ', {case.first})")
    exchange(office, koeln, rounds=3)
    first, wide = (comparable(value) for value in literals(case))
    expected = [(1, "Ahlers", wide), (2, "Brandt-Ott", first), (3, "Christ", first)]
    assert values(office) == expected
    assert needs(office) == set()
    if holds_anything(koeln, case):
        assert values(koeln) == expected
        assert needs(koeln) == set()
    else:
        assert values(koeln) == [(1, "Ahlers", first), *expected[1:]]
        assert needs(koeln) == {"schema-held", "quarantine"}
        assert koeln.call("table", "upgrade").code == 3
    retype(koeln, "worth", case.new)
    koeln.done("table", "upgrade")
    koeln.sql(f"UPDATE customers SET worth = {case.wide} WHERE id = 2")
    exchange(koeln, office, rounds=3)
    assert values(office) == values(koeln) == [(1, "Ahlers", wide), (2, "Brandt-Ott", wide), (3, "Christ", first)]
    assert needs(office) == needs(koeln) == set()


def test_a_station_that_is_widened_first_is_heard_once_the_host_is(places: tuple[Any, Any], case: Widened) -> None:
    office, koeln = places
    koeln.sql(f"INSERT INTO customers VALUES (3, 'Christ', {case.first})")
    retype(koeln, "worth", case.new)
    koeln.done("table", "upgrade")
    koeln.sql(f"UPDATE customers SET worth = {case.wide} WHERE id = 1")
    koeln.sql("UPDATE customers SET name = 'Brandt-Ott' WHERE id = 2")
    exchange(koeln, office, rounds=3)
    first, wide = (comparable(value) for value in literals(case))
    expected = [(1, "Ahlers", wide), (2, "Brandt-Ott", first), (3, "Christ", first)]
    assert values(koeln) == expected
    assert needs(koeln) == set()
    if holds_anything(office, case):
        assert values(office) == expected
        assert needs(office) == set()
    else:
        assert values(office) == [(1, "Ahlers", first), *expected[1:]]
        assert needs(office) == {"quarantine"}
    retype(office, "worth", case.new)
    office.done("table", "upgrade", "customers")
    assert values(office) == expected
    exchange(office, koeln, rounds=2)
    assert values(office) == values(koeln) == expected
    assert needs(office) == needs(koeln) == set()
    assert conflicts(office) == []


def test_what_is_written_before_the_capture_is_made_anew_is_not_rounded(new_place: NewPlace, kind: str) -> None:
    """The change tables of servers have the column's type, and take what does not fit with a loss."""
    office, koeln = joined(new_place, (kind, "sqlite"), schema_of(MONEY))
    for run_between in (True, False):
        old, new, worth = ("12,4", "14,6", 3.123456) if not run_between else ("8,2", "12,4", 2.1234)
        retype(office, "worth", f"numeric({new})")
        office.sql(f"UPDATE customers SET worth = {worth} WHERE id = 2")
        office.sql(f"UPDATE customers SET name = 'formerly {old}' WHERE id = 1")
        if run_between:
            assert office.run().warnings
            assert "capture" in needs(office)
            exchange(koeln)
            assert values(koeln)[1] == (2, "Brandt", Decimal(str(worth)))
            assert "table upgrade customers" in office.call("status").out
        office.done("table", "upgrade", "customers")
        exchange(office, koeln, rounds=2)
        assert values(koeln) == values(office)
        assert values(office)[1] == (2, "Brandt", Decimal(str(worth)))
        assert needs(office) == needs(koeln) == set()
    retype(office, "worth", "numeric(16,8)")
    office.sql("UPDATE customers SET worth = 4.12345678 WHERE id = 1")
    office.sql("DELETE FROM customers WHERE id = 2")
    office.done("table", "upgrade", "customers")
    exchange(office, koeln)
    assert values(koeln) == values(office) == [(1, "formerly 12,4", Decimal("4.12345678"))]


def test_a_station_on_a_server_does_not_round_either(new_place: NewPlace, kind: str) -> None:
    office, koeln = joined(new_place, ("sqlite", kind), schema_of(MONEY))
    retype(koeln, "worth", "numeric(12,4)")
    koeln.sql("UPDATE customers SET worth = 2.1234 WHERE id = 2")
    exchange(koeln, office)
    assert values(office)[1] == (2, "Brandt", Decimal("2.1234"))
    assert needs(koeln) == set()


@pytest.mark.parametrize("mix", MIXES, ids="-".join)
def test_a_narrower_type_changes_rows_and_they_are_sent(new_place: NewPlace, mix: tuple[str, str]) -> None:
    """The database rounds them itself, and no trigger sees it."""
    office, koeln = joined(new_place, mix, schema_of(MONEY._replace(old="numeric(12,4)", first="12.3456")))
    retype(office, "worth", "numeric(8,2)")
    if mix[0] == "sqlite":
        office.sql("UPDATE customers SET worth = round(worth, 2)")
    assert "2 rows" in office.done("table", "upgrade", "customers").out
    exchange(office, koeln, rounds=2)
    expected = [(1, "Ahlers", Decimal("12.35")), (2, "Brandt", Decimal("12.35"))]
    assert values(office) == values(koeln) == expected
    assert needs(office) == needs(koeln) == set()
    koeln.sql("UPDATE customers SET worth = 1.25 WHERE id = 2")
    retype(koeln, "worth", "numeric(8,2)")
    koeln.done("table", "upgrade")
    exchange(koeln, office, rounds=2)
    assert values(office) == values(koeln) == [expected[0], (2, "Brandt", Decimal("1.25"))]
    assert needs(office) == needs(koeln) == set()


@pytest.mark.parametrize("mix", MIXES, ids="-".join)
def test_a_table_that_is_made_anew_as_it_was_is_captured_again_by_table_upgrade(
    new_place: NewPlace, mix: tuple[str, str]
) -> None:
    """At either end, on whatever database; on SQLite the triggers go with the table."""
    office, koeln = joined(new_place, mix)
    for place, other in ((office, koeln), (koeln, office)):
        if type(place) is not Place:
            continue
        make_anew(place, {})
        place.sql(f"UPDATE customers SET city = 'of {place.name}' WHERE id = 2")
        assert "sent once more" in place.done("table", "upgrade", "customers").out
        exchange(place, other, rounds=2)
        assert rows(place, "*") == rows(other, "*") == [(1, "Ahlers", "Bremen"), (2, "Brandt", f"of {place.name}")]
        assert needs(place) == needs(other) == set()
        assert place.done("table", "upgrade", "customers", "--json").json[0]["rows"] == 0
