"""How a row stood before one of a station's changes, as far as its journal tells."""

from __future__ import annotations

import pytest
from small_tables import table

from replicator.store.journal_reading import JournalChange, stood_before
from replicator.types import Image, Value

CUSTOMER = table(1, "customer", "id integer!, name text, city text").definition
NEW = (7, "Berta", "Bonn")


def change(kind: str, image: Image | None, mask: int, before: tuple[Value, ...] | None) -> JournalChange:
    return JournalChange(3, 0, 1, kind, (7,), image, mask, before, None, None)


@pytest.mark.parametrize(
    ("told", "known", "image"),
    [
        (change("N", NEW, 0, None), True, None),
        (change("C", NEW, 0b010, ("Anna",)), True, (7, "Anna", "Bonn")),
        (change("C", NEW, 0b110, (None, "Kiel")), True, (7, None, "Kiel")),
        (change("C", NEW, 0, ()), True, NEW),
        (change("C", NEW, 0b010, None), False, None),
        (change("C", NEW, 0b010, ()), False, None),
        (change("C", NEW, 0b111, (None, None, None)), False, None),  # REPLACE: no trigger saw the old row
        (change("D", None, 0, NEW), True, NEW),
        (change("D", None, 0, None), False, None),
    ],
)
def test_how_a_row_stood(told: JournalChange, known: bool, image: Image | None) -> None:
    assert stood_before(told, CUSTOMER) == (known, image)
