"""An application's own migrations with Alembic say what is replicated: on each database, forwards, backwards, by
autogenerate and as SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from alembic.util import CommandError
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from tests.applications.alembic_site import AlembicSite
from tests.integration.command_line import Place, exchange

NewPlace = Callable[[str, str], Any]

FIRST = """
op.create_table("customers", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(80)))
op.replicate_table("customers", area="Sales", policy="merge", rules={"all": "all"})
"""
SECOND = """
op.create_table(
    "orders",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("customer", sa.Integer, sa.ForeignKey("customers.id")),
    sa.Column("note", sa.String(80)),
)
op.execute(
    "INSERT INTO customers SELECT 1, 'Ahlers' FROM (SELECT count(*) AS n FROM customers WHERE id = 1) c WHERE c.n = 0"
)
op.execute("INSERT INTO orders VALUES (1, 1, '100% of it: Köln''s')")
op.replicate_table("orders", rules={"all": "all"})
"""
SECOND_BACK = """
op.stop_replicating("orders")
op.drop_table("orders")
"""
THIRD = """
op.add_column("customers", sa.Column("points", sa.Integer, server_default="7", nullable=False))
op.execute("UPDATE customers SET points = 9 WHERE id = 1")
op.refresh_capture("customers")
"""


@dataclass
class World:
    office: Any
    koeln: Any
    site: AlembicSite
    later: bool
    """What is asked for is done by the next run."""

    def replicated(self) -> dict[str, str]:
        return {each["name"]: each["policy"] for each in self.office.done("table", "list", "--json").json}

    def carry_out(self) -> None:
        waiting = self.office.done("migrate", "status", "--json").json["requests"]
        assert bool(waiting) == self.later
        self.office.done("migrate", "upgrade")


WAYS = ["sqlite", "postgresql", "postgresql-member", "mariadb"]


def world_on(way: str, new_place: NewPlace) -> World:
    """A host without tables, its station, and the application's migrations at the host."""
    kind, _, role = way.partition("-")
    office = new_place(kind, "office")
    office.sql("CREATE TABLE sessions (id integer NOT NULL PRIMARY KEY)")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    koeln = new_place("sqlite", "koeln")
    office.done("station", "add", "koeln", "--address", "koeln@example.com", "--out", office.folder / "k.invitation")
    koeln.done("remote-init", office.folder / "k.invitation", *koeln.options)
    url, before = office.application_url, ()
    if role:
        # Whoever may act as the replicator migrates: its tables still belong to the application.
        url, before = office.server.url(office.database, "replicator"), ("SET ROLE application",)
    site = AlembicSite(office.folder / "migrations", url, before=before, replicator_home=str(office.home))
    return World(office, koeln, site, later=way == "postgresql")


@pytest.fixture(params=WAYS)
def world(request: pytest.FixtureRequest, new_place: NewPlace) -> World:
    return world_on(request.param, new_place)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def on_each(request: pytest.FixtureRequest, new_place: NewPlace) -> World:
    """Where it makes no difference whether PostgreSQL's migration is joined."""
    return world_on(request.param, new_place)


@pytest.fixture
def alone(new_place: NewPlace) -> World:
    """On SQLite only."""
    return world_on("sqlite", new_place)


def rows(place: Place, select: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in place.sql(select)]


def found_by_check(place: Place) -> list[str]:
    return [each["subject"] for each in place.call("migrate", "check", "--json").json]


def needs(place: Place) -> list[str]:
    return [need["message"] for need in place.call("status", "--json").json["needs"]]


def test_tables_come_and_go_with_the_applications_migrations(world: World) -> None:
    office, koeln, site = world.office, world.koeln, world.site
    site.write("1", FIRST, 'op.stop_replicating("customers")\nop.drop_table("customers")')
    site.upgrade()
    world.carry_out()
    assert world.replicated() == {"customers": "merge"}
    office.done("table", "check")
    exchange(office, koeln)
    koeln.sql("INSERT INTO customers VALUES (5, 'Eilers')")
    site.write("2", SECOND, SECOND_BACK)
    site.write("3", THIRD, 'op.drop_column("customers", "points")')
    site.upgrade()
    world.carry_out()
    assert world.replicated() == {"customers": "merge", "orders": "host"}
    office.done("table", "check")
    exchange(office, koeln)
    for place in (office, koeln):
        assert rows(place, "SELECT id, name, points FROM customers ORDER BY id") == [
            (1, "Ahlers", 9),
            (5, "Eilers", 7),
        ]
        assert rows(place, "SELECT note FROM orders") == [("100% of it: Köln's",)]
    koeln.sql("UPDATE orders SET note = 'of Köln' WHERE id = 1")
    exchange(koeln, office)
    assert rows(office, "SELECT note FROM orders") == [("of Köln",)]
    assert needs(office) == needs(koeln) == []
    assert found_by_check(office) == ["sessions"]
    # Said again it changes nothing.
    site.write("4", 'op.replicate_table("orders", rules={"all": "all"})\nop.refresh_capture("orders", "customers")')
    site.upgrade()
    world.carry_out()
    office.done("host-run")
    assert office.done("status", "--json").json["needs"] == []


def test_a_migration_is_taken_back(world: World) -> None:
    office, koeln, site = world.office, world.koeln, world.site
    site.write("1", FIRST)
    site.write("2", SECOND, SECOND_BACK)
    site.upgrade()
    world.carry_out()
    exchange(office, koeln)
    site.downgrade("1")
    world.carry_out()
    assert world.replicated() == {"customers": "merge"}
    office.sql("INSERT INTO customers VALUES (2, 'Anders')")
    exchange(office, koeln)
    assert rows(koeln, "SELECT name FROM customers ORDER BY id") == [("Ahlers",), ("Anders",)]
    assert rows(koeln, "SELECT id FROM orders") == [(1,)], "rows stay where they are"
    assert needs(office) == needs(koeln) == []
    site.upgrade()
    world.carry_out()
    exchange(office, koeln)
    assert rows(koeln, "SELECT note FROM orders") == [("100% of it: Köln's",)]


def test_what_fails_takes_the_migration_with_it(world: World) -> None:
    """Where definitions are in transactions; else what was asked for waits for a person."""
    office, site = world.office, world.site
    site.write("1", 'op.create_table("logbook", sa.Column("line", sa.String(80)))\nop.replicate_table("logbook")')
    if world.later:
        site.upgrade()
        assert office.call("migrate", "upgrade").code == 3
        (message,) = needs(office)
        assert "no primary key" in message
        return
    with pytest.raises(CommandError, match="no primary key"):
        site.upgrade()
    assert world.replicated() == {}
    office.done("host-run")
    assert needs(office) == []


def test_the_script_asks_for_what_the_node_has_to_do(on_each: World) -> None:
    world, office, koeln, site = on_each, on_each.office, on_each.koeln, on_each.site
    site.options.pop("replicator_home")  # written on a computer that knows no node
    for number, text in (("1", FIRST), ("2", SECOND), ("3", THIRD)):
        site.write(number, text, "pass")
    script = site.script("head")
    assert "-- replicate customers: the node does it with its next run" in script
    for statement in statements(script):
        office.sql(statement)
    assert world.replicated() == {}
    result = office.done("host-run")
    assert "a migration asked to replicate orders: done" in result.out
    exchange(office, koeln)
    assert world.replicated() == {"customers": "merge", "orders": "host"}
    assert rows(koeln, "SELECT id, name, points FROM customers ORDER BY id") == [(1, "Ahlers", 9)]
    assert rows(koeln, "SELECT note FROM orders") == [("100% of it: Köln's",)]
    assert found_by_check(office) == ["sessions"]


def statements(script: str) -> list[str]:
    lines = [line for line in script.splitlines() if line.strip() and not line.startswith("--")]
    found = [each.strip() for each in "\n".join(lines).split(";\n")]
    return [each.rstrip(";") for each in found if each.rstrip(";") not in ("", "BEGIN", "COMMIT")]


LOOKED_AT = """
look = sa.text(
    "SELECT current_user, current_setting('search_path'), current_setting('lock_timeout'), current_setting('role'),"
    " current_setting('TimeZone'), true, ARRAY['a']"
)
before = op.get_bind().execute(look, {}).fetchall()
op.create_table("lorries", sa.Column("id", sa.Integer, primary_key=True))
op.replicate_table("lorries", rules={"all": "all"})
op.execute("INSERT INTO lorries VALUES (1)")
op.refresh_capture("lorries")
assert op.get_bind().execute(look, {}).fetchall() == before, "the connection is as it was"
assert op.get_bind().execute(sa.text("SELECT :x AND id = 1 FROM lorries"), {"x": True}).fetchall() == [(True,)]
"""


def test_a_connection_that_was_joined_is_as_it_was(new_place: NewPlace) -> None:
    world = world_on("postgresql-member", new_place)
    world.site.write("1", LOOKED_AT + "raise RuntimeError('afterwards')")
    with pytest.raises(RuntimeError, match="afterwards"):
        world.site.upgrade()
    assert world.replicated() == {}
    world.office.done("host-run")
    world.site.write("2", "pass")
    path = world.site.folder / "versions" / "1.py"
    path.write_text(path.read_text(encoding="utf-8").replace("raise RuntimeError('afterwards')", ""), encoding="utf-8")
    world.site.upgrade()
    world.office.done("table", "check")
    exchange(world.office, world.koeln)
    assert rows(world.koeln, "SELECT id FROM lorries") == [(1,)]
    assert needs(world.office) == needs(world.koeln) == []


# --- which node -------------------------------------------------------------------------------------------------------


def test_the_node_has_to_be_named(alone: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alone.site.options.clear()
    alone.site.write("1", FIRST)
    with pytest.raises(CommandError, match="replicator_home"):
        alone.site.upgrade()
    alone.office.sql("DROP TABLE IF EXISTS customers")
    alone.site.options["replicator_home"] = str(alone.office.folder / "nowhere")
    with pytest.raises(CommandError, match="there is no node in"):
        alone.site.upgrade()
    alone.office.sql("DROP TABLE IF EXISTS customers")
    alone.site.options.clear()
    alone.site.ini["replicator_home"] = str(alone.office.folder / "elsewhere")
    with pytest.raises(CommandError, match="elsewhere"):
        alone.site.upgrade()
    alone.office.sql("DROP TABLE IF EXISTS customers")
    alone.site.ini.clear()
    monkeypatch.setenv("REPLICATOR_HOME", str(alone.office.home))
    alone.site.upgrade()
    assert alone.replicated() == {"customers": "merge"}


def test_without_a_node_nothing_is_replicated_where_that_was_said(alone: World, new_place: NewPlace) -> None:
    other = new_place("sqlite", "other")
    other.sql("CREATE TABLE sessions (id integer NOT NULL PRIMARY KEY)")
    alone.site.options["replicator_home"] = "none"
    alone.site.url = other.application_url
    alone.site.write("1", FIRST)
    alone.site.upgrade()
    assert rows(other, "SELECT * FROM customers") == []
    assert alone.replicated() == {}


def test_another_database_than_the_nodes_is_noticed(world: World, new_place: NewPlace) -> None:
    kind = type(world.office).__name__.removesuffix("Place").lower() or "sqlite"
    other = new_place(kind, "other")
    other.sql("CREATE TABLE sessions (id integer NOT NULL PRIMARY KEY)")
    world.site.url, world.site.before = other.application_url, ()
    world.site.write("1", FIRST)
    with pytest.raises(CommandError, match="another one than the node's"):
        world.site.upgrade()
    assert world.replicated() == {}


def test_at_a_station_the_migration_does_what_is_the_stations(alone: World) -> None:
    world, office, koeln = alone, alone.office, alone.koeln
    world.site.write("1", FIRST)
    world.site.upgrade()
    world.carry_out()
    exchange(office, koeln)
    there = AlembicSite(koeln.folder / "there", koeln.application_url, replicator_home=str(koeln.home))
    there.write("1", 'op.replicate_table("customers")\nop.stop_replicating("nothing")')
    there.upgrade()
    world.site.write("2", THIRD)
    world.site.upgrade()
    world.carry_out()
    there.write("2", THIRD)
    there.upgrade()
    koeln.sql("INSERT INTO customers VALUES (8, 'Hansen', 3)")
    exchange(office, koeln)
    assert rows(office, "SELECT name, points FROM customers WHERE id = 8") == [("Hansen", 3)]
    assert needs(office) == needs(koeln) == []


# --- autogenerate -----------------------------------------------------------------------------------------------------


def described(metadata: MetaData, *, note: bool = False, **info: object) -> None:
    Table(
        "customers",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(80)),
        *([Column("note", String(40))] if note else []),
        info={"replicate": info or True},
    )


def test_autogenerate_compares_with_what_is_replicated(on_each: World) -> None:
    world, office, koeln, site = on_each, on_each.office, on_each.koeln, on_each.site
    described(site.metadata, policy="merge", rules={"koeln": ("all", "new,changed")})
    Table(
        "orders",
        site.metadata,
        Column("id", Integer, primary_key=True),
        Column("customer", Integer, ForeignKey("customers.id")),
        info={"replicate": True},
    )
    Table("sessions", site.metadata, Column("id", Integer, primary_key=True))
    text = site.generate("1")
    up, _, down = text.partition("def downgrade")
    assert 'op.replicate_table("customers", policy="merge", rules={"koeln": ("all", "new,changed")})' in up
    assert up.index("create_table('orders'") < up.index('replicate_table("customers"') < up.index('table("orders")')
    assert down.index('stop_replicating("orders")') < down.index("drop_table('orders')")
    assert "replicator_" not in text, "the replicator's own tables are nobody's to drop"
    site.upgrade()
    world.carry_out()
    assert world.replicated() == {"customers": "merge", "orders": "host"}
    exchange(office, koeln)
    assert "pass" in site.generate("2").partition("def downgrade")[0], "nothing is left to do"
    site.upgrade()
    # A column, another policy, one table less.
    site.metadata.clear()
    described(site.metadata, note=True, policy="newest")
    Table("sessions", site.metadata, Column("id", Integer, primary_key=True))
    text = site.generate("3")
    up, _, down = text.partition("def downgrade")
    assert up.index('stop_replicating("orders")') < up.index("drop_table('orders')")
    assert up.index("add_column('customers'") < up.index('op.refresh_capture("customers")')
    assert down.index("drop_column('customers'") < down.index('op.refresh_capture("customers")')
    assert 'policy="newest"' in up
    assert 'policy="merge"' in down
    assert down.index("create_table('orders'") < down.index('replicate_table("orders"')
    site.upgrade()
    world.carry_out()
    assert world.replicated() == {"customers": "newest"}
    office.sql("UPDATE customers SET note = 'x'")
    exchange(office, koeln)
    assert needs(office) == needs(koeln) == []


def test_what_is_not_said_is_left_as_it_is(alone: World) -> None:
    described(alone.site.metadata)
    alone.site.generate("1")
    alone.site.upgrade()
    alone.site.metadata.tables["customers"].info.clear()
    assert "replicat" not in alone.site.generate("2").partition("def upgrade")[2]
    alone.site.upgrade()
    alone.site.metadata.info["replicate"] = False
    assert 'op.stop_replicating("customers")' in alone.site.generate("3").partition("def downgrade")[0]
    alone.site.upgrade()
    assert alone.replicated() == {}
    alone.site.metadata.info["replicate"] = {"rule": "all"}
    with pytest.raises(CommandError, match="info of table customers"):
        alone.site.generate("4")


def test_a_table_that_is_made_anew_is_captured_again(alone: World) -> None:
    """SQLite: a batch makes the table anew, and the triggers go with the old one."""
    alone.site.write("1", FIRST)
    alone.site.upgrade()
    exchange(alone.office, alone.koeln)
    alone.office.sql("INSERT INTO customers VALUES (1, 'Ahlers')")
    batch = 'with op.batch_alter_table("customers", recreate="always") as batch:\n    batch.{}\n'
    alone.site.write(
        "2",
        batch.format('alter_column("name", nullable=False, existing_type=sa.String(80))')
        + 'op.refresh_capture("customers")',
    )
    alone.site.write("3", batch.format('drop_column("name")') + 'op.refresh_capture("customers")')
    alone.site.upgrade("2")
    alone.office.done("table", "check")
    alone.office.sql("INSERT INTO customers VALUES (2, 'Brandt')")
    exchange(alone.office, alone.koeln)
    assert rows(alone.koeln, "SELECT * FROM customers ORDER BY id") == [(1, "Ahlers"), (2, "Brandt")]
    alone.site.upgrade("3")
    alone.office.done("table", "check")


def test_an_open_transaction_of_the_migration_is_joined(alone: World) -> None:
    """SQLite: rows that the migration writes stand in a transaction; if it fails afterwards, ours is undone as well."""
    alone.site.write("1", FIRST)
    alone.site.upgrade()
    text = (
        'op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))\n'
        'op.execute("INSERT INTO orders VALUES (1)")\n'
        'op.replicate_table("orders", rules={"all": "all"})\n'
    )
    alone.site.write("2", text + "raise RuntimeError('afterwards')")
    with pytest.raises(RuntimeError, match="afterwards"):
        alone.site.upgrade()
    assert alone.replicated() == {"customers": "merge"}
    with closing(sqlite3.connect(alone.office.database_file)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    alone.office.done("host-run")
