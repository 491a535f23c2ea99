"""MariaDB's foreign keys that change rows without firing triggers, and the triggers that take their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from database_places import told

from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, ColumnType, ForeignKey, Table, TableDefinition, TypeKind

if TYPE_CHECKING:
    from mariadb_places import MariadbPlace


SCHEMA = (
    "CREATE TABLE customers (country char(2), id int, name text, PRIMARY KEY (country, id))",
    "CREATE TABLE orders (id int PRIMARY KEY, country char(2), customer int, CONSTRAINT `it's the \"owner` FOREIGN KEY"
    " (country, customer) REFERENCES customers (country, id) ON DELETE CASCADE ON UPDATE CASCADE)",
    "CREATE TABLE `lines` (id int PRIMARY KEY, orders int, CONSTRAINT line FOREIGN KEY (orders) REFERENCES orders (id)"
    " ON DELETE CASCADE)",
    "CREATE TABLE notes (id int PRIMARY KEY, country char(2), customer int, KEY about (country, customer),"
    " CONSTRAINT about FOREIGN KEY (country, customer) REFERENCES customers (country, id) ON DELETE SET NULL"
    " ON UPDATE CASCADE)",
    "CREATE TABLE gone (id int AUTO_INCREMENT PRIMARY KEY, orders int)",
    # What the application's own trigger looks at must still be there.
    "CREATE TRIGGER counting BEFORE DELETE ON customers FOR EACH ROW IF @replicator_applying IS NULL THEN INSERT INTO"
    " gone (orders) SELECT count(*) FROM orders o WHERE o.country = OLD.country AND o.customer = OLD.id; END IF",
)
ROWS = (
    "INSERT INTO customers VALUES ('DE', 1, 'a'), ('DE', 2, 'b')",
    "INSERT INTO orders VALUES (1, 'DE', 1), (2, 'DE', 1), (3, 'DE', 2)",
    "INSERT INTO `lines` VALUES (1, 1), (2, 2), (3, 3)",
    "INSERT INTO notes VALUES (1, 'DE', 1), (2, 'DE', 2)",
)
NAMES = ("customers", "orders", "lines", "notes", "gone")


@pytest.fixture
def place(new_place: Callable[[str], MariadbPlace]) -> MariadbPlace:
    return new_place("mariadb")


def add(place: MariadbPlace, *names: str) -> list[Table]:
    """As `table add --replace-cascades` does it; a crash in the middle keeps what is committed."""
    place.tables.clear()
    with place.database.transaction() as connection:
        found = [place.database.inspect_replaced(connection, name) for name in names]
        for definition in found:
            table = Table(len(place.tables) + 1, definition.name, definition)
            place.database.replace_cascades(connection, table.name)
            place.database.install_capture(connection, table)
            place.tables[table.id] = table
    return list(place.tables.values())


def remove(place: MariadbPlace) -> None:
    with place.database.transaction() as connection:
        for table in place.tables.values():
            place.database.remove_capture(connection, table)


def definitions(place: MariadbPlace) -> list[Any]:
    return [place.run(f"SHOW CREATE TABLE `{name}`")[0][1] for name in NAMES[:4]]


def triggers(place: MariadbPlace) -> list[str]:
    return [row[0] for row in place.run("SHOW TRIGGERS") if row[0].startswith("replicator_")]


def faults(place: MariadbPlace, table: Table) -> list[str]:
    with place.database.transaction() as connection:
        return place.database.capture_faults(connection, table)


def test_chains_of_composite_keys_are_done_by_triggers_and_given_back(place: MariadbPlace) -> None:
    place.make(*SCHEMA, *ROWS)
    before = definitions(place)
    with pytest.raises(UnfitTable, match="replicator table add orders --replace-cascades"):
        place.replicate("customers", "orders")
    tables = add(place, *NAMES)
    assert [table.definition.foreign_keys[0].on_delete for table in tables[1:4]] == ["CASCADE", "CASCADE", "SET NULL"]
    for table in tables:
        assert faults(place, table) == []
        with place.database.transaction() as connection:
            assert place.database.inspect(connection, table.name) == table.definition
            assert place.database.differences(connection, table.definition) == []
    assert "CONSTRAINT `it's the \"owner`" in definitions(place)[1]
    place.run("DELETE FROM customers WHERE id = 1")
    assert place.run("SELECT orders FROM gone") == [(2,)]
    found = [(change.table, *told([change])[0][:2]) for change in place.collect()]
    assert found[0] == (5, "I", (1, 2))
    assert found[-1] == (1, "D", None)
    assert (4, "U", (1, None, None)) in found
    # From the leaves up.
    assert [each for each in found if each[0] in (2, 3)] == [(3, "D", None), (2, "D", None)] * 2
    assert len(found) == 7
    with pytest.raises(Exception, match="1451"):
        place.run("UPDATE customers SET id = 9 WHERE id = 2")
    remove(place)
    assert triggers(place) == []
    assert definitions(place) == before
    place.run("UPDATE customers SET id = 9 WHERE id = 2")
    place.run("DELETE FROM customers")
    assert place.run("SELECT * FROM orders") == []
    assert place.run("SELECT * FROM notes") == [(1, None, None), (2, None, None)]
    assert place.collect() == []


def test_a_crash_anywhere_can_be_gone_on_from(place: MariadbPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each definition is committed by itself: whatever stands then cascades as before, and both ways lead on."""
    from replicator.databases.mariadb import replacing

    place.make(*SCHEMA)
    before = definitions(place)
    execute = replacing.execute
    left = 0

    def dying(raw: Any, sql: str) -> Any:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return execute(raw, sql)

    def crashes_after(count: int, step: Any, *arguments: Any) -> bool:
        nonlocal left
        left = count
        with monkeypatch.context() as patched:
            patched.setattr(replacing, "execute", dying)
            try:
                step(*arguments)
            except KeyboardInterrupt:
                return True
        return False

    count = 1
    while crashes_after(count, add, place, *NAMES):
        place.make(*ROWS)
        place.run("DELETE FROM customers WHERE id = 1")
        assert place.run("SELECT count(*) FROM orders") == [(1,)]
        assert place.run("SELECT customer FROM notes ORDER BY id") == [(None,), (2,)]
        place.make("DELETE FROM notes", "DELETE FROM customers")
        add(place, *NAMES)
        assert all(faults(place, table) == [] for table in place.tables.values())
        assert "CONSTRAINT `it's the \"owner`" in definitions(place)[1]
        crashes_after(1 + count % 7, remove, place)
        remove(place)
        assert triggers(place) == []
        assert definitions(place) == before
        count += 1
    assert count > 9


def test_what_no_trigger_can_do_is_refused_with_the_reason(place: MariadbPlace) -> None:
    place.make(
        "CREATE TABLE people (id int PRIMARY KEY, boss int REFERENCES people (id) ON DELETE CASCADE)",
        "CREATE TABLE renamed (id int PRIMARY KEY, a int REFERENCES renamed (id) ON UPDATE CASCADE)",
        "CREATE TABLE a (id int PRIMARY KEY, c int)",
        "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a (id) ON DELETE CASCADE)",
        "CREATE TABLE c (id int PRIMARY KEY, b int REFERENCES b (id) ON DELETE CASCADE)",
        "ALTER TABLE a ADD FOREIGN KEY (c) REFERENCES c (id) ON DELETE SET NULL",
        "CREATE TABLE parents (id int PRIMARY KEY, children int)",
        "CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents (id) ON DELETE CASCADE)",
        "CREATE TRIGGER counting AFTER DELETE ON children FOR EACH ROW IF @replicator_applying IS NULL THEN"
        " UPDATE parents SET children = children - 1 WHERE id = OLD.parent; END IF",
    )
    for name, words in (
        ("people", "refers to itself with ON DELETE CASCADE"),
        ("renamed", "refers to itself with ON UPDATE CASCADE"),
        ("b", "in a circle"),
        ("children", "The trigger counting of table children has to do with parents"),
    ):
        with pytest.raises(UnfitTable, match=words):
            add(place, name)
    assert triggers(place) == []


def test_a_trigger_that_was_lost_comes_back_and_one_whose_key_is_gone_goes(place: MariadbPlace) -> None:
    place.make(*SCHEMA)
    tables = add(place, *NAMES)
    standing = [name for name in triggers(place) if "children" in name]
    assert len(standing) == 3
    place.run(f"DROP TRIGGER {standing[0]}")
    place.run(f"DROP TRIGGER {standing[1]}")
    found = [fault for table in tables for fault in faults(place, table)]
    assert len(found) == 2
    assert all("is missing or was changed" in fault for fault in found)
    with place.database.transaction() as connection:
        for table in tables:
            assert place.database.differences(connection, table.definition) == []
            place.database.install_capture(connection, table)
    assert [fault for table in tables for fault in faults(place, table)] == []
    place.make(*ROWS, "DELETE FROM customers WHERE id = 1")
    assert place.run("SELECT count(*) FROM `lines`") == [(1,)]
    place.run("ALTER TABLE notes DROP FOREIGN KEY about")
    assert any("stands for a foreign key of table notes that is gone" in fault for fault in faults(place, tables[3]))
    with place.database.transaction() as connection:
        place.database.install_capture(connection, tables[3])
    assert len([name for name in triggers(place) if "children" in name]) == 2


def test_a_stations_own_table_gets_the_trigger_that_the_hosts_definition_wants(place: MariadbPlace) -> None:
    integer = ColumnType(TypeKind.INTEGER, bits=32)
    columns = (ColumnDefinition("id", integer, nullable=False), ColumnDefinition("boss", integer))
    keys = (ForeignKey(("boss",), "a", ("id",), "CASCADE"),)
    wanted = TableDefinition("b", columns, ("id",), foreign_keys=keys)
    itself = TableDefinition("a", columns, ("id",), foreign_keys=keys)
    place.make(
        "CREATE TABLE a (id int PRIMARY KEY, boss int, FOREIGN KEY (boss) REFERENCES a (id))",
        "CREATE TABLE b (id int PRIMARY KEY, boss int REFERENCES a (id))",
    )
    with place.database.transaction() as connection:
        for number, definition in enumerate((itself, wanted), start=1):
            assert place.database.differences(connection, definition) == []
            place.database.install_capture(connection, Table(number, definition.name, definition))
            assert place.database.capture_faults(connection, Table(number, definition.name, definition)) == []
    assert len([name for name in triggers(place) if "children" in name]) == 1
    place.make("INSERT INTO a VALUES (1, NULL), (2, NULL)", "INSERT INTO b VALUES (1, 1), (2, 2)")
    place.run("DELETE FROM a WHERE id = 1")
    assert place.run("SELECT id FROM b") == [(2,)]
