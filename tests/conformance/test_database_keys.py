"""Rows are found, written, deleted and scanned by their keys, of whatever type these are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from replicator.protocol.keys import pack_key

NewPlace = Callable[[str], Any]
Keys = list[tuple[Any, ...]]

SQLITE: list[tuple[str, Keys]] = [
    ("id INTEGER PRIMARY KEY", [(1,), (-5,), (2**62,)]),
    ("id TEXT NOT NULL PRIMARY KEY", [("a",), ("",), ("a\0b",), ("\udcff",), ("ü",)]),
    ("id BLOB NOT NULL PRIMARY KEY", [(b"\xff",), (b"",), ("a",), (1,), (1.5,)]),
    ("id REAL NOT NULL PRIMARY KEY", [(1.5,), (-1.0,), (1e300,)]),
    ("a TEXT, b INTEGER, PRIMARY KEY (b, a)", [("x", 1), ("x", 2), ("\udcff", 1)]),
    ("a TEXT, b BLOB, c, PRIMARY KEY (c, a, b)", [("x", b"1", 2), ("x", b"2", 1), ("y", b"", "z")]),
]
POSTGRESQL: list[tuple[str, Keys]] = [
    ("id integer PRIMARY KEY", [(1,), (-5,), (2**30,)]),
    ("id text PRIMARY KEY", [("a",), ("",), ("%s' \\",), ("ü",), ("A",)]),
    ("id bytea PRIMARY KEY", [(b"\xff",), (b"",), (b"a",)]),
    ("id numeric PRIMARY KEY", [("1",), ("1.5",), ("NaN",), ("12345678901234567890",)]),
    ("id numeric(10,2) PRIMARY KEY", [(1,), (1.5,), (-0.01,)]),
    ("id uuid PRIMARY KEY", [("11111111-2222-3333-4444-555555555555",)]),
    ("id timestamptz PRIMARY KEY", [("2026-11-26 05:52:33+00",), ("infinity",)]),
    ('a text, "b%" integer, PRIMARY KEY ("b%", a)', [("x", 1), ("x", 2), ("y", 1)]),
]
MARIADB: list[tuple[str, Keys]] = [
    ("id integer PRIMARY KEY", [(1,), (-5,), (0,), (2**30,)]),
    ("id bigint unsigned PRIMARY KEY", [(1,), (str(2**64 - 1),)]),
    ("id varchar(20) PRIMARY KEY", [("a",), ("",), ("%s' \\",), ("ü",), ("b",)]),
    ("id varbinary(9) PRIMARY KEY", [(b"\xff",), (b"",), (b"a",)]),
    ("id binary(3) PRIMARY KEY", [(b"\xff\0\0",), (b"abc",)]),
    ("id decimal(40,3) PRIMARY KEY", [("1",), ("1.5",), ("12345678901234567890.001",)]),
    ("id decimal(10,2) PRIMARY KEY", [(1,), (1.5,), (-0.01,)]),
    ("id float PRIMARY KEY", [(0.1,), (1.5,), (3e38,)]),
    ("id double PRIMARY KEY", [(0.1,), (1e300,)]),
    ("id uuid PRIMARY KEY", [("11111111-2222-3333-4444-555555555555",), ("01111111-2222-3333-4444-555555555556",)]),
    ("id bit(5) PRIMARY KEY", [("00001",), ("11111",)]),
    ("id enum('z','a') PRIMARY KEY", [("z",), ("a",)]),
    ("id timestamp(6) PRIMARY KEY", [("2026-11-26 05:52:33+00",), ("2026-11-26 05:52:33.5+00",)]),
    ("id time(3) PRIMARY KEY", [("05:52:33",), ("-05:52:33.5",)]),
    ("a varchar(9), `b%` integer, PRIMARY KEY (`b%`, a)", [("x", 1), ("x", 2), ("y", 1)]),
]


@pytest.mark.parametrize(
    ("kind", "columns", "keys", "options"),
    [
        *(("sqlite", *each, options) for each in SQLITE for options in ("", "WITHOUT ROWID")),
        *(("postgresql", *each, "") for each in POSTGRESQL),
        *(("mariadb", *each, "") for each in MARIADB),
    ],
)
def test_all_kinds_of_keys(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch, kind: str, columns: str, keys: Keys, options: str
) -> None:
    place = new_place(kind)
    if kind == "mariadb":
        monkeypatch.setattr("replicator.databases.mariadb.apply.CHUNK", 1)
    first, mark, rest = columns.partition(", PRIMARY KEY")
    place.make(f"CREATE TABLE keyed ({first}, v text{mark}{rest}) {options}")
    (table,) = place.replicate("keyed")
    places = table.definition.key_indexes
    images = [(*key, f"v{number}") for number, key in enumerate(keys)]
    packed = [pack_key([image[place] for place in places]) for image in images]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, images)
        place.database.write_images(connection, table, images)
        missing = [pack_key([99] * len(places))] if kind == "sqlite" else []
        found = place.database.read_images(connection, table, [*packed, *missing])
        assert found == dict(zip(packed, images, strict=True))
        scanned = [row for page in place.database.scan(connection, table) for row in page]
        assert sorted(map(repr, scanned)) == sorted(map(repr, images))
        names = table.definition.primary_key
        wanted = [tuple(image[place] for place in places) for image in images]
        compare = place.database.comparable(table, names)
        expected = {compare(values): key for values, key in zip(wanted, packed, strict=True)}
        assert place.database.find_keys(connection, table, names, wanted) == expected
        assert place.database.count_rows(connection, table, names, wanted) == dict.fromkeys(expected, 1)
        place.database.delete_keys(connection, table, packed[1:])
        assert place.database.read_images(connection, table, packed) == {packed[0]: images[0]}
    assert sorted({change.key for change in place.collect()}) == sorted(packed)


FOLDED = {
    "sqlite": "TEXT NOT NULL COLLATE NOCASE",
    "postgresql": "citext NOT NULL",
    "mariadb": "varchar(9) CHARACTER SET utf8mb4 NOT NULL",
}
"""Types of text that take capitals for equal."""
EXACT = {
    "sqlite": "varchar(9) NOT NULL",
    "postgresql": "varchar(9) NOT NULL",
    "mariadb": "varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
}


@pytest.mark.parametrize("kind", FOLDED)
def test_a_key_in_another_spelling_is_another_key(new_place: NewPlace, kind: str) -> None:
    place = new_place(kind)
    place.make(f"CREATE TABLE codes (code {FOLDED[kind]} PRIMARY KEY, text text)")
    (table,) = place.replicate("codes")
    small, large = pack_key(("a",)), pack_key(("A",))
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, [("a", "x")])
        assert place.database.read_images(connection, table, [small, large]) == {small: ("a", "x")}
        place.database.delete_keys(connection, table, [large])
        assert place.database.count(connection, table) == 1
        place.database.write_images(connection, table, [("A", "y")])
        assert place.database.read_images(connection, table, [small, large]) == {large: ("A", "y")}


@pytest.mark.parametrize("kind", FOLDED)
def test_scan_crosses_pages_of_composite_keys(new_place: NewPlace, kind: str) -> None:
    place = new_place(kind)
    for name, text in (("exact", EXACT[kind]), ("folded", FOLDED[kind])):
        place.make(f"CREATE TABLE {name} (a integer NOT NULL, b {text}, PRIMARY KEY (a, b))")
    rows = [(a, f"{chr(65 + a % 2 * 32 + b % 26)}{b:03}") for a in range(9) for b in range(300)]
    for table in place.replicate("exact", "folded"):
        with place.database.transaction() as connection:
            place.database.write_images(connection, table, rows)
            scanned = [row for page in place.database.scan(connection, table) for row in page]
        assert len(scanned) == len(rows)
        assert set(scanned) == set(rows)
