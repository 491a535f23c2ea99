"""SQLite: portable definitions are read, made anew, compared; what can't be carried is refused or told."""

from __future__ import annotations

from typing import Any

import pytest
from database_places import SqlitePlace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replicator.databases.sqlite.columntypes import column_type
from replicator.errors import UnfitTable, UnknownName
from replicator.protocol.definitions import definition_from_plain, definition_to_plain
from replicator.types import (
    ColumnDefinition,
    ColumnType,
    Default,
    ForeignKey,
    Index,
    TableDefinition,
    TypeKind,
    UniqueKey,
)

# --- there and back -------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["id", "name", "Größe", "select", 'a "quoted" one', "x y", "n'o", "[b]", "collate", "a--b", "c,d"]
)
# SQLite itself writes its six standard types in capitals.
DECLARED = "INTEGER INT TEXT REAL BLOB ANY BIGINT varchar(20) numeric(19,2) DECIMAL(5) BOOLEAN DATE DATETIME UUID JSON"
TYPES = st.sampled_from(
    [*DECLARED.split(), "VARCHAR (30)", "double precision", "TIMESTAMP WITH TIME ZONE", "", "STRING"]
)
DEFAULTS = st.one_of(
    st.none(),
    st.builds(Default, literal=st.integers(-(2**63), 2**63 - 1)),
    st.builds(Default, literal=st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(Default, literal=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)),
    st.builds(Default, literal=st.binary(max_size=4)),
    st.builds(Default, expression=st.sampled_from(["now", "today", "time", "true", "false"])),
)
ACTIONS = st.sampled_from(["NO ACTION", "CASCADE", "SET NULL", "RESTRICT", "SET DEFAULT"])


@st.composite
def definitions(draw: st.DrawFn) -> TableDefinition:
    strict = draw(st.booleans())
    types = st.sampled_from(["INTEGER", "INT", "TEXT", "REAL", "BLOB", "ANY"]) if strict else TYPES
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique_by=str.lower))
    key = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)))
    columns = tuple(
        ColumnDefinition(
            name=name,
            type=column_type(draw(types)),
            nullable=name not in key and draw(st.booleans()),
            default=draw(DEFAULTS),
            collation=draw(st.sampled_from([None, "NOCASE", "RTRIM"])),
        )
        for name in names
    )
    without_rowid = draw(st.booleans())
    single = next(column for column in columns if column.name == key[0]) if len(key) == 1 else None
    is_rowid = single is not None and not without_rowid and single.type.declared == "INTEGER"
    if is_rowid:
        # The rowid's other name is always a number: it has no use for a default or a collation.
        bare = [ColumnDefinition(c.name, c.type, nullable=False) if c is single else c for c in columns]
        columns = tuple(bare)
    sets = st.lists(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True).map(tuple), max_size=2)
    unique = [columns_ for columns_ in draw(sets) if columns_ != key]
    keys = [UniqueKey(columns_, f"u{n}" if draw(st.booleans()) else None) for n, columns_ in enumerate(unique)]
    if len({key_.columns for key_ in keys}) < len(keys):
        keys = keys[:1]
    return TableDefinition(
        name=draw(st.sampled_from(["things", "Some Things", 'a"b'])),
        columns=columns,
        primary_key=key,
        unique_keys=tuple(sorted(keys, key=lambda key_: (key_.columns, key_.name or ""))),
        foreign_keys=tuple(
            ForeignKey(
                (draw(st.sampled_from(names)),),
                "Parents",
                ("Code",),
                draw(ACTIONS),
                draw(ACTIONS),
                draw(st.sampled_from([None, "fk one", "check"])),
                draw(st.booleans()),
            )
            for _ in range(draw(st.integers(0, 3)))
        ),
        indexes=tuple(Index(f"i{n}", columns_) for n, columns_ in enumerate(draw(sets))),
        autoincrement=is_rowid and draw(st.booleans()),
        options=(("strict",) if strict else ()) + (("without rowid",) if without_rowid else ()),
    )


@given(definitions())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_made_from_a_definition_has_that_definition(place: SqlitePlace, definition: TableDefinition) -> None:
    place.make("DROP TABLE IF EXISTS parents", "CREATE TABLE Parents (Code PRIMARY KEY NOT NULL)")
    with place.database.transaction() as connection:
        attempt = connection.begin_nested()
        place.database.create_table(connection, definition)
        read = place.database.inspect(connection, definition.name)
        assert read == definition
        assert definition_from_plain(definition_to_plain(read)) == read, "as the catalogue keeps it"
        assert place.database.differences(connection, definition) == []
        attempt.rollback()


def _inspect(place: SqlitePlace, name: str) -> TableDefinition:
    with place.database.transaction(write=False) as connection:
        return place.database.inspect(connection, name)


def _remarks(place: SqlitePlace, name: str) -> list[str]:
    with place.database.transaction(write=False) as connection:
        return place.database.remarks(connection, name)


def test_what_people_write_by_hand(place: SqlitePlace) -> None:
    place.make(
        "CREATE TABLE [Kunden] (Nr INTEGER PRIMARY KEY AUTOINCREMENT,"
        " `Name` VARCHAR(40) COLLATE nocase NOT NULL UNIQUE)",
        """CREATE TABLE Auftrag ( -- orders, of customers
            "Nr" integer /* the number, ) */ primary key,
            kunde INT CONSTRAINT von REFERENCES kunden ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
            preis DECIMAL(10,2) DEFAULT (0.5) CHECK (preis >= 0 AND 'a,b' <> ' COLLATE RTRIM '),
            am DATETIME DEFAULT (datetime('now')), art TEXT DEFAULT 'it''s', doppelt AS (preis * 2),
            zufall INTEGER DEFAULT (random()), kname TEXT, wort NOT NULL UNIQUE DEFAULT word,
            CONSTRAINT einmal UNIQUE (kunde, am),
            CONSTRAINT nach FOREIGN KEY (kname) REFERENCES Kunden (name) NOT DEFERRABLE INITIALLY DEFERRED
        )""",
        "CREATE INDEX nach_preis ON Auftrag (preis DESC)",
        "CREATE UNIQUE INDEX je_art ON Auftrag (lower(art)) WHERE preis > 0",
    )
    customers, orders = _inspect(place, "KUNDEN"), _inspect(place, "auftrag")
    assert customers == TableDefinition(
        name="Kunden",
        columns=(
            ColumnDefinition("Nr", ColumnType(TypeKind.INTEGER, declared="INTEGER"), nullable=False),
            ColumnDefinition(
                "Name", ColumnType(TypeKind.TEXT, 40, declared="VARCHAR(40)"), nullable=False, collation="NOCASE"
            ),
        ),
        primary_key=("Nr",),
        unique_keys=(UniqueKey(("Name",)),),
        autoincrement=True,
    )
    assert orders.column_names == ("Nr", "kunde", "preis", "am", "art", "zufall", "kname", "wort")
    assert [column.default for column in orders.columns] == [
        *(None, None, Default(0.5), Default(expression="now"), Default("it's"), None, None, Default("word"))
    ]
    assert orders.foreign_keys == (
        ForeignKey(("kunde",), "Kunden", ("Nr",), "RESTRICT", "NO ACTION", "von", True),
        ForeignKey(("kname",), "Kunden", ("Name",), name="nach"),
    )
    assert orders.unique_keys == (UniqueKey(("kunde", "am")), UniqueKey(("wort",)))
    assert orders.indexes == (Index("nach_preis", ("preis",)),)
    assert [
        words in remark
        for words, remark in zip(
            ["doppelt is generated", "zufall (random())", "CHECK", "je_art"], _remarks(place, "Auftrag"), strict=True
        )
    ] == [True] * 4
    assert _remarks(place, "Kunden") == []
    place.replicate("auftrag")
    place.run("INSERT INTO auftrag (nr) VALUES (1)")
    place.run("INSERT OR REPLACE INTO auftrag (nr, wort) VALUES (2, NULL)")
    assert [change.operation.value for change in place.collect()] == ["I", "D", "I"]


@pytest.mark.parametrize(
    ("statements", "name", "words"),
    [
        (["CREATE TABLE t (a)"], "t", "no primary key: give it one"),
        (["CREATE VIEW v AS SELECT 1 AS a"], "v", "a view"),
        (["CREATE VIRTUAL TABLE f USING fts5 (text)"], "f", "a virtual table"),
        (["CREATE VIRTUAL TABLE f USING fts5 (text)"], "f_data", "part of a virtual table"),
        (["CREATE TABLE Replicator_x (a PRIMARY KEY)"], "replicator_x", "belongs to the replicator"),
        (["CREATE TABLE t (a PRIMARY KEY, b REFERENCES gone)"], "t", "gone, which doesn't exist"),
        (
            ["CREATE TABLE p (a PRIMARY KEY, b)", "CREATE TABLE t (a PRIMARY KEY, b REFERENCES p (b))"],
            "t",
            "make it unique",
        ),
        (["CREATE TABLE t (a PRIMARY KEY, b REFERENCES t (c))"], "t", "a column c that it doesn't have"),
        (['CREATE TABLE t (a PRIMARY KEY, "b\nc")'], "t", "characters that can't be carried"),
    ],
)
def test_what_cannot_be_replicated_is_refused_with_a_sentence(
    place: SqlitePlace, statements: list[str], name: str, words: str
) -> None:
    place.make(*statements)
    with pytest.raises(UnfitTable) as caught:
        _inspect(place, name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_collation_of_the_applications_own_is_refused(place: SqlitePlace) -> None:
    place.application.create_collation("german", lambda one, other: (one > other) - (one < other))
    place.make("CREATE TABLE t (a PRIMARY KEY, b COLLATE german)")
    with pytest.raises(UnfitTable, match="GERMAN"):
        _inspect(place, "t")


def test_unknown_tables_and_the_list(place: SqlitePlace) -> None:
    place.make("CREATE TABLE b (a PRIMARY KEY)", "CREATE TABLE a (a PRIMARY KEY)", "CREATE VIEW v AS SELECT * FROM a")
    with pytest.raises(UnknownName, match="'c'"):
        _inspect(place, "c")
    with place.database.transaction(write=False) as connection:
        assert place.database.table_names(connection) == ["a", "b"]


def test_rows_without_a_key_are_refused_at_once(place: SqlitePlace) -> None:
    place.make("CREATE TABLE t (a TEXT PRIMARY KEY, b)", "INSERT INTO t VALUES (NULL, 1)")
    with pytest.raises(UnfitTable, match="have NULL in their primary key"):
        place.replicate("t")


WANTED = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, p INTEGER REFERENCES p, x NUMERIC)"


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (WANTED, []),
        (WANTED.replace("x NUMERIC", "x NUMERIC, more TEXT, still INTEGER NOT NULL DEFAULT 1, g AS (x)"), []),
        (WANTED.replace(" UNIQUE", "").replace("x NUMERIC", "x NUMERIC, UNIQUE (name)"), []),
        (WANTED.replace("x NUMERIC", "x NUMERIC, more TEXT NOT NULL"), ["further column more"]),
        (WANTED.replace(", x NUMERIC", ""), ["no column x"]),
        (WANTED.replace("x NUMERIC", "x TEXT"), ["type TEXT, not NUMERIC"]),
        (WANTED.replace(" NOT NULL", ""), ["name must not allow NULL"]),
        (WANTED.replace("UNIQUE", "UNIQUE COLLATE NOCASE"), ["collation NOCASE, not BINARY"]),
        (WANTED.replace(" UNIQUE", ""), ["lacks the unique key name"]),
        (WANTED.replace("x NUMERIC", "x NUMERIC UNIQUE"), ["further unique key x"]),
        (WANTED.replace(" REFERENCES p", ""), ["lacks the foreign key p to p"]),
        (WANTED.replace("x NUMERIC", "x NUMERIC REFERENCES p"), ["further or different foreign key x"]),
        (WANTED.replace("INTEGER PRIMARY KEY", "INTEGER").replace("x N", "PRIMARY KEY (id, x)) -- "), ["no column x"]),
        ("CREATE TABLE u (id)", ["doesn't exist"]),
        ("CREATE TABLE t (id)", ["no primary key"]),
    ],
)
def test_differences(place: SqlitePlace, here: str, words: list[str]) -> None:
    place.make("CREATE TABLE p (id INTEGER PRIMARY KEY)", WANTED)
    wanted = _inspect(place, "t")
    here = here if "-- " not in here else "CREATE TABLE t (id INTEGER, name TEXT NOT NULL UNIQUE, PRIMARY KEY (name))"
    place.make("DROP TABLE t", here)
    with place.database.transaction() as connection:
        found = place.database.differences(connection, wanted)
    assert [word for word in words if not any(word in sentence for sentence in found)] == []
    assert bool(found) == bool(words), found


def test_definitions_from_other_databases(place: SqlitePlace) -> None:
    """Types without words of SQLite's own are made from their kind; hostile words are not used."""
    kinds: list[Any] = [ColumnType(kind) for kind in TypeKind]
    kinds += [ColumnType(TypeKind.NUMERIC, precision=9, scale=2), ColumnType(TypeKind.TEXT, length=7)]
    kinds += [
        ColumnType(TypeKind.BLOB, declared="bytea"),
        ColumnType(TypeKind.TEXT, declared="TEXT, x); DROP TABLE p; --"),
    ]
    kinds += [ColumnType(TypeKind.INTEGER, declared="INTEGER PRIMARY KEY")]
    columns = (
        ColumnDefinition("id", ColumnType(TypeKind.INTEGER, bits=64), nullable=False),
        *(ColumnDefinition(f"c{number}", kind) for number, kind in enumerate(kinds)),
    )
    definition = TableDefinition("t", columns, ("id",), autoincrement=True)
    with place.database.transaction() as connection:
        place.database.create_table(connection, definition)
        assert place.database.differences(connection, definition) == []
        with pytest.raises(UnfitTable, match="collation"):
            place.database.create_table(
                connection,
                TableDefinition("u", (ColumnDefinition("a", ColumnType(TypeKind.TEXT), collation="de_DE"),), ("a",)),
            )
