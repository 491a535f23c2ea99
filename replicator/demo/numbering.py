"""The numbers of the day: drawn offline at all places, none twice, each from a block of the place that drew it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from replicator.demo.application import STRETCH
from replicator.demo.places import NOT_AT, NUMBERED, Company, Place
from replicator.demo.telling import NOTHING, Cell, Grid, Heading, Scene, Tone, Toned, number
from replicator.operations.opening import open_view
from replicator.protocol.numbers import Block
from replicator.store import number_spans, numbers


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one place drew of one range."""

    table: str
    place: str
    blocks: list[Block]
    """That it was granted, by the head office's ledger."""
    numbers: list[int]
    """Of the rows that its application inserted, as they stand in the place's own database."""

    @property
    def strange(self) -> list[int]:
        """Numbers outside its blocks."""
        return [n for n in self.numbers if not any(block.lowest <= n <= block.highest for block in self.blocks)]

    @property
    def left(self) -> int:
        return sum(map(len, self.blocks)) - len(self.numbers)


def drawn(company: Company, before: Mapping[str, int]) -> list[Drawn]:
    """`before`: rows of each table that stood there in the morning; their keys count from 1."""
    granted = _granted(company)
    return [
        Drawn(table, place.name, granted[table, place.name], _numbers(place, table, before[table]))
        for table in NUMBERED
        for place in company.places
        if table not in NOT_AT.get(place.name, ())
    ]


def _granted(company: Company) -> dict[tuple[str, str], list[Block]]:
    office = company.head_office
    with open_view(office.home, office.runtime) as view:
        ranges = numbers.load_ranges(view.connection).values()
        return {
            (stored.table_name, view.name_of(peer) if peer else view.node.name): [
                span.block for span in number_spans.held(view.connection, stored.range.id, peer)
            ]
            for stored in ranges
            for peer in (0, *view.peers)
        }


def _numbers(place: Place, table: str, before: int) -> list[int]:
    first, form = place.number * STRETCH, NUMBERED[table].form
    with closing(sqlite3.connect(place.database)) as connection:
        found = connection.execute(
            f"SELECT number FROM {table} WHERE id > ? AND id < ?", (max(first, before), first + STRETCH)
        ).fetchall()
    # One that is not of the range's form counts as 0, which is in no block.
    return sorted(form.number(text) or 0 for (text,) in found)


def holds(found: list[Drawn]) -> bool:
    return not any(each.strange for each in found) and not _twice(found)


def _twice(found: list[Drawn]) -> list[str]:
    counted = Counter((each.table, number) for each in found for number in each.numbers)
    return [NUMBERED[table].form.text(number) for (table, number), times in counted.items() if times > 1]


def scene(found: list[Drawn]) -> Scene:
    grid = Grid(
        (
            Heading("numbers of"),
            Heading("at"),
            Heading("blocks granted"),
            Heading("drawn", right=True),
            Heading(""),
            Heading("left", right=True),
        )
    )
    for index, each in enumerate(found):
        is_next = not index or found[index - 1].table != each.table
        grid.rows.append(
            (
                each.table if is_next else "",
                each.place,
                _ranges([(block.lowest, block.highest) for block in each.blocks]),
                number(len(each.numbers)),
                _between(each),
                number(each.left),
            )
        )
    told = (
        "No number may come twice, and nobody could ask anybody. So each place drew from blocks of its own, which the "
        "head office had granted; more came with the evening's mail, before there was none left:"
    )
    return Scene("", "Numbers: drawn offline, each in its own block", (told, grid, _verdict(found)))


def _ranges(spans: list[tuple[int, int]]) -> str:
    """Spans in order; those that touch as one."""
    joined: list[tuple[int, int]] = []
    for lowest, highest in sorted(spans):
        if joined and joined[-1][1] + 1 == lowest:
            joined[-1] = joined[-1][0], highest
        else:
            joined.append((lowest, highest))
    return ", ".join(f"{lowest}–{highest}" for lowest, highest in joined)


def _between(each: Drawn) -> Cell:
    if not each.numbers:
        return NOTHING
    form = NUMBERED[each.table].form
    return f"{form.text(each.numbers[0])} to {form.text(each.numbers[-1])}"


def _verdict(found: list[Drawn]) -> Toned:
    strange = [NUMBERED[each.table].form.text(n) for each in found for n in each.strange]
    if wrong := _twice(found) + strange:
        return Toned(f"NOT so: {', '.join(wrong)}. This is a fault of ours; please report it.", Tone.BAD)
    count = sum(len(each.numbers) for each in found)
    return Toned(f"{count} numbers, none twice, and none outside the blocks of the place that drew it.", Tone.GOOD)
