"""`table upgrade` dies at any commit, and on MariaDB before and behind any definition, and is said again: no change is
lost, and the capture is whole."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from replicator.databases.mariadb import capture, change_tables
from replicator.operations.opening import open_node
from replicator.operations.table_upgrades import upgrade_tables
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.changed import NewPlace, conflicts, joined, make_anew, needs, rename, retype, rows
from tests.integration.command_line import Place, exchange

KINDS = ["sqlite", "postgresql", "mariadb"]


class _Died(BaseException):
    """Nothing on the way may take it for an error of its own."""


class Fuse:
    """Dies at the point that so many others come before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        for module in (capture, change_tables):
            monkeypatch.setattr(module, "execute", self._around(module.execute))

    def pass_by(self, *_: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise _Died

    def _around(self, execute: Any) -> Any:
        def dying(raw: Any, sql: str, *arguments: Any) -> Any:
            self.pass_by()
            found = execute(raw, sql, *arguments)
            self.pass_by()
            return found

        return dying


@pytest.fixture
def fuse(monkeypatch: pytest.MonkeyPatch) -> Fuse:
    return Fuse(monkeypatch)


def died(place: Place, fuse: Fuse, turn: int, renamed: dict[str, str]) -> bool:
    """Whether that many points were too few for it to come to its end."""
    fuse.left = turn
    runtime = Runtime(reached=lambda point: fuse.pass_by() if point.startswith("commit") else None)
    try:
        with open_node(Home(place.home, Files(runtime)), runtime) as node:
            upgrade_tables(node, ["customers"], renamed)
    except _Died:
        return True
    finally:
        fuse.left = None
    return False


class Application:
    """At one place. What fails, as between a rename and the new triggers, was not done."""

    def __init__(self, place: Any) -> None:
        self.place, self.column, self.number = place, "city", 10
        self.written: dict[int, str] = {1: "Bremen", 2: "Köln"}

    def write(self) -> None:
        self.number += 1
        with suppress(Exception):
            self.place.sql(
                f"INSERT INTO customers (id, name, {self.column}) VALUES ({self.number}, 'New', 'place {self.number}')"
            )
            self.written[self.number] = f"place {self.number}"
        for number in (2, max(self.written)):
            with suppress(Exception):
                self.place.sql(f"UPDATE customers SET {self.column} = 'moved {self.number}' WHERE id = {number}")
                self.written[number] = f"moved {self.number}"

    def migrate(self) -> dict[str, str]:
        old, self.column = self.column, "town" if self.column == "city" else "city"
        rename(self.place, old, self.column)
        return {old: self.column}


@pytest.mark.parametrize("kind", KINDS)
def test_the_host_dies_in_the_middle(new_place: NewPlace, fuse: Fuse, kind: str) -> None:
    office, koeln = joined(new_place, (kind, "sqlite"))
    application, turn, again = Application(office), 0, True
    while again:
        application.write()
        renamed = application.migrate()
        if kind != "sqlite":
            retype(office, "name", f"varchar({100 + turn})" + " NOT NULL" * (kind == "mariadb"))
        again = died(office, fuse, turn, renamed)
        application.write()
        office.done("table", "upgrade", "customers", "--renamed", "=".join(*renamed.items()))
        application.write()
        rename(koeln, *next(iter(renamed.items())))
        exchange(office, koeln, rounds=2)
        assert dict(rows(koeln, f"id, {application.column}")) == application.written
        assert_whole(office, koeln)
        turn += 1
    assert turn > (20 if kind == "mariadb" else 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_station_dies_in_the_middle(new_place: NewPlace, fuse: Fuse, kind: str) -> None:
    office, koeln = joined(new_place, ("sqlite", kind))
    application, turn, again = Application(koeln), 0, True
    while again:
        old = application.column
        new = "town" if old == "city" else "city"
        rename(office, old, new)
        office.sql(f"ALTER TABLE customers ADD COLUMN extra{turn} integer NOT NULL DEFAULT {turn}")
        office.done("table", "upgrade", "customers", "--renamed", f"{old}={new}")
        exchange(office, koeln, rounds=1)
        application.write()
        application.migrate()
        again = died(koeln, fuse, turn, {})
        application.write()
        koeln.done("table", "upgrade", "customers")
        application.write()
        exchange(koeln, office)
        assert dict(rows(office, f"id, {application.column}")) == application.written
        assert {row[1] for row in rows(koeln, f"id, extra{turn}")} == {turn}
        assert_whole(koeln, office)
        turn += 1
    assert turn > (20 if kind == "mariadb" else 2)


def assert_whole(place: Any, other: Place) -> None:
    assert sorted(rows(place, "id, name")) == sorted(rows(other, "id, name"))
    assert needs(place) == needs(other) == set()
    assert conflicts(place) == conflicts(other) == []
    place.done("table", "check")
    if type(place).__name__ == "MariadbPlace":
        exchange(place, rounds=1)
        names = place.sql(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'replicator_change_1%%'"
            " AND TABLE_SCHEMA = DATABASE()"
        )
        assert len(names) == 1


@pytest.mark.parametrize("point", range(6))
def test_a_table_that_was_made_anew_is_sent_whole_though_the_host_dies(
    new_place: NewPlace, fuse: Fuse, point: int
) -> None:
    office, koeln = joined(new_place, ("sqlite", "sqlite"))
    make_anew(office, {"city": "varchar(90)"})
    office.sql("UPDATE customers SET city = 'Celle' WHERE id = 1")
    died(office, fuse, point, {})
    office.sql("UPDATE customers SET name = 'Anders' WHERE id = 1")
    office.done("table", "upgrade", "customers")
    exchange(office, koeln)
    assert rows(koeln, "*") == rows(office, "*") == [(1, "Anders", "Celle"), (2, "Brandt", "Köln")]
