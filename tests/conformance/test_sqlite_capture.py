"""SQLite: what is captured and collected, beyond what test_each_database.py asks of all."""

from __future__ import annotations

import pytest
from database_places import ANYTHING, CUSTOMERS, SqlitePlace, told


def test_a_key_that_changes_is_a_delete_and_an_insert(place: SqlitePlace) -> None:
    place.make("CREATE TABLE codes (code TEXT COLLATE NOCASE, part INTEGER, text TEXT, PRIMARY KEY (code, part))")
    place.replicate("codes")
    place.run("INSERT INTO codes VALUES ('a', 1, 'x')")
    place.run("UPDATE codes SET code = 'A'")
    assert told(place.collect())[1:] == [("D", None, 0, ("a", 1, "x")), ("I", ("A", 1, "x"), 0b111, None)]
    with pytest.raises(Exception, match="must not be NULL"):
        place.run("INSERT INTO codes VALUES (NULL, 1, 'x')")
    with pytest.raises(Exception, match="must not be NULL"):
        place.run("UPDATE codes SET part = NULL")


def test_cascades_are_captured(place: SqlitePlace) -> None:
    place.make(
        CUSTOMERS,
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer"
        " REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE)",
    )
    place.replicate("customers", "orders")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    place.run("INSERT INTO orders VALUES (7, 1)")
    place.collect()
    place.run("UPDATE customers SET id = 2")
    place.run("DELETE FROM customers")
    found = [(change.table, change.operation.value) for change in place.collect()]
    assert sorted(found[:3]) == [(1, "D"), (1, "I"), (2, "U")]
    assert sorted(found[3:]) == [(1, "D"), (2, "D")]


def test_null_is_not_empty(place: SqlitePlace) -> None:
    place.make(ANYTHING)
    place.replicate("anything")
    place.run("INSERT INTO anything VALUES (1, '', '', '', '', '', '')")
    place.run("UPDATE anything SET a = NULL, c = NULL, e = x''")
    place.run("UPDATE anything SET a = x'', c = '', e = NULL")
    changes = place.collect()
    assert [(change.mask, change.before) for change in changes[1:]] == [
        (0b0101010, ("", "", "")),
        (0b0101010, (None, None, b"")),
    ]


def test_many_changes_come_in_chunks_and_only_what_was_read_is_cleared(place: SqlitePlace) -> None:
    place.make(CUSTOMERS)
    place.replicate("customers")
    place.run("BEGIN")
    place.application.executemany("INSERT INTO customers VALUES (?, ?, NULL)", [(i, f"n{i}") for i in range(5000)])
    place.run("COMMIT")
    with place.database.transaction() as connection:
        chunks = place.database.read_outbox(connection, place.tables)
        first = next(chunks)
        assert 100 < len(first) < 5000
        chunks.close()  # type: ignore[attr-defined]
        place.database.clear_outbox(connection)
    rest = place.collect()
    assert [change.image[0] for change in [*first, *rest] if change.image] == list(range(5000))


def test_wide_tables(place: SqlitePlace) -> None:
    columns = [f"c{number}" for number in range(1, 200)]
    place.make(
        f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {', '.join(f'{name} TEXT' for name in columns)})", CUSTOMERS
    )
    place.replicate("wide", "customers")
    place.run("INSERT INTO wide (id, c7) VALUES (1, 'x')")
    place.run(f"UPDATE wide SET {', '.join(f'{name} = 1' for name in columns)}")
    place.run("UPDATE wide SET c7 = 'z', c199 = NULL")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    changes = place.collect()
    assert changes[1].mask == (1 << 200) - 2
    assert changes[1].before == tuple("x" if name == "c7" else None for name in columns)
    assert (changes[2].mask, changes[2].before) == (1 << 7 | 1 << 199, ("1", "1"))
    assert changes[3].image == (1, "a", None)


def test_what_a_part_of_a_transaction_has_seen_is_forgotten_with_it(place: SqlitePlace) -> None:
    """Its schema version is given again to what comes after it."""
    place.make(CUSTOMERS)
    place.replicate("customers")
    (table,) = place.tables.values()
    database = place.database
    made = []

    def capture_and_fail() -> None:
        with database.transaction() as part:
            database.install_capture(part, table)
            assert database.capture_faults(part, table) == []
            made.append(part.exec_driver_sql("PRAGMA schema_version").scalar())
            raise RuntimeError

    with database.transaction() as outer, database.joined(outer):
        with database.transaction() as part:
            database.remove_capture(part, table)
        version = outer.exec_driver_sql("PRAGMA schema_version").scalar()
        with pytest.raises(RuntimeError):
            capture_and_fail()
        assert outer.exec_driver_sql("PRAGMA schema_version").scalar() == version
        with database.transaction() as part:
            for number in range(made[0] - version):
                part.exec_driver_sql(f"CREATE VIEW view_{number} AS SELECT 1")
            assert part.exec_driver_sql("PRAGMA schema_version").scalar() == made[0]
            assert database.capture_faults(part, table)
