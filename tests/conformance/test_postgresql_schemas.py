"""Several schemas in one database: whose tables a node works on, and that nodes beside each other don't meet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from database_places import NodePlace, told

from replicator.errors import ConfigurationError, UnfitTable, UnknownName
from replicator.protocol.keys import pack_key

if TYPE_CHECKING:
    from postgresql_places import PostgresqlPlace


CUSTOMERS = "CREATE TABLE {}.customers (id integer PRIMARY KEY, name text)"


@pytest.fixture
def place(new_place: Callable[[str], PostgresqlPlace]) -> PostgresqlPlace:
    return new_place("postgresql")


def make_schema(place: PostgresqlPlace, name: str) -> None:
    with place.server.connect(place.name) as administrator:
        administrator.execute(f"CREATE SCHEMA {name} AUTHORIZATION application".encode())


def set_path(place: PostgresqlPlace, path: str) -> None:
    """Of our role, as an administrator does."""
    with place.server.connect(place.name) as administrator:
        administrator.execute(f'ALTER ROLE replicator IN DATABASE "{place.name}" SET search_path = {path}'.encode())


def table_names(node: Any) -> list[str]:
    with node.transaction() as connection:
        return list(node.table_names(connection))


def test_two_nodes_in_one_database(place: PostgresqlPlace) -> None:
    """Tables of the same name, and numbers that are the same at both: neither meets the other's."""
    make_schema(place, "sales")
    place.make(
        CUSTOMERS.format("sales"), CUSTOMERS.format("public"), "CREATE TABLE sales.only (id integer PRIMARY KEY)"
    )
    with closing(place.open(schema="sales")) as database:
        told_of = database.prepare()
        assert [sentence for sentence in told_of if "The schema replicator_sales was made" in sentence]
        assert database.prepare() == []
        sales = NodePlace(database)
        assert table_names(database) == ["customers", "only"]
        assert table_names(place.database) == ["customers"]
        (theirs,), (ours,) = sales.replicate("customers"), place.replicate("customers")
        place.run("INSERT INTO sales.customers VALUES (1, 'sales')")
        place.run("INSERT INTO public.customers VALUES (1, 'public')")
        place.run("TRUNCATE sales.customers")
        with place.database.transaction() as one, database.transaction() as other:
            # Commands of two nodes don't wait for each other.
            assert not place.database.outbox_is_empty(one)
            assert not database.outbox_is_empty(other)
        assert told(place.collect()) == [("I", (1, "public"), 0b11, None)]
        assert told(sales.collect()) == [("I", (1, "sales"), 0b11, None), ("D", None, 0, (1, "sales"))]
        with database.transaction() as connection, database.replaying(connection, [theirs]):
            database.write_images(connection, theirs, [(2, "came to sales"), (3, "came")])
            database.delete_keys(connection, theirs, [pack_key((3,))])
        with place.database.transaction() as connection:
            assert place.database.outbox_is_empty(connection)
            assert place.database.read_images(connection, ours, [pack_key((2,))]) == {}
            place.database.remove_capture(connection, ours)
        assert sales.collect() == []
        with database.transaction() as connection:
            assert database.capture_faults(connection, theirs) == []
        place.run("UPDATE sales.customers SET name = 'still captured'")
        assert [change.image for change in sales.collect()] == [(2, "still captured")]


def test_a_table_belongs_to_one_node(place: PostgresqlPlace) -> None:
    """`?schema=public` is a node of its own beside the one without: they may share the schema, and no table."""
    place.make(CUSTOMERS.format("public"), "CREATE TABLE free (id integer PRIMARY KEY)")
    (table,) = place.replicate("customers")
    words = "replicated by another node already, whose own tables stand in the schema replicator:"
    with closing(place.open(schema="public")) as database:
        database.prepare()
        with pytest.raises(UnfitTable, match=words), database.transaction() as connection:
            database.inspect(connection, "customers")
        with pytest.raises(UnfitTable, match=words), database.transaction() as connection:
            database.install_capture(connection, table)
        with database.transaction() as connection:
            assert words in database.differences(connection, table.definition)[0]
        NodePlace(database).replicate("free")
        with place.database.transaction() as connection:
            assert place.database.capture_faults(connection, table) == []
            place.database.remove_capture(connection, table)
        with database.transaction() as connection:
            assert database.inspect(connection, "customers") == table.definition


def test_without_a_name_the_first_of_the_path_counts_until_captures_stand(place: PostgresqlPlace) -> None:
    make_schema(place, "shop")
    place.make("CREATE TABLE shop.goods (id integer PRIMARY KEY)", "CREATE TABLE goods_here (id integer PRIMARY KEY)")
    assert table_names(place.database) == ["goods_here"]
    words = r"but in the schema shop: .*\?schema=shop at the end"
    with pytest.raises(UnknownName, match=words), place.database.transaction() as connection:
        place.database.inspect(connection, "goods")
    place.make("CREATE TABLE goods (id integer PRIMARY KEY, other text)")
    set_path(place, "shop, public")
    with ExitStack() as stack:
        first = NodePlace(stack.enter_context(closing(place.open())))
        (table,) = first.replicate("goods")
        assert table.definition.column_names == ("id",)
        with first.database.transaction() as connection, pytest.raises(UnknownName, match="in the schema shop"):
            first.database.inspect(connection, "goods_here")
        # Now a path leads to another table of that name, and nobody follows it.
        set_path(place, "public")
        later = NodePlace(stack.enter_context(closing(place.open())))
        later.tables = first.tables
        with later.database.transaction() as connection, later.database.replaying(connection, [table]):
            assert later.database.capture_faults(connection, table) == []
            assert later.database.differences(connection, table.definition) == []
            later.database.write_images(connection, table, [(1,)])
        place.run("INSERT INTO shop.goods VALUES (2)")
        place.run("INSERT INTO public.goods VALUES (3)")
        assert [change.image for change in later.collect()] == [(2,)]
        place.run("ALTER SCHEMA shop RENAME TO store")
        renamed = stack.enter_context(closing(place.open()))
        with renamed.transaction() as connection:
            assert [fault for fault in renamed.capture_faults(connection, table) if "out of date" not in fault] == []
            assert renamed.count(connection, table) == 2
    assert place.run("SELECT * FROM public.goods") == [(3, None)]


def test_another_nodes_own_schema_is_not_taken_for_the_applications(place: PostgresqlPlace) -> None:
    """The role's "$user" may be a schema of ours."""
    make_schema(place, "sales")
    place.make("CREATE TABLE sales.goods (id integer PRIMARY KEY)", "CREATE TABLE notes (id integer PRIMARY KEY)")
    with closing(place.open(schema="sales")) as database:
        database.prepare()
    set_path(place, "replicator_sales, replicator, public")
    with closing(place.open()) as database:
        assert table_names(database) == ["notes"]


def test_what_the_application_has_on_its_path_does_not_come_between(place: PostgresqlPlace) -> None:
    """Names that the captures use, in a schema that comes first for the application, and even before pg_catalog."""
    make_schema(place, "decoy")
    place.make(
        "CREATE TYPE decoy.mood AS ENUM ('x')",
        "CREATE TYPE public.mood AS ENUM ('sad', 'glad')",
        "CREATE TABLE customers (id integer PRIMARY KEY, mood mood)",
        "CREATE TABLE decoy.customers (id integer PRIMARY KEY, mood text)",
        "CREATE TABLE decoy.changed (id integer, mood text)",
        'CREATE TABLE decoy.change_1 (id bigint, txid xid8, op "char", at timestamptz, n1 integer, n2 text)',
        "CREATE SEQUENCE decoy.change_id START 5000",
        "CREATE FUNCTION decoy.nextval(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "CREATE FUNCTION decoy.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
    )
    (table,) = place.replicate("customers")
    place.make(
        "SET search_path = decoy, pg_catalog, public",
        "INSERT INTO public.customers VALUES (1, 'sad'), (2, 'glad')",
        "INSERT INTO customers VALUES (7, 'other')",
        "UPDATE public.customers SET mood = 'glad' WHERE id = 1",
        "DELETE FROM public.customers WHERE id = 1",
        "TRUNCATE public.customers",
    )
    assert told(place.collect()) == [
        ("I", (1, "sad"), 0b11, None),
        ("I", (2, "glad"), 0b11, None),
        ("U", (1, "glad"), 0b10, ("sad",)),
        ("D", None, 0, (1, "glad")),
        ("D", None, 0, (2, "glad")),
    ]
    # Nor does what our role has on its path, even before pg_catalog.
    place.make(
        "CREATE FUNCTION decoy.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT $2'",
        "CREATE FUNCTION decoy.current_schemas(boolean) RETURNS name[] LANGUAGE sql AS 'SELECT ''{decoy}''::name[]'",
        "CREATE FUNCTION decoy.to_regclass(text) RETURNS regclass LANGUAGE sql AS 'SELECT NULL::regclass'",
    )
    set_path(place, "decoy, pg_catalog, public")
    with (
        closing(place.open()) as database,
        database.transaction() as connection,
        database.replaying(connection, [table]),
    ):
        database.write_images(connection, table, [(number, "sad") for number in range(30)])
        assert database.capture_faults(connection, table) == []
    assert place.run("SELECT count(*) FROM public.customers") == [(30,)]
    for untouched in ("changed", "change_1"):
        assert place.run(f"SELECT count(*) FROM decoy.{untouched}") == [(0,)]
    assert place.run("SELECT * FROM decoy.customers") == [(7, "other")]


def test_names_of_schemas(place: PostgresqlPlace) -> None:
    name = 'Müller\'s "100%" Shop.x'
    quoted = '"' + name.replace('"', '""') + '"'
    make_schema(place, quoted)
    place.make(CUSTOMERS.format(quoted))
    with closing(place.open(schema=name)) as database:
        database.prepare()
        node = NodePlace(database)
        (table,) = node.replicate("customers")
        place.run(f"INSERT INTO {quoted}.customers VALUES (1, 'a')")
        place.run(f"ALTER TABLE {quoted}.customers ALTER COLUMN id TYPE bigint")
        with database.transaction() as connection:
            assert len(database.capture_faults(connection, table)) == 1
            database.install_capture(connection, table)
            assert database.capture_faults(connection, table) == []
        place.run(f"UPDATE {quoted}.customers SET id = 5000000000")
        with database.watch() as waits:
            assert waits()
        assert [change.image for change in node.collect()] == [(1, "a"), None, (5_000_000_000, "a")]
        with database.transaction() as connection:
            database.write_images(connection, table, [(number, "b") for number in range(30)])
            assert database.count(connection, table) == 31
    words = "There is no schema nothing in the database test"
    with closing(place.open(schema="nothing")) as database, pytest.raises(ConfigurationError, match=words):
        database.prepare()
    with pytest.raises(ConfigurationError, match="too long a name"):
        place.open(schema="s" * 53)
    with pytest.raises(ConfigurationError, match="must name one schema"):
        place.open(schema="")
    with pytest.raises(ConfigurationError, match=r"has an option shema, .*: did you mean schema\?"):
        place.open(shema="sales")
