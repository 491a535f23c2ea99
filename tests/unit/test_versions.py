"""Rows of one version of a table as rows of another: what is renamed, added and dropped, in any order."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import PeerFault
from replicator.protocol.definitions import table_from_plain, table_to_plain
from replicator.protocol.versions import (
    UNTOLD,
    Ambiguous,
    difference,
    fills_old_rows,
    next_version,
    reshaping,
    value_of_old_rows,
)
from replicator.types import NOWHERE, ColumnDefinition, ColumnType, Default, Table, TableDefinition, TypeKind

INTEGER, TEXT = ColumnType(TypeKind.INTEGER), ColumnType(TypeKind.TEXT)


def column(name: str, **more: object) -> ColumnDefinition:
    return ColumnDefinition(name, INTEGER, **more)  # type: ignore[arg-type]


def table(*names: str) -> Table:
    return Table(4, "t", TableDefinition("t", tuple(map(column, names)), (names[0],)))


FIRST = table("id", "a", "b", "c")


@st.composite
def histories(draw: st.DrawFn) -> list[Table]:
    """A table and what an application makes of it, step by step."""
    found = [FIRST]
    for step in range(draw(st.integers(1, 6))):
        now, names = found[-1], list(found[-1].definition.column_names)
        what = draw(st.sampled_from(["add", "drop", "rename", "move"]))
        renamed: dict[str, str] = {}
        others = names[1:]
        if what == "add" or not others:
            names.insert(draw(st.integers(1, len(names))), f"n{step}")
        elif what == "drop":
            names.remove(draw(st.sampled_from(others)))
        elif what == "rename":
            old = draw(st.sampled_from(names))
            names[names.index(old)] = f"r{step}"
            renamed[old] = f"r{step}"
        else:
            names = [names[0], *draw(st.permutations(others))]
        key = names[0]
        definition = TableDefinition("t", tuple(column(name, default=Default(step)) for name in names), (key,))
        found.append(next_version(now, definition, (1 + step // 3, step + 1), found, renamed))
    return found


@given(histories())
def test_a_column_keeps_its_number_and_no_other_gets_it(versions: list[Table]) -> None:
    ever: set[int] = set()
    for old, new in pairwise(versions):
        ever |= set(old.column_ids)
        told = difference(old, new)
        before = dict(zip(old.definition.column_names, old.column_ids, strict=True))
        after = dict(zip(new.definition.column_names, new.column_ids, strict=True))
        assert {after[name] for name in told.added}.isdisjoint(ever)
        assert all(before[one] == after[other] for one, other in told.renamed)
        assert {before[name] for name in told.dropped}.isdisjoint(after.values())


@given(histories(), st.data())
def test_rows_mapped_over_any_versions_keep_what_both_have(versions: list[Table], data: st.DataObject) -> None:
    old, new = data.draw(st.sampled_from(versions)), data.draw(st.sampled_from(versions))
    shape = reshaping(old, new)
    image = tuple(range(100, 100 + len(old.column_ids)))
    by_number = dict(zip(old.column_ids, image, strict=True))
    present = tuple(-number for number in new.column_ids)
    for number, value, untold in zip(new.column_ids, shape.image(image, present), shape.untold(image), strict=True):
        assert value == by_number.get(number, -number)
        assert (untold is UNTOLD) == (number not in by_number)
    mask = data.draw(st.integers(0, 2 ** len(image) - 1))
    changed = {old.column_ids[place] for place in range(len(image)) if mask >> place & 1}
    left = {new.column_ids[place] for place in range(len(new.column_ids)) if shape.mask(mask) >> place & 1}
    assert left == changed & set(new.column_ids)
    values = tuple(by_number[old.column_ids[place]] for place in range(len(image)) if mask >> place & 1)
    expected = [by_number[number] for number in new.column_ids if number in changed]
    assert list(shape.masked(mask, values)) == expected
    assert (old.column_ids == new.column_ids) == (shape.is_plain and not shape.missing)


@given(histories())
def test_a_version_travels(versions: list[Table]) -> None:
    for each in versions:
        assert table_from_plain(table_to_plain(each)) == each


def test_a_first_version_is_written_as_it_always_was() -> None:
    assert table_to_plain(FIRST).keys() == {"id", "policy", "definition"}
    assert table_from_plain(table_to_plain(FIRST)).version == NOWHERE


@pytest.mark.parametrize(
    "plain",
    [{"version": [1]}, {"version": [1, -1]}, {"version": "x"}, {"columns": [1, 2]}, {"columns": [1, 2, 3, 3]},
     {"columns": [0, 1, 2, 3]}, {"columns": ["a", 1, 2, 3]}],
)  # fmt: skip
def test_versions_that_are_none_are_refused(plain: dict[str, object]) -> None:
    with pytest.raises(PeerFault):
        table_from_plain(table_to_plain(FIRST) | plain)


def test_only_a_person_can_tell_a_rename_from_a_drop_and_an_addition() -> None:
    definition = table("id", "a", "b", "new").definition
    with pytest.raises(Ambiguous) as told:
        next_version(FIRST, definition, (1, 1))
    assert (told.value.gone, told.value.come) == (("c",), ("new",))
    renamed = next_version(FIRST, definition, (1, 1), renamed={"c": "new"})
    assert difference(FIRST, renamed).renamed == (("c", "new"),)
    other = difference(FIRST, next_version(FIRST, definition, (1, 1), renamed={}))
    assert (other.added, other.dropped) == (("new",), ("c",))
    with pytest.raises(ValueError, match="can't have been renamed"):
        next_version(FIRST, definition, (1, 1), renamed={"a": "new"})


def test_numbers_of_columns_of_another_host_epoch_are_other_ones() -> None:
    """A host that was set back does not know which numbers it had given."""
    definition = table("id", "a", "b", "c", "d").definition
    one, other = next_version(FIRST, definition, (1, 1)), next_version(FIRST, definition, (2, 1))
    assert one.column_ids[:4] == other.column_ids[:4]
    assert one.column_ids[4] != other.column_ids[4]


def test_what_old_rows_get() -> None:
    assert value_of_old_rows(column("a")) is None
    assert value_of_old_rows(column("a", default=Default(0))) == 0
    assert value_of_old_rows(column("a", default=Default(expression="true"))) == 1
    assert value_of_old_rows(column("a", nullable=False)) == 0
    assert value_of_old_rows(ColumnDefinition("a", TEXT, nullable=False)) == ""
    assert fills_old_rows(column("a"))
    assert fills_old_rows(column("a", nullable=False, default=Default(3)))
    assert not fills_old_rows(column("a", nullable=False))
    assert not fills_old_rows(column("a", default=Default(expression="now")))


def test_a_change_of_types_or_keys_is_no_addition() -> None:
    columns = FIRST.definition.columns
    wider = replace(FIRST.definition, columns=(*columns[:3], replace(columns[3], type=TEXT)))
    assert difference(FIRST, next_version(FIRST, wider, (1, 1))).altered == ("c",)
    assert not difference(FIRST, next_version(FIRST, wider, (1, 1))).is_addition
