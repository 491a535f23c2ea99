"""Tables that were added or taken out shortly before the fire."""

from __future__ import annotations

import pytest

from replicator.protocol.codec_plain import pack
from tests.integration.command_line import exchange
from tests.integration.conftest import NewPlace
from tests.integration.test_backup_stations import ROWS, joined
from tests.integration.test_several_backup_stations import promoted

KINDS = ["sqlite", "postgresql", "mariadb"]


@pytest.mark.parametrize("backup", KINDS)
def test_a_table_that_was_taken_out(new_place: NewPlace, backup: str) -> None:
    office, keeper, koeln, trier = joined(new_place, backup=backup)
    office.sql("CREATE TABLE parts (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    office.sql("INSERT INTO parts VALUES (1, 'screw')")
    office.done("table", "add", "parts")
    office.done("rule", "set", "koeln", "parts", "--to-remote", "all", "--to-host", "all")
    exchange(office, keeper, koeln, trier)
    office.done("rule", "set", "koeln", "parts", "--to-remote", "none", "--to-host", "none")
    exchange(office, keeper, koeln, trier)
    office.done("table", "remove", "parts")
    exchange(office, keeper, koeln, trier)
    keeper.sql("INSERT INTO parts VALUES (2, 'nut')")
    told = promoted(keeper)
    assert "parts" not in told
    keeper.sql("INSERT INTO parts VALUES (3, 'bolt')")
    exchange(keeper, koeln, trier)
    assert [table["name"] for table in keeper.done("table", "list", "--json").json] == ["customers"]
    assert keeper.sql(ROWS) == koeln.sql(ROWS)
    assert koeln.sql("SELECT id FROM parts") == [(1,)]
    keeper.done("table", "add", "parts")
    keeper.done("rule", "set", "koeln", "parts", "--to-remote", "all", "--to-host", "all")
    exchange(keeper, koeln)
    assert koeln.sql("SELECT id FROM parts ORDER BY id") == [(1,), (2,), (3,)]


def test_a_table_whose_rows_came_and_what_the_host_says_of_it_did_not(new_place: NewPlace) -> None:
    """A large load is under way for long: the table would be replicated no more, without a word."""
    office, keeper, koeln, trier = joined(new_place)
    office.sql("CREATE TABLE parts (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    office.done("table", "add", "parts")
    exchange(office, keeper, koeln, trier)
    [(number,)] = keeper.sql("SELECT id FROM replicator_table WHERE name = 'parts'")
    keeper.sql("DELETE FROM replicator_host_state WHERE kind = 'table' AND item = ?", pack([number]))
    assert "Not replicated any more, as the former host had not told all of them: parts" in promoted(keeper)
    assert "parts" not in keeper.done("table", "list").out
    keeper.done("table", "add", "parts")
    exchange(keeper, koeln, trier)


@pytest.mark.parametrize("backup", ["postgresql", "mariadb"])
def test_a_table_that_was_taken_out_with_a_row_that_could_not_be_stored(new_place: NewPlace, backup: str) -> None:
    """Its row is looked at, and its triggers are taken away, in one transaction."""
    office, keeper, koeln, trier = joined(new_place, backup=backup)
    office.sql("CREATE TABLE parts (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    office.done("table", "add", "parts")
    exchange(office, keeper)
    keeper.sql("ALTER TABLE parts ADD CONSTRAINT small CHECK (id < 5)")
    office.sql("INSERT INTO parts VALUES (7, 'too large there')")
    exchange(office, keeper)
    assert keeper.call("status", "--json").json["quarantined"] == 1
    office.done("table", "remove", "parts")
    exchange(office, keeper)
    assert "is the host Zentrale" in promoted(keeper)
    exchange(keeper, koeln, trier)
    assert "parts" not in keeper.done("table", "list").out


@pytest.mark.parametrize(("host", "backup"), [("postgresql", "sqlite"), ("sqlite", "mariadb")])
def test_a_table_is_not_taken_for_changed_as_the_former_hosts_was_of_another_kind(
    new_place: NewPlace, host: str, backup: str
) -> None:
    """Where its triggers are made anew it is looked at how it stands (seeds 30021 and 30047 with a promotion)."""
    _, keeper, koeln, trier = joined(new_place, host, backup)
    promoted(keeper)
    exchange(keeper, koeln, trier)
    of_table = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'customers'",
        "mariadb": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = database()"
        " AND event_object_table = 'customers'",
    }
    for (name,) in keeper.sql(of_table[backup]):
        keeper.sql(f"DROP TRIGGER {name}")
    told = keeper.call("host-run").out
    assert "its triggers were made anew" in told
    assert "table upgrade" not in told
    for (name,) in keeper.sql(of_table[backup]):
        keeper.sql(f"DROP TRIGGER {name}")
    keeper.sql("ALTER TABLE customers ADD COLUMN phone VARCHAR(20)")
    assert "table upgrade customers" in keeper.call("host-run").out
