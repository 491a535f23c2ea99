"""What a kind of database can take of a table, told from the definition alone."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.databases.elsewhere import KINDS, outlook, title_of
from replicator.databases.mariadb.wording import indexes_here, words_of
from replicator.databases.postgresql.limits import can_be_indexed
from replicator.databases.sqlite.definitions import create_statements
from replicator.errors import UnfitTable
from replicator.types import (
    ColumnDefinition,
    ColumnType,
    ForeignKey,
    Index,
    TableDefinition,
    TypeKind,
    UniqueKey,
)

INTEGER = ColumnType(TypeKind.INTEGER, bits=32)


def table(*columns: ColumnDefinition, name: str = "orders", **more: object) -> TableDefinition:
    whole = (ColumnDefinition("id", INTEGER, nullable=False), *columns)
    return TableDefinition(name, whole, ("id",), **more)  # type: ignore[arg-type]


def of(kind: TypeKind, **more: object) -> TableDefinition:
    return table(ColumnDefinition("amount", ColumnType(kind, **more)))  # type: ignore[arg-type]


def test_nothing_has_to_be_installed() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = sys.modules['pymysql'] = None\n"
        "from replicator.databases.elsewhere import KINDS, outlook\n"
        "from replicator.types import *\n"
        "numeric = ColumnType(TypeKind.NUMERIC, precision=70)\n"
        "definition = TableDefinition('t', (ColumnDefinition('id', numeric, False),), ('id',))\n"
        "print(*(len(outlook(kind, definition, {}).refused) for kind in KINDS))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (KINDS, done.stdout.split()) == (("mariadb", "postgresql", "sqlite"), ["1", "0", "0"])


REFUSED = {
    (TypeKind.ANY, "postgresql"): "Column orders.amount holds values of any type",
    (TypeKind.ANY, "mariadb"): "Column orders.amount can't be carried",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("type_", TypeKind)
def test_each_type_on_each_kind(type_: TypeKind, kind: str) -> None:
    found = outlook(kind, of(type_), {})
    words = REFUSED.get((type_, kind))
    assert (len(found.refused), found.unmade) == (words is not None, [])
    assert words is None or found.refused[0].startswith(words)


@pytest.mark.parametrize(
    ("definition", "kind", "words"),
    [
        (
            of(TypeKind.NUMERIC, precision=66, scale=2),
            "mariadb",
            r"orders.amount can't.* 66 digits with 2 .* 65 and 38",
        ),
        (of(TypeKind.NUMERIC, precision=60, scale=39), "mariadb", "60 digits with 39"),
        (of(TypeKind.NUMERIC, precision=3, scale=-2), "mariadb", "3 digits with -2"),
        (table(name="n" * 65), "mariadb", "n{65} has more than 64 characters"),
        (table(name="ä" * 32), "postgresql", "ä{32} has more than 63 bytes"),
        (table(ColumnDefinition("ctid", INTEGER)), "postgresql", "orders.ctid has a name that PostgreSQL keeps"),
        (table(name="replicator_orders"), "sqlite", "replicator_orders belongs to"),
        (table(name="Replicator_orders"), "mariadb", "Replicator_orders belongs to"),
        (table(ColumnDefinition("ID", INTEGER)), "sqlite", "The columns id and ID of table orders"),
        (table(ColumnDefinition("ID", INTEGER)), "mariadb", "The columns id and ID of table orders"),
    ],
)
def test_what_is_refused_is_named_with_the_reason(definition: TableDefinition, kind: str, words: str) -> None:
    (reason,) = outlook(kind, definition, {}).refused
    assert re.search(words, reason), reason


def test_a_foreign_key_needs_a_parent_of_one_kind_with_a_key() -> None:
    child = table(
        ColumnDefinition("of", ColumnType(TypeKind.TEXT)), foreign_keys=(ForeignKey(("of",), "p", ("code",)),)
    )
    loose = table(ColumnDefinition("code", INTEGER), name="p")
    keyed = table(ColumnDefinition("code", INTEGER), name="p", unique_keys=(UniqueKey(("code",)),))
    sound = table(ColumnDefinition("code", ColumnType(TypeKind.TEXT)), name="p", unique_keys=(UniqueKey(("code",)),))
    assert [len(outlook(kind, child, {"p": loose}).refused) for kind in KINDS] == [1, 2, 1]
    assert [len(outlook(kind, child, {"p": keyed}).refused) for kind in KINDS] == [1, 1, 0]
    assert [len(outlook(kind, child, {"p": sound}).refused) for kind in KINDS] == [0, 0, 0]
    assert [len(outlook(kind, child, {}).refused) for kind in KINDS] == [0, 0, 0]


def test_what_may_stand_there_in_another_form_is_not_refused() -> None:
    strange = table(ColumnDefinition("a", INTEGER, collation="KLINGON"))
    flag = table(
        ColumnDefinition("of", ColumnType(TypeKind.BOOLEAN)), foreign_keys=(ForeignKey(("of",), "p", ("id",)),)
    )
    json = table(ColumnDefinition("a", ColumnType(TypeKind.JSON)), unique_keys=(UniqueKey(("a",)),))
    for definition, kind, words in (
        (strange, "sqlite", "KLINGON"),
        (flag, "postgresql", "of (boolean) refers to p.id (integer)"),
        (flag, "mariadb", "of (boolean) refers to p.id (integer)"),
        (json, "postgresql", "orders.a is JSON in a key"),
    ):
        told = outlook(kind, definition, {"p": table(name="p")})
        assert (told.refused, len(told.unmade)) == ([], 1)
        assert words in told.unmade[0]


def test_an_index_that_cannot_be_is_left_out_and_makes_no_column_narrower() -> None:
    kinds = {"note": TypeKind.TEXT, "scan": TypeKind.BLOB, "data": TypeKind.JSON, "day": TypeKind.DATE}
    columns = [ColumnDefinition(name, ColumnType(kind)) for name, kind in kinds.items()]
    columns += [ColumnDefinition("long", ColumnType(TypeKind.TEXT, length=1000))]
    columns += [ColumnDefinition(f"c{number}", INTEGER) for number in range(33)]
    all_of_them = tuple(f"c{number}" for number in range(33))
    definition = table(
        *columns,
        indexes=(
            Index("one", ("note",)),
            Index("several", ("note", "scan", "data", "day")),
            Index("plain", ("day", "c1")),
            Index("text", ("long",)),
            Index("wide", all_of_them),
        ),
    )
    words = words_of(definition)
    assert words["note"] == "longtext"
    assert indexes_here(definition, words) == [
        ("one", [("note", 768)]),
        ("several", [("note", 255), ("scan", 1023), ("data", 255), ("day", None)]),
        ("plain", [("day", None), ("c1", None)]),
        ("text", [("long", 768)]),
    ]
    assert [can_be_indexed(definition, index.columns) for index in definition.indexes] == [
        True,
        False,
        True,
        True,
        False,
    ]
    for kind in KINDS:
        told = outlook(kind, definition, {})
        assert (told.refused, told.unmade, told.altered) == ([], [], []), kind


def test_tables_of_one_name_but_for_capitals() -> None:
    both = {"orders": table(), "Orders": table(name="Orders")}
    assert outlook("sqlite", table(), both).refused == [
        "The tables orders and Orders have one name on SQLite, where capitals don't count: rename one."
    ]
    assert outlook("postgresql", table(), both).refused == []


def test_what_is_told_and_not_refused() -> None:
    numeric = ColumnDefinition("amount", ColumnType(TypeKind.NUMERIC))
    at = ColumnDefinition("at", ColumnType(TypeKind.TIMESTAMP_WITH_ZONE))
    code = ColumnDefinition("code", ColumnType(TypeKind.TEXT, length=900))
    whole = table(
        numeric,
        at,
        code,
        unique_keys=(UniqueKey(("code",)),),
        foreign_keys=(ForeignKey(("code",), "parts", ("code",), on_update="CASCADE"),),
    )
    told = outlook("mariadb", whole, {})
    assert (told.refused, told.unmade) == ([], [])
    assert [sentence.split(":")[0] for sentence in told.altered[:3]] == [
        "Column orders.code is in a key",
        "Column orders.amount",
        "Column orders.at",
    ]
    assert "follows a changed key of parts" in told.altered[3]
    (kept,) = outlook("sqlite", whole, {}).altered
    assert "kept and sorted as text" in kept
    assert outlook("postgresql", whole, {}).altered == []


def test_usual_tables_are_not_remarked_on() -> None:
    usual = table(
        ColumnDefinition("name", ColumnType(TypeKind.TEXT, length=80), nullable=False),
        ColumnDefinition("note", ColumnType(TypeKind.TEXT)),
        ColumnDefinition("price", ColumnType(TypeKind.NUMERIC, precision=12, scale=2)),
        ColumnDefinition("weight", ColumnType(TypeKind.REAL)),
        ColumnDefinition("day", ColumnType(TypeKind.DATE)),
        ColumnDefinition("at", ColumnType(TypeKind.TIMESTAMP)),
        unique_keys=(UniqueKey(("name",)),),
        indexes=(Index("by_day", ("day", "name")),),
    )
    for kind in KINDS:
        told = outlook(kind, usual, {})
        assert (told.refused, told.unmade, told.altered) == ([], [], []), kind


def test_words_that_mean_more_elsewhere_are_not_taken_for_mariadbs_own() -> None:
    columns = {
        "text": ColumnType(TypeKind.TEXT, declared="text"),
        "blob": ColumnType(TypeKind.BLOB, declared="blob"),
        "time": ColumnType(TypeKind.TIME, declared="time"),
        "datetime": ColumnType(TypeKind.TIMESTAMP, declared="datetime"),
        "own": ColumnType(TypeKind.TEXT, declared="mediumtext"),
        "code": ColumnType(TypeKind.TEXT, declared="text"),
    }
    definition = table(*(ColumnDefinition(*each) for each in columns.items()), unique_keys=(UniqueKey(("code",)),))
    assert list(words_of(definition).values()) == [
        "int",
        "longtext",
        "longblob",
        "time(6)",
        "datetime(6)",
        "mediumtext",
        "varchar(750)",
    ]


def test_many_short_texts_are_made_long_ones_on_mariadb() -> None:
    """Of those, a row's page holds less."""
    short = ColumnType(TypeKind.TEXT, length=40)
    columns = [ColumnDefinition(f"c{number}", short) for number in range(50)]
    assert set(words_of(table(*columns[:49])).values()) == {"int", "varchar(40)"}
    found = words_of(table(*columns, ColumnDefinition("code", short), unique_keys=(UniqueKey(("code",)),)))
    assert (set(found.values()), found["code"]) == ({"int", "longtext", "varchar(40)"}, "varchar(40)")


def test_a_kind_that_is_not_known_here_refuses_nothing() -> None:
    assert outlook("db2", of(TypeKind.ANY), {}).refused == []
    assert (title_of("db2"), title_of("mariadb")) == ("db2", "MariaDB")


types = st.builds(
    ColumnType,
    st.sampled_from(TypeKind),
    length=st.none() | st.integers(-1, 2**32),
    precision=st.none() | st.integers(-1, 2000),
    scale=st.none() | st.integers(-2000, 2000),
    bits=st.none() | st.sampled_from([16, 32, 64]),
    declared=st.none() | st.sampled_from(["", "INT", "varchar(3)", "decimal(80,2)", "enum('a','b')", "x"]),
)
names = st.text("aAäÄ_ 😀x", min_size=1, max_size=70)


@st.composite
def definitions(draw: st.DrawFn) -> TableDefinition:
    """As they may come to be: whatever `definition_from_plain` takes."""
    columns = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    some = st.lists(st.sampled_from(columns), min_size=1, max_size=3, unique=True).map(tuple)
    made = [
        ColumnDefinition(name, draw(types), draw(st.booleans()), collation=draw(st.sampled_from([None, "NOCASE", "X"])))
        for name in columns
    ]
    key = draw(some)
    foreign = st.builds(
        ForeignKey,
        some,
        st.just("t"),
        st.just(key),
        on_delete=st.sampled_from(["NO ACTION", "CASCADE", "SET DEFAULT"]),
    ).filter(lambda each: len(each.columns) == len(each.parent_columns))
    return TableDefinition(
        draw(st.sampled_from(["t", "sqlite_t", "T" * 70])),
        tuple(made),
        key,
        tuple(map(UniqueKey, draw(st.lists(some, max_size=2)))),
        tuple(draw(st.lists(foreign, max_size=1))) if len(key) == 1 else (),
        tuple(Index(f"i{number}", each) for number, each in enumerate(draw(st.lists(some, max_size=2)))),
        autoincrement=draw(st.booleans()),
    )


@given(definitions())
def test_whatever_the_definition_each_kind_has_an_answer_and_sqlite_keeps_to_it(definition: TableDefinition) -> None:
    for kind in KINDS:
        told = outlook(kind, definition, {definition.name: definition})
        assert all(sentence.endswith(".") for sentence in (*told.refused, *told.unmade, *told.altered))
    told = outlook("sqlite", definition, {})
    if told.refused or told.unmade:
        with pytest.raises(UnfitTable, match=re.escape(" ".join([*told.refused, *told.unmade]))):
            create_statements(definition)
        return
    with closing(sqlite3.connect(":memory:")) as raw:
        for statement in create_statements(definition):
            raw.execute(statement)
