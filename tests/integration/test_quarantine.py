"""Rows that a database refuses: set aside with what depends on them, they hold up nothing else, and come in time."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from replicator.databases.sqlite import collect
from tests.integration.command_line import Place, enrol, exchange

NewPlace = Callable[[str, str], Any]

SCHEMA = (
    "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, city varchar(80))",
    "CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customers (id))",
    "INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Köln')",
)
CUSTOMERS, ORDERS = "SELECT id, name, city FROM customers ORDER BY id", "SELECT id, customer FROM orders ORDER BY id"
STARTED = [(1, "Ahlers", "Bremen"), (2, "Brandt", "Köln")]
LATER = 7 * 3600
"""Seconds: by then everything is tried again."""


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def company(new_place: NewPlace, host: str, *stations: str) -> list[Any]:
    """A host and stations on these kinds of databases that have exchanged everything."""
    office = new_place(host, "office")
    for statement in SCHEMA:
        office.sql(statement)
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "orders", "customers")
    others = [new_place(kind, name) for kind, name in zip(stations, ("koeln", "lager"), strict=False)]
    enrol(office, *others)
    exchange(office, *others, rounds=2)
    return [office, *others]


def refuse(place: Any, kind: str, condition: str = "name <> 'no'") -> None:
    """A rule that only this place's table has."""
    column = f"ADD COLUMN refuses integer AS (0) CHECK ({condition})"
    place.sql(f"ALTER TABLE customers {column if kind == 'sqlite' else f'ADD CONSTRAINT refuses CHECK ({condition})'}")


def allow(place: Any, kind: str) -> None:
    place.sql(f"ALTER TABLE customers DROP {'COLUMN' if kind == 'sqlite' else 'CONSTRAINT'} refuses")


def transaction(place: Any, *statements: str) -> None:
    with closing(place.connect()) as connection:
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement.encode())
        connection.execute("COMMIT")


def held(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(place.done("quarantine", "list", "--json").out)
    return found


def rows_held(place: Place) -> list[tuple[str, Any]]:
    return [(line["table"], line["key"][0]) for line in held(place)]


def is_waiting(place: Place) -> bool:
    """For a person, because of what is in quarantine."""
    status = place.call("status", "--json")
    found = "quarantine" in {need["kind"] for need in json.loads(status.out)["needs"]}
    assert status.code == 3 or not found
    return found


def test_a_station_sets_aside_a_row_with_its_children(kind: str, new_place: NewPlace) -> None:
    office, koeln = company(new_place, "sqlite", kind)
    refuse(koeln, kind)
    office.sql("INSERT INTO customers VALUES (10, 'no', NULL), (11, 'yes', NULL)")
    office.sql("INSERT INTO orders VALUES (100, 10), (101, 11)")
    exchange(office, koeln)
    koeln.sql("INSERT INTO customers (id, name) VALUES (12, 'own')")
    exchange(koeln, office)
    assert koeln.sql(CUSTOMERS) == [*STARTED, (11, "yes", None), (12, "own", None)]
    assert koeln.sql(ORDERS) == [(101, 11)]
    assert office.sql(ORDERS) == [(100, 10), (101, 11)]
    assert (12, "own", None) in office.sql(CUSTOMERS)
    parent, child = held(koeln)
    assert (parent["table"], parent["key"], parent["origin"], parent["waits_for"]) == ("customers", [10], "host", None)
    assert (child["table"], child["key"], child["waits_for"]) == ("orders", [100], parent["id"])
    status = koeln.call("status", "--json")
    assert (status.code, json.loads(status.out)["quarantined"]) == (3, 2)
    assert "still can't be applied" in koeln.done("quarantine", "retry").out
    shown = json.loads(koeln.done("quarantine", "show", str(parent["id"]), "--json").out)
    assert (shown["row"]["name"], shown["now"]) == ("no", None)
    allow(koeln, kind)
    assert koeln.done("quarantine", "retry").out.startswith("2 changes can be applied")
    exchange(koeln, office)
    assert koeln.sql(CUSTOMERS) == office.sql(CUSTOMERS)
    assert koeln.sql(ORDERS) == office.sql(ORDERS)
    assert held(koeln) == []
    assert not is_waiting(koeln)


def test_the_host_sets_aside_a_row_with_its_children_and_its_later_changes(kind: str, new_place: NewPlace) -> None:
    office, koeln, lager = company(new_place, kind, "sqlite", "sqlite")
    refuse(office, kind)
    koeln.sql("INSERT INTO customers VALUES (10, 'no', NULL), (11, 'yes', NULL)")
    koeln.sql("INSERT INTO orders VALUES (100, 10), (101, 11)")
    exchange(koeln, office, rounds=1)
    koeln.sql("UPDATE customers SET city = 'Wien' WHERE id IN (10, 11)")
    lager.sql("INSERT INTO customers VALUES (12, 'other', NULL)")
    exchange(koeln, lager, office)
    assert office.sql(CUSTOMERS) == [*STARTED, (11, "yes", "Wien"), (12, "other", None)]
    assert office.sql(ORDERS) == [(101, 11)]
    assert lager.sql(CUSTOMERS) == office.sql(CUSTOMERS)
    assert rows_held(office) == [("customers", 10), ("orders", 100), ("customers", 10)]
    first, second, third = held(office)
    assert first["origin"] == "koeln"
    assert "refuses" in first["error"]
    assert (second["waits_for"], third["waits_for"]) == (first["id"], first["id"])
    assert is_waiting(office)
    assert (10, "no", "Wien") in koeln.sql(CUSTOMERS)
    allow(office, kind)
    office.run(later=LATER)
    exchange(koeln, lager, office)
    assert (10, "no", "Wien") in office.sql(CUSTOMERS)
    for place in (koeln, lager):
        assert (place.sql(CUSTOMERS), place.sql(ORDERS)) == (office.sql(CUSTOMERS), office.sql(ORDERS))
    assert held(office) == []
    assert not is_waiting(office)
    assert json.loads(office.done("conflict", "list", "--json").out) == []


def test_what_the_host_drops_is_on_record_and_its_station_gets_what_stands(kind: str, new_place: NewPlace) -> None:
    office, koeln = company(new_place, kind, "sqlite")
    refuse(office, kind, "name NOT IN ('no', 'never')")
    koeln.sql("UPDATE customers SET name = 'no' WHERE id = 1")
    koeln.sql("INSERT INTO customers VALUES (10, 'never', 'Graz')")
    exchange(koeln, office)
    numbers = [str(line["id"]) for line in held(office)]
    assert len(numbers) >= 1
    office.refused("quarantine", "drop")
    assert "dropped" in office.done("quarantine", "drop", *numbers).out
    exchange(office, koeln)
    assert koeln.sql(CUSTOMERS) == office.sql(CUSTOMERS) == STARTED
    told = json.loads(office.done("conflict", "list", "--json").out)
    assert {line["kind"] for line in told} == {"dropped-from-quarantine"}
    shown = json.loads(office.done("conflict", "show", str(told[-1]["id"]), "--json").out)
    assert shown["station"]["name"] == "never"
    assert held(office) == []


def test_a_transaction_of_a_station_goes_whole(new_place: NewPlace) -> None:
    office, koeln = company(new_place, "sqlite", "postgresql")
    refuse(office, "sqlite")
    transaction(
        koeln, "UPDATE customers SET city = 'Rom' WHERE id = 1", "INSERT INTO customers (id, name) VALUES (10, 'no')"
    )
    transaction(koeln, "UPDATE customers SET city = 'Oslo' WHERE id = 2")
    exchange(koeln, office)
    assert office.sql(CUSTOMERS) == [STARTED[0], (2, "Brandt", "Oslo")]
    assert rows_held(office) == [("customers", 1), ("customers", 10)]
    assert {line["transaction"] for line in held(office)} == {True}
    allow(office, "sqlite")
    office.done("quarantine", "retry", str(held(office)[0]["id"]))
    assert held(office) == []
    exchange(office, koeln)
    assert (
        office.sql(CUSTOMERS) == koeln.sql(CUSTOMERS) == [(1, "Ahlers", "Rom"), (2, "Brandt", "Oslo"), (10, "no", None)]
    )


def test_a_transaction_of_the_host_goes_whole_at_a_station(new_place: NewPlace) -> None:
    office, koeln = company(new_place, "postgresql", "sqlite")
    refuse(koeln, "sqlite")
    transaction(
        office, "UPDATE customers SET city = 'Rom' WHERE id = 1", "INSERT INTO customers (id, name) VALUES (10, 'no')"
    )
    transaction(office, "UPDATE customers SET city = 'Oslo' WHERE id = 2")
    exchange(office, koeln)
    assert koeln.sql(CUSTOMERS) == [STARTED[0], (2, "Brandt", "Oslo")]
    assert rows_held(koeln) == [("customers", 1), ("customers", 10)]
    allow(koeln, "sqlite")
    koeln.done("quarantine", "retry", str(held(koeln)[1]["id"]))
    exchange(koeln, office)
    assert koeln.sql(CUSTOMERS) == office.sql(CUSTOMERS)
    assert len(koeln.sql(CUSTOMERS)) == 3


def test_what_is_asked_for_again_comes_with_parents_first(new_place: NewPlace) -> None:
    """Whatever order the host's application has written it in: a large answer is applied in pieces."""
    office, koeln = company(new_place, "postgresql", "sqlite")
    refuse(koeln, "sqlite")
    transaction(office, "INSERT INTO customers (id, name) VALUES (10, 'no')", "INSERT INTO orders VALUES (5, 10)")
    exchange(office, koeln)
    transaction(
        office,
        "UPDATE orders SET customer = 1 WHERE id = 5",
        "UPDATE orders SET customer = 10 WHERE id = 5",
        "UPDATE customers SET city = 'Rom' WHERE id = 10",
    )
    exchange(office, koeln)
    assert rows_held(koeln)[-1] == ("customers", 10), "the child stands before its parent"
    allow(koeln, "sqlite")
    koeln.done("quarantine", "retry")
    koeln.run()
    office.run()
    last = office.done("journal", "list", "--json").json[-1]
    shown = office.done("journal", "show", f"{last['epoch']}.{last['n']}", "--json").json
    entries = [(entry["line"]["table"], entry["line"]["key"]) for entry in shown["entries"]]
    assert entries == [("customers", [10]), ("orders", [5])]
    koeln.run()
    assert (koeln.sql(CUSTOMERS), koeln.sql(ORDERS)) == (office.sql(CUSTOMERS), office.sql(ORDERS))


def test_a_later_record_takes_the_place_of_what_was_set_aside(kind: str, new_place: NewPlace) -> None:
    office, koeln = company(new_place, "sqlite", kind)
    refuse(koeln, kind)
    office.sql("UPDATE customers SET name = 'no' WHERE id = 1")
    exchange(office, koeln)
    assert rows_held(koeln) == [("customers", 1)]
    office.sql("UPDATE customers SET name = 'yes' WHERE id = 1")
    exchange(office, koeln)
    assert koeln.sql(CUSTOMERS) == office.sql(CUSTOMERS)
    assert held(koeln) == []
    assert not is_waiting(koeln)


def test_a_row_of_which_only_the_end_is_refused_is_not_known_as_it_is_at_the_host(
    kind: str, new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's change that waits in quarantine would be lost by a station's delete that had not seen it."""
    office, koeln = company(new_place, "sqlite", kind)
    office.done("table", "set", "customers", "--policy", "station")
    refuse(koeln, kind)
    monkeypatch.setattr(collect, "CHANGES", 1)  # so that a group may have several records of one row
    office.sql("UPDATE customers SET name = 'yes' WHERE id = 2")
    office.sql("UPDATE customers SET name = 'no' WHERE id = 2")
    exchange(office, koeln)
    assert koeln.sql("SELECT name FROM customers WHERE id = 2") == [("yes",)]
    assert rows_held(koeln) == [("customers", 2)]
    koeln.sql("DELETE FROM customers WHERE id = 2")
    exchange(koeln, office, rounds=2)
    (line,) = office.done("conflict", "list", "--json").json
    assert "'no'" in str(office.done("conflict", "show", str(line["id"]), "--json").json)
    assert koeln.sql(CUSTOMERS) == office.sql(CUSTOMERS)
    assert held(koeln) == []


def test_a_first_load_leaves_out_no_more_than_what_is_refused(kind: str, new_place: NewPlace) -> None:
    office, koeln = new_place("sqlite", "office"), new_place(kind, "koeln")
    for place in (office, koeln):
        for statement in SCHEMA[:2]:
            place.sql(statement)
    refuse(koeln, kind, "id % 100 <> 7")
    for number in range(1, 501):
        office.sql("INSERT INTO customers VALUES (?, ?, NULL)", number, f"name {number}")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "orders", "customers")
    enrol(office, koeln)
    exchange(office, koeln, rounds=2)
    assert len(koeln.sql(CUSTOMERS)) == 495
    assert rows_held(koeln) == [("customers", number) for number in (7, 107, 207, 307, 407)]
    allow(koeln, kind)
    koeln.run(later=LATER)
    exchange(office, koeln, rounds=2)
    assert koeln.sql(CUSTOMERS) == office.sql(CUSTOMERS)


def test_what_a_load_brought_is_asked_for_together_and_each_row_stands_alone(new_place: NewPlace) -> None:
    """The rows may be of one transaction (seed 900); one that is refused once more holds up no other."""
    office, koeln = company(new_place, "sqlite", "sqlite")
    office.sql("INSERT INTO customers VALUES (10, 'no', NULL), (11, 'No', NULL), (12, 'yes', NULL)")
    office.sql("UPDATE customers SET city = 'no' WHERE id = 1")
    refuse(koeln, "sqlite", "lower(name) <> 'no' AND coalesce(city, '') <> 'no'")
    office.done("station", "reload", "koeln")
    exchange(office, koeln)
    assert sorted(rows_held(koeln)) == [("customers", 1), ("customers", 10), ("customers", 11)]
    allow(koeln, "sqlite")
    assert koeln.done("quarantine", "retry").out.startswith("3 changes can be applied")
    assert koeln.sql("SELECT count(*), min(merged) FROM replicator_journal WHERE control = 'refresh'") == [(1, 1)]
    refuse(koeln, "sqlite")
    exchange(koeln, office)
    exchange(koeln, office)
    assert rows_held(koeln) == [("customers", 10)]
    assert koeln.sql(CUSTOMERS) == [(1, "Ahlers", "no"), (2, "Brandt", "Köln"), (11, "No", None), (12, "yes", None)]


def test_what_a_station_that_is_removed_had_in_quarantine_goes_on_record(new_place: NewPlace) -> None:
    office, koeln = company(new_place, "sqlite", "sqlite")
    refuse(office, "sqlite")
    koeln.sql("INSERT INTO customers VALUES (10, 'no', 'Graz')")
    exchange(koeln, office)
    assert rows_held(office) == [("customers", 10)]
    office.done("station", "remove", "koeln", "--yes")
    assert held(office) == []
    assert not is_waiting(office)
    assert [line["kind"] for line in json.loads(office.done("conflict", "list", "--json").out)] == [
        "dropped-from-quarantine"
    ]


def test_a_trigger_of_the_application_that_refuses_a_row(new_place: NewPlace) -> None:
    office, koeln = company(new_place, "sqlite", "postgresql")
    koeln.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN IF NEW.name = 'no' THEN RAISE EXCEPTION 'not here'; END IF; RETURN NEW; END$$"
    )
    koeln.sql("CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION refuse()")
    koeln.sql("ALTER TABLE customers ENABLE ALWAYS TRIGGER refuse")
    office.sql("INSERT INTO customers VALUES (10, 'no', NULL), (11, 'yes', NULL)")
    exchange(office, koeln)
    assert koeln.sql(CUSTOMERS) == [*STARTED, (11, "yes", None)]
    (line,) = held(koeln)
    assert "not here" in line["error"]
