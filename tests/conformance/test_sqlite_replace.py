"""SQLite: rows that the application replaces, and whatever else it does: collected changes can be followed."""

from __future__ import annotations

from typing import Any

import pytest
from database_places import CUSTOMERS, SqlitePlace, told
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replicator.protocol.keys import pack_key
from replicator.types import Operation


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "REPLACE INTO customers VALUES (1, 'a', 'new')",
            [("U", (1, "a", "new"), 0b100, ("x",))],
        ),
        ("REPLACE INTO customers VALUES (1, 'a', 'x')", []),
        (
            "REPLACE INTO customers VALUES (9, 'B', 'new')",
            [("D", None, 0, (2, "b", "y")), ("I", (9, "B", "new"), 0b111, None)],
        ),
        (
            "REPLACE INTO customers VALUES (1, 'B', 'new')",
            [("D", None, 0, (2, "b", "y")), ("U", (1, "B", "new"), 0b110, ("a", "x"))],
        ),
        (
            "REPLACE INTO customers (name, note) VALUES ('b', 'new')",
            [("D", None, 0, (2, "b", "y")), ("I", (3, "b", "new"), 0b111, None)],
        ),
        (
            "UPDATE OR REPLACE customers SET name = 'b' WHERE id = 1",
            [("D", None, 0, (2, "b", "y")), ("U", (1, "b", "x"), 0b010, ("a",))],
        ),
        (
            "UPDATE OR REPLACE customers SET id = 2 WHERE id = 1",
            [("D", None, 0, (1, "a", "x")), ("U", (2, "a", "x"), 0b110, ("b", "y"))],
        ),
        ("INSERT OR IGNORE INTO customers VALUES (1, 'b', 'new')", []),
        ("INSERT INTO customers VALUES (1, 'b', 'new') ON CONFLICT DO NOTHING", []),
        (
            "INSERT INTO customers VALUES (1, 'c', 'new') ON CONFLICT (id) DO UPDATE SET note = excluded.note",
            [("U", (1, "a", "new"), 0b100, ("x",))],
        ),
    ],
)
@pytest.mark.parametrize("recursive", [False, True])
def test_replace_shows_what_it_deleted(
    place: SqlitePlace, statement: str, expected: list[Any], recursive: bool
) -> None:
    place.make(CUSTOMERS, f"PRAGMA recursive_triggers = {recursive}")
    place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', 'x'), (2, 'b', 'y')")
    place.collect()
    place.run(statement)
    if recursive:
        # Then SQLite fires the delete trigger itself: a replaced row is a delete and an insert.
        state = {1: (1, "a", "x"), 2: (2, "b", "y")}
        _follow(state, place)
        assert sorted(state.values()) == place.run("SELECT * FROM customers ORDER BY id")
    else:
        assert told(place.collect()) == expected


def _follow(state: dict[int, Any], place: SqlitePlace) -> None:
    """Apply what was collected as another node would, and see that its old values and unique names are right."""
    for change in place.collect():
        number = (change.image or change.before or (None,))[0]
        if change.operation is Operation.DELETE:
            assert state.pop(number) == change.before
        elif change.operation is Operation.UPDATE:
            old = state[number]
            assert change.before == tuple(old[i] for i in range(3) if change.mask >> i & 1)
            state[number] = change.image
        else:
            assert number not in state
            state[number] = change.image
        assert len({row[1].lower() for row in state.values()}) == len(state), "two rows with one name on the way"


VERBS = ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE", "INSERT OR FAIL"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*VERBS, "UPDATE", "UPDATE OR REPLACE", "UPDATE OR IGNORE", "DELETE", "UPSERT"]),
            st.integers(1, 4),
            st.sampled_from("abcABd"),
            st.integers(1, 4),
        ),
        max_size=12,
    ),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_application_does_can_be_followed(
    place: SqlitePlace, steps: list[tuple[str, int, str, int]], each: int
) -> None:
    place.make("DROP TABLE IF EXISTS customers", CUSTOMERS)
    place.tables.clear()
    place.replicate("customers")
    state: dict[int, Any] = {}
    for count, (verb, number, name, other) in enumerate(steps):
        values = (number, name, str(count))
        try:
            if verb in VERBS:
                place.run(f"{verb} INTO customers VALUES (?, ?, ?), (?, ?, ?)", *values, other, name + "x", "z")
            elif verb == "DELETE":
                place.run("DELETE FROM customers WHERE id = ?", number)
            elif verb == "UPSERT":
                place.run(
                    "INSERT INTO customers VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET note = excluded.note", *values
                )
            else:
                place.run(f"{verb} customers SET id = ?, name = ? WHERE id = ?", other, name, number)
        except Exception as error:  # noqa: BLE001 - the application's own clash
            assert "UNIQUE" in str(error)  # noqa: PT017
        if count % each == 0:
            _follow(state, place)
            assert sorted(state.values()) == place.run("SELECT * FROM customers ORDER BY id")
    _follow(state, place)
    assert sorted(state.values()) == place.run("SELECT * FROM customers ORDER BY id")


@pytest.mark.parametrize("name", ['"a ""quoted"" one"', "[a (bracket]", "`a ``tick`", "GRÖSSE"])
def test_an_index_on_an_expression_of_a_column_with_any_name(place: SqlitePlace, name: str) -> None:
    """REPLACE deletes who has the same, and nobody else."""
    place.make(
        f"CREATE TABLE odd (id INTEGER PRIMARY KEY, {name} TEXT, other TEXT)",
        f"CREATE UNIQUE INDEX one ON odd (lower({name}))",
    )
    place.replicate("odd")
    place.run("INSERT INTO odd VALUES (1, 'A', 'x'), (2, 'b', 'y'), (3, 'c', 'z')")
    place.collect()
    place.run("REPLACE INTO odd VALUES (4, 'B', 'w')")
    assert [(change.operation.value, change.key) for change in place.collect()] == [
        ("D", pack_key((2,))),
        ("I", pack_key((4,))),
    ]
