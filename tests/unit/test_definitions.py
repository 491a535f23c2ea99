"""Table definitions as plain data: whole round trips, and nothing but a PeerFault for whatever else comes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_strategies import plain_data

from replicator.errors import PeerFault
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec_plain import pack, unpack
from replicator.protocol.definitions import definition_from_plain, definition_to_plain, table_from_plain, table_to_plain
from replicator.types import (
    ColumnDefinition,
    ColumnType,
    Default,
    ForeignKey,
    Index,
    Policy,
    Table,
    TableDefinition,
    TypeKind,
    UniqueKey,
)

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
counts = st.one_of(st.none(), st.integers(0, 1000))
literals = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=5), st.binary(max_size=5)
)
defaults = st.one_of(
    st.none(),
    literals.map(lambda literal: Default(literal)),
    st.sampled_from(["now", "today", "true"]).map(lambda expression: Default(expression=expression)),
)
types = st.builds(
    ColumnType,
    st.sampled_from(TypeKind),
    length=counts,
    precision=counts,
    scale=st.one_of(st.none(), st.integers(-100, 100)),
    bits=st.sampled_from([None, 16, 32, 64]),
    declared=st.one_of(st.none(), names),
)
columns = st.builds(
    ColumnDefinition,
    name=names,
    type=types,
    nullable=st.booleans(),
    default=defaults,
    collation=st.one_of(st.none(), names),
)
actions = st.sampled_from(["NO ACTION", "CASCADE", "SET NULL", "RESTRICT"])


@st.composite
def definitions(draw: st.DrawFn) -> TableDefinition:
    found = draw(st.lists(columns, min_size=1, max_size=6, unique_by=lambda column: column.name))
    some = st.lists(st.sampled_from([column.name for column in found]), min_size=1, max_size=3, unique=True).map(tuple)
    maybe_name = st.one_of(st.none(), names)
    return TableDefinition(
        name=draw(names),
        columns=tuple(found),
        primary_key=draw(some),
        unique_keys=tuple(draw(st.lists(st.builds(UniqueKey, some, maybe_name), max_size=2))),
        foreign_keys=tuple(
            ForeignKey(own, draw(names), own, draw(actions), draw(actions), draw(maybe_name), draw(st.booleans()))
            for own in draw(st.lists(some, max_size=2))
        ),
        indexes=tuple(draw(st.lists(st.builds(Index, names, some), max_size=2))),
        autoincrement=draw(st.booleans()),
        options=draw(st.sampled_from([(), ("strict",), ("strict", "without rowid")])),
    )


@given(definitions())
def test_round_trip_by_way_of_the_wire(definition: TableDefinition) -> None:
    assert repr(definition_from_plain(unpack(pack(definition_to_plain(definition))))) == repr(definition)


@given(definitions(), st.integers(1, 2**31 - 1), st.one_of(st.none(), names), st.sampled_from(Policy))
def test_round_trip_of_a_table(definition: TableDefinition, number: int, area: str | None, policy: Policy) -> None:
    table = Table(number, definition.name, definition, area, policy)
    assert repr(table_from_plain(unpack(pack(table_to_plain(table))))) == repr(table)


PLAIN: dict[str, Any] = {
    "name": "customer",
    "columns": [
        {"name": "id", "type": {"kind": "integer"}, "not_null": True},
        {"name": "name", "type": {"kind": "text", "length": 20}, "default": {"literal": ""}},
        {"name": "land", "type": {"kind": "text"}},
    ],
    "primary_key": ["id"],
    "unique_keys": [{"columns": ["name"]}],
    "foreign_keys": [{"columns": ["land"], "parent": "land", "parent_columns": ["code"]}],
    "indexes": [{"name": "by_land", "columns": ["land"]}],
}


def test_the_example_is_sound_and_what_is_empty_is_left_out() -> None:
    assert definition_to_plain(definition_from_plain(PLAIN))["unique_keys"] == [{"columns": ["name"]}]
    slim = definition_to_plain(TableDefinition("t", (ColumnDefinition("id", ColumnType(TypeKind.ANY)),), ("id",)))
    assert slim == {"name": "t", "columns": [{"name": "id", "type": {"kind": "any"}}], "primary_key": ["id"]}


@pytest.mark.parametrize(
    "default", [Default(0), Default(""), Default(0.0), Default(b""), Default(None), Default(expression="now"), None]
)
def test_a_default_that_looks_like_nothing_stays(default: Default | None) -> None:
    column = ColumnDefinition("id", ColumnType(TypeKind.INTEGER, scale=0, length=0), default=default)
    definition = TableDefinition("t", (column,), ("id",))
    assert definition_from_plain(definition_to_plain(definition)).columns == (column,)


HOSTILE = [
    # path, value: what a part of the example becomes
    ("name", ""),
    ("name", "a\0b"),
    ("name", "x" * (BOUNDS.name + 1)),
    ("name", 7),
    ("columns", []),
    ("columns", {}),
    ("columns", [{"name": "id", "type": {"kind": "integer"}}] * (BOUNDS.columns + 1)),
    ("columns.1.name", "id"),
    ("columns.0.type", None),
    ("columns.0.type.kind", "no such kind"),
    ("columns.0.type.kind", ["integer"]),
    ("columns.1.type.length", "20"),
    ("columns.1.type.length", 2**40),
    ("columns.1.type.length", True),
    ("columns.1.type.length", 1.5),
    ("columns.1.default", []),
    ("columns.1.default", {"literal": []}),
    ("columns.1.default", {"literal": {}}),
    ("columns.1.default", {"expression": 7}),
    ("columns.1.collation", 7),
    ("primary_key", []),
    ("primary_key", "id"),
    ("primary_key", ["id", "id"]),
    ("primary_key", ["nowhere"]),
    ("unique_keys", [{"columns": []}]),
    ("unique_keys", [{"columns": ["nowhere"]}]),
    ("unique_keys", [{}]),
    ("unique_keys", 7),
    ("foreign_keys.0.columns", ["nowhere"]),
    ("foreign_keys.0.parent_columns", []),
    ("foreign_keys.0.parent", None),
    ("foreign_keys.0.on_delete", 7),
    ("indexes.0.columns", ["nowhere"]),
    ("indexes.0.name", None),
    ("options", [7]),
]


@pytest.mark.parametrize(("path", "value"), HOSTILE)
def test_hostile_definitions(path: str, value: object) -> None:
    plain = copy.deepcopy(PLAIN)
    *way, last = path.split(".")
    part: Any = plain
    for step in way:
        part = part[int(step)] if step.isdigit() else part[step]
    part[last] = value
    with pytest.raises(PeerFault):
        definition_from_plain(plain)


@pytest.mark.parametrize("missing", ["name", "columns", "primary_key"])
def test_what_must_be_there(missing: str) -> None:
    with pytest.raises(PeerFault):
        definition_from_plain({name: value for name, value in PLAIN.items() if name != missing})


@pytest.mark.parametrize("number", [0, -1, 2**31, "1", None, True, 1.0])
def test_hostile_table_numbers(number: object) -> None:
    with pytest.raises(PeerFault):
        table_from_plain({"id": number, "definition": PLAIN})


@settings(max_examples=300)
@given(plain_data)
def test_anything_at_all(plain: object) -> None:
    for read in (definition_from_plain, table_from_plain):
        with pytest.raises(PeerFault):
            read(plain)


@settings(max_examples=300)
@given(st.sampled_from([path for path, _ in HOSTILE]), plain_data)
def test_anything_at_all_in_any_place(path: str, value: object) -> None:
    plain = copy.deepcopy(PLAIN)
    *way, last = path.split(".")
    part: Any = plain
    for step in way:
        part = part[int(step)] if step.isdigit() else part[step]
    part[last] = value
    try:
        definition = definition_from_plain(plain)
    except PeerFault:
        return
    assert repr(definition_from_plain(definition_to_plain(definition))) == repr(definition)
    hash(definition)
