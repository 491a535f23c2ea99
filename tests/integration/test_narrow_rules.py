"""What rules that leave kinds of change out do to rows at a station, from end to end."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from command_line import Place, join, new_office

ALL_AND = ("--to-remote", "all", "--to-host")


class Pair:
    """A host and the station Köln that exchange mail."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.office = new_office(folder, capture)
        self.folder, self.capture = folder, capture

    def begin(self, *rules: tuple[str, ...]) -> None:
        for rule in rules:
            self.rule(*rule)
        self.koeln = join(self.folder, self.capture)
        self.exchange()

    def rule(self, table: str, *kinds: str) -> None:
        self.office.done("rule", "set", "Köln", table, *kinds)

    def exchange(self, times: int = 4) -> None:
        for _ in range(times):
            self.koeln.run()
            self.office.run()
        self.koeln.run()

    def is_at_rest(self) -> bool:
        """Nobody has anything to say."""
        return not any(place.run().sent.mails for place in (self.koeln, self.office, self.koeln, self.office))

    def conflicts(self, place: Place) -> list[str]:
        return [found["kind"] for found in place.done("conflict", "list", "--json").json]


@pytest.fixture
def pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Pair:
    return Pair(tmp_path, capsys)


def write(place: Place, *statements: str) -> None:
    """One transaction of the application, with foreign keys on."""
    connection = sqlite3.connect(place.database_file)
    connection.execute("PRAGMA foreign_keys = ON")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_new_rows_only_come_as_their_transaction_left_them(pair: Pair) -> None:
    pair.begin(("customers", "--to-remote", "new", "--to-host", "all"))
    write(
        pair.office,
        "INSERT INTO customers VALUES (3, 'Cohn', NULL)",
        "UPDATE customers SET city = 'Celle' WHERE id = 3",
        "INSERT INTO customers VALUES (4, 'Diehl', NULL)",
        "DELETE FROM customers WHERE id = 4",
        "UPDATE customers SET city = 'Bonn' WHERE id = 1",
    )
    pair.exchange()
    found = pair.koeln.sql("SELECT id, city FROM customers ORDER BY id")
    assert found == [(1, "Bremen"), (2, "Köln"), (3, "Celle")]
    pair.koeln.sql("UPDATE customers SET name = 'Cohnen' WHERE id = 3")
    pair.exchange()
    assert pair.office.sql("SELECT * FROM customers WHERE id = 3") == [(3, "Cohnen", "Celle")]
    assert not pair.conflicts(pair.office)


def test_a_deleted_parent_stays_for_a_row_that_is_the_stations_own(pair: Pair) -> None:
    pair.begin(("customers", *ALL_AND, "all"), ("orders", *ALL_AND, "changed,deleted"))
    pair.koeln.sql("INSERT INTO orders VALUES (77, 2, 'never goes up', NULL)")
    write(pair.office, "DELETE FROM customers WHERE id = 2")
    pair.exchange()
    assert pair.koeln.sql("SELECT name FROM customers WHERE id = 2") == [("Brandt",)]
    assert pair.conflicts(pair.koeln) == ["parent-kept"]
    assert not pair.conflicts(pair.office)
    assert pair.is_at_rest()


def test_a_parent_deleted_at_the_station_alone_comes_back_for_its_child(pair: Pair) -> None:
    pair.begin(("customers", *ALL_AND, "new,changed"), ("orders", *ALL_AND, "all"))
    write(pair.koeln, "DELETE FROM customers WHERE id = 2")
    pair.exchange()
    assert pair.koeln.sql("SELECT id FROM customers") == [(1,)]
    write(pair.office, "INSERT INTO orders VALUES (5, 2, 'for Brandt', NULL)")
    pair.exchange()
    assert pair.koeln.sql("SELECT id FROM customers ORDER BY id") == [(1,), (2,)]
    assert pair.koeln.sql("SELECT customer FROM orders WHERE id = 5") == [(2,)]
    assert pair.conflicts(pair.koeln) == ["parent-restored"]
    assert pair.is_at_rest()


def test_what_a_station_had_is_still_known_when_its_rule_comes_back(pair: Pair) -> None:
    pair.begin(("customers", *ALL_AND, "all"))
    pair.rule("customers", "--to-remote", "none", "--to-host", "none")
    pair.exchange()
    pair.office.sql("UPDATE customers SET city = 'Bonn' WHERE id = 2")
    pair.exchange()
    assert pair.koeln.sql("SELECT city FROM customers WHERE id = 2") == [("Köln",)]
    pair.rule("customers", "--to-remote", "changed", "--to-host", "changed")
    pair.exchange()
    assert pair.koeln.sql("SELECT city FROM customers WHERE id = 2") == [("Bonn",)]
    pair.koeln.sql("UPDATE customers SET city = 'Wesel' WHERE id = 2")
    pair.exchange()
    assert pair.office.sql("SELECT city FROM customers WHERE id = 2") == [("Wesel",)], "shared, not detached"


def test_the_name_that_a_row_gives_way_to_may_be_taken(pair: Pair) -> None:
    """At the host for the newcomer, at the station for the one that stands in its way."""
    pair.office.sql("CREATE TABLE parts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
    pair.office.done("table", "add", "parts")
    pair.begin(("parts", *ALL_AND, "all"))
    pair.office.sql("INSERT INTO parts VALUES (1, 'nut'), (2, 'nut~9')")
    pair.koeln.sql("INSERT INTO parts VALUES (9, 'nut')")
    pair.exchange()
    everywhere = [(1, "nut"), (2, "nut~9"), (9, "nut~9~2")]
    assert pair.office.sql("SELECT * FROM parts ORDER BY id") == everywhere
    assert pair.koeln.sql("SELECT * FROM parts ORDER BY id") == everywhere
    pair.rule("parts", "--to-remote", "all", "--to-host", "none")
    pair.exchange()
    pair.koeln.sql("INSERT INTO parts VALUES (20, 'bolt'), (21, 'bolt~20')")
    pair.office.sql("INSERT INTO parts VALUES (3, 'bolt')")
    pair.exchange()
    found = pair.koeln.sql("SELECT * FROM parts WHERE name LIKE 'bolt%' ORDER BY id")
    assert found == [(3, "bolt"), (20, "bolt~20~2"), (21, "bolt~20")]


@pytest.mark.parametrize("at", ["koeln", "office"])
def test_a_key_that_changes_takes_its_children_along(pair: Pair, at: str) -> None:
    script = """
        CREATE TABLE articles (code TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL UNIQUE) WITHOUT ROWID;
        CREATE TABLE lines (
            id INTEGER PRIMARY KEY, article TEXT NOT NULL REFERENCES articles (code) ON UPDATE CASCADE
        );
        INSERT INTO articles VALUES ('A', 'Nut');
        INSERT INTO lines VALUES (1, 'A'), (2, 'A');
    """
    for statement in script.split(";"):
        pair.office.sql(statement)
    pair.office.done("table", "add", "articles", "lines")
    pair.begin(("all", *ALL_AND, "all"))
    write(getattr(pair, at), "UPDATE articles SET code = 'B' WHERE code = 'A'")
    pair.exchange()
    for place in (pair.office, pair.koeln):
        assert place.sql("SELECT * FROM articles") == [("B", "Nut")]
        assert place.sql("SELECT * FROM lines ORDER BY id") == [(1, "B"), (2, "B")]
        assert not pair.conflicts(place)
    assert pair.is_at_rest()


def test_new_rows_only_go_up_as_the_collect_found_them(pair: Pair) -> None:
    pair.begin(("customers", "--to-remote", "none", "--to-host", "new"))
    write(
        pair.koeln,
        "INSERT INTO customers VALUES (30, 'Cohn', NULL)",
        "UPDATE customers SET city = 'Celle' WHERE id = 30",
        "INSERT INTO customers VALUES (40, 'Diehl', NULL)",
        "DELETE FROM customers WHERE id = 40",
    )
    pair.exchange()
    assert pair.office.sql("SELECT id, city FROM customers WHERE id > 2") == [(30, "Celle")]
    write(pair.koeln, "UPDATE customers SET city = 'later' WHERE id = 30")
    pair.exchange()
    assert pair.office.sql("SELECT city FROM customers WHERE id = 30") == [("Celle",)], "later changes stay"
    assert pair.koeln.sql("SELECT city FROM customers WHERE id = 30") == [("later",)]
    assert not pair.conflicts(pair.office)
    assert not pair.conflicts(pair.koeln)
    assert pair.is_at_rest()


def test_a_row_that_a_table_of_the_application_alone_refers_to_stays(pair: Pair) -> None:
    """The table is not replicated, at the station or at the host: its foreign key holds all the same."""
    pair.begin(("all", *ALL_AND, "all"))
    for place in (pair.koeln, pair.office):
        place.sql(
            "CREATE TABLE drafts (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES Customers ON DELETE CASCADE)"
        )
    pair.office.sql("INSERT INTO customers VALUES (3, 'Cohn', NULL), (4, 'Diehl', NULL)")
    pair.exchange()
    pair.koeln.sql("INSERT INTO drafts VALUES (1, 3)")
    pair.office.sql("INSERT INTO drafts VALUES (1, 4)")
    pair.office.sql("DELETE FROM customers WHERE id = 3")
    pair.koeln.sql("DELETE FROM customers WHERE id = 4")
    pair.exchange()
    assert pair.koeln.sql("SELECT id FROM customers WHERE id > 2 ORDER BY id") == [(3,), (4,)]
    assert pair.office.sql("SELECT id FROM customers WHERE id > 2") == [(4,)]
    assert pair.conflicts(pair.koeln) == ["parent-kept"]
    assert pair.conflicts(pair.office) == ["parent-kept"]
    for place in (pair.koeln, pair.office):
        assert not place.sql("PRAGMA foreign_key_check")
    assert pair.is_at_rest()


def test_a_row_that_is_shared_no_more_is_not_brought_by_a_load(pair: Pair) -> None:
    """The host has deleted it and made it anew, and neither goes down (seed 1887)."""
    pair.begin(("customers", "--to-remote", "none", "--to-host", "all"))
    office, koeln = pair.office, pair.koeln
    own = [(70, "of", "Köln"), (71, "as", "well")]
    write(koeln, *(f"INSERT INTO customers VALUES {row}" for row in own))
    pair.exchange()
    write(office, "DELETE FROM customers WHERE id = 70")
    for _ in range(2):
        pair.exchange()
        assert koeln.sql("SELECT * FROM customers WHERE id >= 70") == own
        office.done("station", "reload", "Köln")
        pair.exchange()
        assert koeln.sql("SELECT * FROM customers WHERE id >= 70") == own
        write(office, "INSERT OR REPLACE INTO customers VALUES (70, 'of', 'the host')")
    write(koeln, "INSERT INTO customers VALUES (72, 'goes', 'on')")
    pair.exchange()
    assert office.sql("SELECT id FROM customers WHERE id = 72") == [(72,)]
