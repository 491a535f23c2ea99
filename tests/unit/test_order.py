"""Parents before children, and what can't be put in such an order."""

from __future__ import annotations

from itertools import permutations

from small_tables import table

from replicator.protocol.order import may_come_late, parents_first
from replicator.types import Table


def chained(number: int, name: str, *parents: str) -> Table:
    columns = ", ".join(["id integer!", *(f"p_{parent} integer" for parent in parents)])
    return table(number, name, columns, foreign=[(f"p_{parent}", parent, "id") for parent in parents])


LAND, TOWN, STREET = chained(3, "land"), chained(2, "town", "land"), chained(1, "street", "town", "land")
STAFF = chained(4, "staff", "staff")
HEN, EGG = chained(6, "hen", "egg"), chained(5, "egg", "hen")
LOST = chained(7, "lost", "elsewhere")


def names(tables: list[Table]) -> list[str]:
    return [found.name for found in tables]


def test_parents_come_first_whatever_the_order_given() -> None:
    for order in permutations([LAND, TOWN, STREET]):
        assert names(parents_first(order)) == ["land", "town", "street"]


def test_by_number_where_nothing_else_decides() -> None:
    assert names(parents_first([LOST, STAFF, LAND])) == ["land", "staff", "lost"]


def test_a_circle_is_begun_with_the_lowest_number() -> None:
    assert names(parents_first([HEN, EGG, LAND])) == ["land", "egg", "hen"]
    assert names(parents_first([HEN, EGG, chained(8, "nest", "hen")])) == ["egg", "hen", "nest"]


def test_nothing_is_lost_or_doubled() -> None:
    tables = [LAND, TOWN, STREET, STAFF, HEN, EGG, LOST]
    assert sorted(names(parents_first(tables))) == sorted(names(tables))
    assert parents_first([]) == []


def test_a_row_may_come_late_where_a_table_refers_to_itself_or_in_a_circle() -> None:
    assert not may_come_late([STREET, TOWN, LAND, LOST])
    assert may_come_late([LAND, STAFF])
    assert may_come_late([HEN, EGG])
    assert not may_come_late([HEN]), "what is outside doesn't come at all"
