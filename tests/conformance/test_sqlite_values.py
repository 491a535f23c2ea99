"""SQLite: every value comes through bit for bit, and compares in Python as in the database."""

from __future__ import annotations

from typing import Any

import pytest
from database_places import ANYTHING, AWKWARD, SqlitePlace, exact
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replicator.protocol.keys import pack_key
from replicator.types import Operation

values = (
    st.sampled_from(AWKWARD) | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=9)
)


def _bound(value: Any) -> tuple[str, Any]:
    if isinstance(value, str):
        return "CAST(? AS TEXT)", value.encode("utf-8", "surrogateescape")
    return "?", value


@given(st.lists(st.tuples(*[values] * 6), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_value_comes_through_bit_for_bit(place: SqlitePlace, rows: list[tuple[Any, ...]]) -> None:
    """One row takes all the values in turn: captured, collected, with mask and old values, and written elsewhere."""
    place.make(
        "DROP TABLE IF EXISTS anything", ANYTHING, "DROP TABLE IF EXISTS copy", ANYTHING.replace("anything", "copy")
    )
    place.tables.clear()
    table, copy = place.replicate("anything", "copy")
    place.run("INSERT INTO anything (id) VALUES (1)")
    present: tuple[Any, ...] = (1, *[None] * 6)
    for row in rows:
        slots, bound = zip(*map(_bound, row), strict=True)
        place.run(f"UPDATE anything SET (a, b, c, d, e, f) = ({', '.join(slots)})", *bound)
        with place.database.transaction() as connection:
            stored = place.database.read_images(connection, table, [pack_key((1,))])[pack_key((1,))]
        # A column may change a value as it is stored (affinity); in the column without a type nothing may.
        assert exact(stored[1]) == exact(row[0])
        changes = [change for change in place.collect() if change.operation is Operation.UPDATE]
        expected = [i for i in range(7) if exact(stored[i]) != exact(present[i])]
        if expected == [] or all(stored[i] == present[i] == -(2**63) for i in expected):
            assert changes == []
        else:
            (change,) = changes
            assert tuple(map(exact, change.image or ())) == tuple(map(exact, stored))
            assert [i for i in range(7) if change.mask >> i & 1] == expected
            assert list(map(exact, change.before or ())) == [exact(present[i]) for i in expected]
        with place.database.transaction() as connection, place.database.replaying(connection, [copy]):
            place.database.write_images(connection, copy, [stored])
            (written,) = place.database.read_images(connection, copy, [pack_key((1,))]).values()
            assert tuple(map(exact, written)) == tuple(map(exact, stored))
        present = stored


VALUES = [
    *(v for v in AWKWARD if v is not None),
    "A",
    "a",
    "a ",
    "Ä",
    "ä",
    "2",
    " 2",
    "2x",
    2,
    2.0,
    2.5,
    "2.5",
    "1e1",
    10,
]


@pytest.mark.parametrize("declared", ["", "TEXT", "NUMERIC", "REAL", "INTEGER", "BLOB"])
@pytest.mark.parametrize("collation", ["BINARY", "NOCASE", "RTRIM"])
def test_comparable_says_what_the_database_says(place: SqlitePlace, declared: str, collation: str) -> None:
    place.make(
        f"CREATE TABLE one (id INTEGER PRIMARY KEY, v {declared} COLLATE {collation})",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, v)",
    )
    table, child = place.replicate("one", "child")
    compare = place.database.comparable(table, ["v"])
    assert compare([None]) is None
    assert place.database.comparable(table, ["id", "v"])([1, None]) is None
    with place.database.transaction() as connection:
        for number, value in enumerate(VALUES):
            for each in (table, child):
                place.database.write_images(connection, each, [(number, value)])
        equal = place.database.find_keys(connection, table, ["v"], [(value,) for value in VALUES])
        stored = {row[0]: row[1] for page in place.database.scan(connection, table) for row in page}
        assert equal.keys() == {compare([value]) for value in stored.values()}
    # As in a foreign key, what the parent's column makes of the child's value decides: + takes the child's type away.
    pairs = place.run("SELECT one.id, child.id FROM one JOIN child ON one.v = +child.v")
    ours = {(n, m) for n in stored for m, value in enumerate(VALUES) if compare([stored[n]]) == compare([value])}
    assert set(pairs) == ours
