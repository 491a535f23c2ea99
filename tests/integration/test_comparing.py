"""A station's rows are compared with the host's by mail, and put right: rows that no trigger saw change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.behind import unseen
from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

ROWS = "SELECT id, name, city FROM customers ORDER BY id"
KINDS = ("sqlite", "postgresql", "mariadb")
MIXED = [("sqlite", "sqlite"), ("postgresql", "mariadb"), ("mariadb", "postgresql"), ("sqlite", "mariadb")]


def joined(new_place: NewPlace, kind: str = "sqlite", other: str = "sqlite") -> tuple[Place, Place]:
    office, station = new_place(kind, "office"), new_place(other, "koeln")
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50) UNIQUE, city VARCHAR(50))")
    office.sql(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, note VARCHAR(50),"
        " FOREIGN KEY (customer) REFERENCES customers (id))"
    )
    names = ", ".join(f"({n}, 'Name {n}', 'Bonn')" for n in range(1, 41))
    office.sql(f"INSERT INTO customers VALUES {names}")
    orders = ", ".join(f"({n}, {1 + n % 30}, 'x')" for n in range(1, 61))
    office.sql(f"INSERT INTO orders VALUES {orders}")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers", "orders")
    enrol(office, station)
    exchange(office, station)
    return office, station


def result(office: Place, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = office.call("comparison", "show", str(number), "--json").json
    return found


def findings(office: Place, number: int = 1) -> set[tuple[str, int, str]]:
    return {(row["table"], row["key"][0], row["finding"]) for row in result(office, number)["rows"]}


def harm(place: Place) -> None:
    unseen(
        place,
        "UPDATE customers SET city = 'nowhere' WHERE id = 7",
        "DELETE FROM orders WHERE id = 9",
        "DELETE FROM customers WHERE id = 40",
        "INSERT INTO customers VALUES (99, 'Nobody', NULL)",
    )


@pytest.mark.parametrize(("kind", "other"), MIXED)
def test_rows_that_nobody_saw_change_at_a_station(new_place: NewPlace, kind: str, other: str) -> None:
    office, station = joined(new_place, kind, other)
    harm(station)
    begun = office.done("compare", "koeln").out
    assert "on its way" in begun
    assert result(office)["state"] == "waiting"
    exchange(office, station)
    assert result(office)["state"] == "done"
    assert findings(office) == {
        ("customers", 7, "differs"),
        ("orders", 9, "missing at the station"),
        ("customers", 40, "missing at the station"),
        ("customers", 99, "only at the station"),
    }
    assert office.call("comparison", "show", "1").code == 3
    assert office.call("status").code == 3, "somebody has to decide"
    office.done("comparison", "repair", "1")
    exchange(office, station)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert station.sql("SELECT * FROM orders ORDER BY id") == office.sql("SELECT * FROM orders ORDER BY id")
    assert office.done("comparison", "show", "1").code == 0
    assert office.call("status").code == 0
    # Nothing is lost silently.
    lost = station.done("conflict", "list", "--json").json
    assert {row["key"][0] for row in lost} == {7, 99}
    office.done("compare", "koeln")
    exchange(office, station)
    assert (result(office, 2)["state"], result(office, 2)["rows"]) == ("done", [])
    # And both go on as ever.
    station.sql("UPDATE customers SET city = 'Ulm' WHERE id = 7")
    office.sql("UPDATE customers SET city = 'Jena' WHERE id = 40")
    exchange(station, office)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert not station.run().sent.mails, "at rest"


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_nobody_saw_change_at_the_host(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    harm(office)
    office.done("compare", "koeln", "--repair")
    exchange(office, station)
    assert findings(office) == {
        ("customers", 7, "differs"),
        ("orders", 9, "only at the station"),
        ("customers", 40, "only at the station"),
        ("customers", 99, "missing at the station"),
    }
    assert all(row["repaired"] for row in result(office)["rows"])
    assert station.sql(ROWS) == office.sql(ROWS)
    assert station.sql("SELECT * FROM orders ORDER BY id") == office.sql("SELECT * FROM orders ORDER BY id")
    assert {row["key"][0] for row in station.done("conflict", "list", "--json").json} == {7, 9, 40}


@pytest.mark.parametrize(("kind", "other"), MIXED)
def test_what_both_write_meanwhile_is_no_difference(new_place: NewPlace, kind: str, other: str) -> None:
    office, station = joined(new_place, kind, other)
    harm(station)
    office.done("compare", "koeln", "--repair")
    for n in range(12):
        office.sql(f"UPDATE customers SET city = 'Kiel {n}' WHERE id = {1 + n % 3}")
        office.sql(f"INSERT INTO customers VALUES ({200 + n}, 'Office {n}', 'Kiel')")
        if n % 2:
            office.run()
        station.sql(f"UPDATE customers SET city = 'Trier {n}' WHERE id = {2 + n % 3}")
        station.sql(f"INSERT INTO customers VALUES ({300 + n}, 'Station {n}', 'Trier')")
        station.sql(f"DELETE FROM orders WHERE id = {20 + n}")
        if n % 3:
            station.run()
    exchange(office, station)
    assert findings(office) == {
        ("customers", 7, "differs"),
        ("orders", 9, "missing at the station"),
        ("customers", 40, "missing at the station"),
        ("customers", 99, "only at the station"),
    }
    exchange(office, station)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert station.sql("SELECT * FROM orders ORDER BY id") == office.sql("SELECT * FROM orders ORDER BY id")


def test_a_station_asks_for_a_comparison_of_its_own(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    harm(station)
    assert "on its way" in station.done("compare", "customers", "--repair").out
    exchange(station, office)
    found = station.done("comparison", "list", "--json").json
    assert [(line["state"], line["differences"]) for line in found] == [("done", 3)]
    assert station.sql(ROWS) == office.sql(ROWS)


def test_only_what_the_rules_send_counts(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    office.done("rule", "set", "koeln", "all", "--to-remote", "changed", "--to-host", "none")
    exchange(office, station)
    station.sql("INSERT INTO customers VALUES (500, 'Private', 'here')")
    station.sql("UPDATE customers SET city = 'edited here' WHERE id = 1")
    station.sql("DELETE FROM customers WHERE id = 39")
    office.sql("INSERT INTO customers VALUES (600, 'Kept back', 'there')")
    office.sql("DELETE FROM customers WHERE id = 38")
    unseen(station, "UPDATE customers SET city = 'unseen' WHERE id = 37")
    office.done("compare", "koeln", "customers")
    exchange(office, station)
    assert findings(office) == {("customers", 37, "differs")}
    office.done("rule", "set", "koeln", "orders", "--to-remote", "none")
    assert "is not told changes of orders" in office.refused("compare", "koeln", "orders")


def test_a_comparison_that_something_has_overtaken_has_no_result(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    office.done("compare", "koeln")
    office.run()
    station.run()
    office.done("rule", "set", "koeln", "orders", "--to-remote", "changed,deleted")
    exchange(office, station)
    assert result(office)["state"] == "void"
    assert "the rule of orders changed meanwhile" in result(office)["reason"]
    station.back_up()
    office.done("compare", "koeln")
    station.sql("UPDATE customers SET city = 'Ulm' WHERE id = 1")
    office.run()
    station.run()
    station.put_back()
    exchange(station, office)
    assert "the link began anew" in result(office, 2)["reason"]
    office.done("compare", "koeln")
    office.done("station", "remove", "koeln", "--yes")
    assert office.done("comparison", "list", "--json").json == []


def test_a_comparison_can_be_given_up(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    office.done("compare", "koeln")
    office.done("comparison", "end", "1")
    exchange(office, station)
    assert result(office)["reason"] == "it was given up"
    assert "no result" in office.refused("comparison", "repair", "1")
    assert "comparison list" in office.refused("comparison", "show", "7")


ODD = {
    "sqlite": "id INTEGER PRIMARY KEY, amount DECIMAL(10, 2), large NUMERIC(30, 10), ratio REAL, born DATE,"
    " seen TIMESTAMP, scan BLOB, word TEXT COLLATE NOCASE, tag CHAR(5), flag BOOLEAN, data JSON",
    "postgresql": "id INTEGER PRIMARY KEY, amount NUMERIC(10, 2), large NUMERIC(30, 10), ratio DOUBLE PRECISION,"
    " born DATE, seen TIMESTAMPTZ, scan BYTEA, word TEXT, tag CHAR(5), flag BOOLEAN, data JSONB, span INTERVAL",
    "mariadb": "id INTEGER PRIMARY KEY, amount DECIMAL(10, 2), large DECIMAL(30, 10), ratio DOUBLE, born DATE,"
    " seen TIMESTAMP(6) NULL, scan BLOB, word VARCHAR(50), tag CHAR(5), flag TINYINT(1), data JSON",
}
BLOB = {"sqlite": "x'00ff'", "mariadb": "x'00ff'", "postgresql": "'\\x00ff'"}
TRUE = {"sqlite": "1", "mariadb": "1", "postgresql": "true"}
COLUMNS = "id, amount, large, ratio, born, seen, scan, word, tag, flag, data"
CHANGES = (
    "amount = 12.51",
    "large = 7.25",
    "ratio = 0.25",
    "born = '2001-01-02'",
    "seen = '2026-03-04 05:06:08'",
    "word = 'ÄRGER'",
    "tag = 'b'",
)


def odd_row(kind: str, number: int) -> str:
    zone = "+00" if kind == "postgresql" else ""
    return (
        f"INSERT INTO odd ({COLUMNS}) VALUES ({number}, 12.50, 12345678901234567890.1250, {number} / 3.0, '2001-01-01',"
        f" '2026-03-04 05:06:07.500{zone}', {BLOB[kind]}, 'Ärger {number}', 'a  ', {TRUE[kind]},"
        f' \'{{"b": [1, 2.50],  "a": null}}\')'
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_values_of_any_type_are_equal_where_they_say_the_same(new_place: NewPlace, kind: str, other: str) -> None:
    office, station = new_place(kind, "office"), new_place(other, "koeln")
    office.sql(f"CREATE TABLE odd ({ODD[kind]})")
    office.sql(odd_row(kind, 1))
    office.sql("INSERT INTO odd (id) VALUES (2)")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "odd")
    enrol(office, station)
    exchange(office, station)
    for number in range(10, 20):
        station.sql(odd_row(other, number))
        office.sql(odd_row(kind, 100 + number))
    exchange(office, station)
    office.done("compare", "koeln")
    exchange(office, station)
    found = result(office)
    assert (found["state"], found["rows"]) == ("done", [])
    spans = ["span"] if kind == "postgresql" != other else []
    assert [table["without"] for table in found["tables"]] == [spans]
    for place, change in enumerate(CHANGES):
        unseen(station, f"UPDATE odd SET {change} WHERE id = {10 + place}")
    unseen(station, "UPDATE odd SET word = NULL WHERE id = 119")
    office.done("compare", "koeln", "--repair")
    exchange(office, station)
    assert {key for _, key, _ in findings(office, 2)} == {*range(10, 10 + len(CHANGES)), 119}
    office.done("compare", "koeln")
    exchange(office, station)
    assert findings(office, 3) == set()
