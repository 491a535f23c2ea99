"""Batches that are authentic and can't be applied: they wait with a word for a person, and hold up nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import Computer, exchange, invite, new_host

SCHEMA = "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, photo BLOB DEFAULT x'00ff');"
NOTICES = "SELECT message, waiting FROM replicator_notice WHERE kind = 'refused-batch'"


@pytest.fixture
def office(tmp_path: Path) -> Computer:
    return new_host(tmp_path, SCHEMA, ("orders",))


def stricter_station(office: Computer, name: str) -> Computer:
    """Its table was there before, with a rule of its own that no definition carries."""
    Computer(office.folder, name).script(SCHEMA.replace("item TEXT", "item TEXT CHECK (item <> 'no')"))
    return invite(office, name)


def loosened(station: Computer) -> None:
    station.script(
        "PRAGMA writable_schema = ON;"
        "UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (item <> ''no'')', '') WHERE name = 'orders';"
    )


def test_a_row_that_a_stations_table_refuses_waits_and_its_own_changes_go_on(office: Computer) -> None:
    koeln = stricter_station(office, "koeln")
    exchange(office, koeln)
    office.sql("INSERT INTO orders VALUES (1, 'no', NULL)")
    exchange(office, rounds=1)
    koeln.sql("INSERT INTO orders VALUES (2, 'yes', NULL)")
    for _ in range(2):
        assert koeln.call("remote-run").code in (0, 3)
        assert "refuses a row" in koeln.call("status").out
    assert koeln.rows("orders") == [(2, "yes", None)]
    exchange(office, rounds=1)
    assert office.rows("orders") == [(1, "no", None), (2, "yes", None)]
    ((message, waiting),) = koeln.sql(NOTICES)
    assert message.startswith("batch ")
    assert waiting
    loosened(koeln)
    assert koeln.call("remote-run").code == 0, koeln.call("status").out
    assert koeln.rows("orders") == office.rows("orders")
    assert koeln.sql(NOTICES) == []


def test_a_row_that_the_hosts_table_refuses_holds_up_no_other_station(tmp_path: Path) -> None:
    office = new_host(tmp_path, SCHEMA.replace("item TEXT", "item TEXT CHECK (item <> 'no')"), ("orders",))
    koeln, lager = invite(office, "koeln"), invite(office, "lager")
    exchange(office, koeln, lager)
    koeln.sql("INSERT INTO orders VALUES (1, 'no', NULL)")
    lager.sql("INSERT INTO orders VALUES (2, 'yes', NULL)")
    exchange(koeln, lager, rounds=1)
    assert office.call("host-run").code in (0, 3)
    assert office.rows("orders") == [(2, "yes", None)]
    ((message, waiting),) = office.sql(NOTICES)
    assert "koeln" in message
    assert waiting
    exchange(lager, rounds=1)


def test_a_table_that_is_not_like_the_hosts_waits_until_it_is(office: Computer) -> None:
    Computer(office.folder, "koeln").script("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL);")
    koeln = invite(office, "koeln")
    exchange(office, rounds=1)
    assert koeln.call("remote-run").code in (0, 3)
    ((message, waiting),) = koeln.sql(NOTICES)
    assert "table orders here is not like the host's" in message
    assert waiting
    koeln.script(f"DROP TABLE orders; {SCHEMA}")
    assert koeln.call("remote-run").code == 0, koeln.call("status").out
    assert koeln.sql(NOTICES) == []
    office.sql("INSERT INTO orders (id) VALUES (1)")
    exchange(office, koeln)
    assert koeln.rows("orders") == [(1, None, b"\x00\xff")]
