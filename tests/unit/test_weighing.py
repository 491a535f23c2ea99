"""How many rows are read at a time goes by what they weigh."""

from __future__ import annotations

from replicator.databases.weighing import PAGE_BYTES, PageSize, weight
from replicator.types import Value

Rows = list[tuple[Value, ...]]


def test_texts_and_blobs_weigh_and_nothing_else_does() -> None:
    assert weight([(1, "abc", None), (2.5, b"de", "")]) == 5


def test_pages_of_light_rows_grow_to_the_most() -> None:
    size, seen = PageSize(1000), []
    for _ in range(4):
        seen.append(size.rows)
        assert size.note([(1, "light")] * size.rows)
    assert seen == [64, 256, 1000, 1000]
    assert not size.note([(1, "light")] * 999), "the last one"


def test_pages_of_heavy_rows_shrink_to_one_row() -> None:
    size = PageSize(1000)
    heavy: Rows = [(1, b"x" * (PAGE_BYTES // 10))]
    size.note(heavy * size.rows)
    assert size.rows == 10
    size.note([(1, b"x" * (2 * PAGE_BYTES))] * 10)
    assert size.rows == 1
    size.note([(1, "light")])
    assert size.rows == 4


def test_an_empty_page_is_the_last() -> None:
    assert not PageSize(10).note([])
