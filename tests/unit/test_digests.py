"""Digests of rows: the same for what is equal, another one for what is not, whatever the database and the order."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.databases import digests
from replicator.databases.digests import Digester
from replicator.protocol.keys import pack_key
from replicator.types import ColumnDefinition, ColumnType, Image, TableDefinition, TypeKind, Value

KIND = TypeKind


def table(*kinds: ColumnType) -> TableDefinition:
    columns = [ColumnDefinition(f"c{place}", kind) for place, kind in enumerate(kinds)]
    return TableDefinition("t", (ColumnDefinition("id", ColumnType(KIND.INTEGER)), *columns), ("id",))


def digest(kind: ColumnType, value: Value) -> bytes:
    (row,) = Digester(table(kind), 1).rows([(1, value)])
    return row.digest


SAME = [
    (KIND.NUMERIC, 12, 12.0),
    (KIND.NUMERIC, "12.50", 12.5),
    (KIND.NUMERIC, "1E+2", 100),
    (KIND.NUMERIC, -0.0, 0),
    (KIND.NUMERIC, "123456789012345678901234.10", "123456789012345678901234.1"),
    (KIND.NUMERIC, "1" * 25 + ".000", "1" * 25),
    (KIND.NUMERIC, math.nan, "NaN"),
    (KIND.REAL, 0.0, -0.0),
    (KIND.REAL, 7, 7.0),
    (KIND.REAL, math.nan, math.nan),
    (KIND.TIMESTAMP, "2026-01-05T08:00:00.500", "2026-01-05 08:00:00.5"),
    (KIND.TIMESTAMP, "2026-01-05 08:00", "2026-01-05 08:00:00"),
    (KIND.TIMESTAMP_WITH_ZONE, "2026-01-05 09:00:00+01:00", "2026-01-05 08:00:00+00"),
    (KIND.DATE, "2026-01-05 00:00:00", "2026-01-05"),
    (KIND.TIME, "08:00:00.000", "08:00:00"),
    (KIND.UUID, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    (KIND.JSON, '{"b": 1, "a": [1,2]}', '{"a":[1,2],"b":1}'),
]
OTHER = [
    (KIND.NUMERIC, 12.5, 12.51),
    (KIND.NUMERIC, "123456789012345678901234.1", "123456789012345678901234.2"),
    (KIND.NUMERIC, 2**53, 2**53 + 1),
    (KIND.NUMERIC, 0, None),
    (KIND.REAL, 0.1 + 0.2, 0.3),
    (KIND.REAL, math.inf, -math.inf),
    (KIND.TEXT, "a", "a "),
    (KIND.TEXT, "a", "A"),
    (KIND.TEXT, "", None),
    (KIND.TEXT, "1", 1),
    (KIND.TEXT, "\udcff", "ÿ"),
    (KIND.BLOB, b"a", "a"),
    (KIND.ANY, 1, 1.0),
    (KIND.TIMESTAMP, "2026-01-05 08:00:00", "2026-01-05 08:00:01"),
    (KIND.JSON, '{"a": 1}', '{"a": 2}'),
    (KIND.JSON, "[1", "[1 "),
]


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
def test_what_is_only_written_otherwise_is_the_same(kind: TypeKind, one: Value, other: Value) -> None:
    assert digest(ColumnType(kind), one) == digest(ColumnType(kind), other)


@pytest.mark.parametrize(("kind", "one", "other"), OTHER)
def test_what_is_another_value_is_not(kind: TypeKind, one: Value, other: Value) -> None:
    assert digest(ColumnType(kind), one) != digest(ColumnType(kind), other)


def test_a_value_has_one_digest_beside_whatever_others() -> None:
    """Columns are looked at as a whole: a value that needs no change must not get one for the sake of another."""
    for kind in {kind for kind, _, _ in SAME + OTHER}:
        values = [value for each, *both in SAME + OTHER if each is kind for value in both]
        images: list[Image] = [(number, value) for number, value in enumerate(values)]
        together = list(Digester(table(ColumnType(kind)), 1).rows(images))
        alone = [next(Digester(table(ColumnType(kind)), 1).rows([image])) for image in images]
        assert together == alone, kind


@pytest.mark.parametrize("kind", TypeKind)
def test_no_rows_have_no_digests(kind: TypeKind) -> None:
    assert list(Digester(table(ColumnType(kind)), 1, [1]).rows([])) == []


def test_padding_counts_for_nothing_in_a_column_of_fixed_length() -> None:
    fixed = ColumnType(KIND.TEXT, 5, declared="character(5)")
    assert digest(fixed, "ab  ") == digest(fixed, "ab")
    assert digest(ColumnType(KIND.TEXT, 5, declared="varchar(5)"), "ab ") != digest(ColumnType(KIND.TEXT), "ab")


def test_sums_know_no_order_and_can_be_changed_row_by_row() -> None:
    definition = table(ColumnType(KIND.TEXT))
    images: list[Image] = [(number, f"row {number}") for number in range(500)]
    digester = Digester(definition, 16)
    sums, other = [0] * 16, [0] * 16
    digester.add(sums, images)
    assert digests.differing(sums, digests.encode_sums(sums)) == set()
    mixed = [*images]
    Random(1).shuffle(mixed)
    for image in mixed:
        digester.add(other, [image])
    assert digests.encode_sums(sums) == digests.encode_sums(other)
    changed = (7, "another row")
    for image, sign in ((images[7], -1), (changed, 1)):
        for row in digester.rows([image]):
            sums[row.bucket] += sign * digests.number_of(row.digest)
    expected = [0] * 16
    digester.add(expected, [changed if image[0] == 7 else image for image in images])
    assert digests.encode_sums(sums) == digests.encode_sums(expected)
    assert digests.differing(sums, digests.encode_sums(other)) == {digester.bucket(pack_key([7]))}


def test_columns_that_are_left_out_count_as_equal() -> None:
    definition = table(ColumnType(KIND.INTERVAL), ColumnType(KIND.TEXT))
    assert digests.free_forms(definition) == (1,)
    one, other = (list(Digester(definition, 1, [1]).rows([(1, span, "a")])) for span in ("1 day", "24:00:00"))
    assert one == other
    assert one != list(Digester(definition, 1, [1]).rows([(1, "1 day", "b")]))


@pytest.mark.parametrize("words", ["inet", "int4range", "enum('a','b')", "set('a','b')", "inet4", "text[]", "bit(3)"])
def test_texts_that_databases_write_in_their_own_way(words: str) -> None:
    assert digests.free_forms(table(ColumnType(KIND.TEXT, declared=words))) == (1,)


@pytest.mark.parametrize("words", ["text", "VARCHAR(20)", "character varying(20)", "longtext", "char(3)", None])
def test_texts_that_are_the_same_everywhere(words: str | None) -> None:
    assert digests.free_forms(table(ColumnType(KIND.TEXT, declared=words))) == ()


def test_buckets_grow_with_the_table_up_to_eight_kilobytes() -> None:
    counts = [digests.bucket_count(rows) for rows in (0, 1, 2048, 2049, 100_000, 1_000_000, 10**9)]
    assert counts == [1, 1, 1, 2, 64, 512, 512]
    assert 512 * digests.SIZE == 8192


DECIMALS = st.one_of(
    st.none(),
    st.from_regex(r"-?[0-9]{0,9}\.?[0-9]{0,6}", fullmatch=True),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
    st.sampled_from(
        ["", ".", "-", "1-2", "1.2.3", " 1", "1e5", "NaN", "\N{ARABIC-INDIC DIGIT ONE}", "123456789012345.5"]
    ),
)


@given(st.lists(DECIMALS, max_size=5))
def test_many_decimals_at_once_are_as_each_by_itself(column: list[str | None]) -> None:
    together = digests._numbers(column)
    each = [digests._number(value) for value in column]
    found = column if together is None else together
    assert list(map(repr, found)) == list(map(repr, each))
