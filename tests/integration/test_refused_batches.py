"""Batches that are authentic and can't be applied: they wait with a word for a person, and hold up nothing else.

Rows that a database refuses hold up nothing at all: test_quarantine.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import Computer, exchange, invite, new_host

SCHEMA = "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, photo BLOB DEFAULT x'00ff');"
NOTICES = "SELECT message, waiting FROM replicator_notice WHERE kind = 'refused-batch'"


@pytest.fixture
def office(tmp_path: Path) -> Computer:
    return new_host(tmp_path, SCHEMA, ("orders",))


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
