"""Captured rows become changes, many at a time."""

from __future__ import annotations

from replicator.databases.captured import decoder
from replicator.protocol.keys import pack_key
from replicator.types import ColumnDefinition, ColumnType, Operation, Table, TableDefinition, TypeKind

TABLE = Table(
    7,
    "t",
    TableDefinition(
        "t",
        (
            ColumnDefinition("id", ColumnType(TypeKind.INTEGER)),
            ColumnDefinition("name", ColumnType(TypeKind.TEXT)),
            ColumnDefinition("weight", ColumnType(TypeKind.REAL)),
        ),
        ("id",),
    ),
)
DECODE = decoder(TABLE, list)
NOTHING = (None, None, None)


def test_rows_of_several_operations_keep_their_order() -> None:
    found = DECODE(
        [
            (1, "I", 50, 9, 1, "a", 0.5, *NOTHING),
            (2, "U", 51, 9, 1, "b", 0.5, 1, "a", 0.5),
            (3, "D", 52, 9, *NOTHING, 1, "b", 0.5),
            (4, "I", 53, 10, 2, None, None, *NOTHING),
        ]
    )
    ((insert,), (update,), (delete,), (last,)) = found
    assert insert == (1, 7, Operation.INSERT, pack_key([1]), (1, "a", 0.5), 0b111, None, 50, 9)
    assert update == (2, 7, Operation.UPDATE, pack_key([1]), (1, "b", 0.5), 0b010, ("a",), 51, 9)
    assert delete == (3, 7, Operation.DELETE, pack_key([1]), None, 0, (1, "b", 0.5), 52, 9)
    assert (last.id, last.image, last.transaction) == (4, (2, None, None), 10)


def test_what_an_update_changed_is_told_bit_for_bit() -> None:
    nan = float("nan")
    rows = [
        (1, "a", 0.0, 1, "a", -0.0),
        (1, "a", nan, 1, "a", float("nan")),
        (1, "a", 1.0, 1, None, 1.0),
        (1, "a", 1.0, 1, "a", 1.0),
        (1, None, None, 1, "a", 1.0),
    ]
    found = DECODE([(place, "U", 0, None, *row) for place, row in enumerate(rows)])
    told = [[(change.mask, change.before) for change in changes] for changes in found]
    assert told == [[(0b100, (-0.0,))], [], [(0b010, (None,))], [], [(0b110, ("a", 1.0))]]


def test_updates_that_change_nothing_are_left_out() -> None:
    assert DECODE([(1, "U", 0, None, 1, "a", 0.0, 1, "a", 0.0)] * 2) == [[], []]


def test_an_update_of_the_key_is_a_delete_and_an_insert() -> None:
    rows = [(1, "U", 0, None, 2, "a", 0.5, 1, "a", 0.5), (2, "U", 0, None, 3, "c", 0.5, 3, "b", 0.5)]
    moved, changed = DECODE(rows)
    assert [(change.operation, change.key) for change in moved] == [
        (Operation.DELETE, pack_key([1])),
        (Operation.INSERT, pack_key([2])),
    ]
    assert [(change.operation, change.mask) for change in changed] == [(Operation.UPDATE, 0b010)]


def test_nothing_makes_nothing() -> None:
    assert DECODE([]) == []
