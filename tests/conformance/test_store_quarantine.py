"""What is in quarantine, on every database, in large and awkward values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_store_journal import KEYS, LARGE, NOW

from replicator.errors import UnknownName
from replicator.store import quarantine
from replicator.store.quarantine import SetAside

if TYPE_CHECKING:
    from store_places import Store

KOELN, LAGER = 1, 2


def entry(key: bytes, **changed: object) -> SetAside:
    plain = SetAside(0, NOW, KOELN, 3, 7, 1, 0, 4, key, "N", b"\x91\x01", None, None, "why: 'ä'?%s", 0, NOW, 0)
    return plain._replace(**changed)  # type: ignore[arg-type]


def test_entries(store: Store) -> None:
    with store.transaction() as connection:
        assert quarantine.is_empty(connection)
        quarantine.add(connection, [entry(key, place=place, image=LARGE) for place, key in enumerate(KEYS)])
        quarantine.add(connection, [entry(KEYS[0], peer=LAGER, proposal=LARGE, change="D", image=None, whole=1)])
    with store.transaction() as connection:
        assert not quarantine.is_empty(connection)
        assert not quarantine.is_empty(connection, LAGER)
        assert quarantine.is_empty(connection, 3)
        found = quarantine.page(connection)
        assert [each.key for each in found] == [*KEYS, KEYS[0]]
        assert [each.place for each in found[:-1]] == list(range(len(KEYS)))
        assert found[0].image == LARGE
        assert (found[-1].image, found[-1].proposal, found[-1].whole) == (None, LARGE, 1)
        assert quarantine.page(connection, after=found[1].id, limit=1) == [found[2]]
        assert quarantine.page(connection, peer=LAGER) == [found[-1]]
        assert quarantine.page(connection, table=5) == []
        assert quarantine.page(connection, due=NOW - 1) == []
        assert quarantine.load(connection, found[3].id) == found[3]
        with pytest.raises(UnknownName, match="quarantine list"):
            quarantine.load(connection, 10**9)
        assert quarantine.of_group(connection, LAGER, (3, 7)) == [found[-1]]
        assert quarantine.of_group(connection, LAGER, (3, 8)) == []
        assert quarantine.of_row(connection, KOELN, 4, KEYS[3]) == [found[3]]


def test_rows_that_are_held(store: Store) -> None:
    with store.transaction() as connection:
        quarantine.add(connection, [entry(key) for key in (*KEYS, KEYS[0])])
        first, *others = [each.id for each in quarantine.page(connection)]
        last = others[-1]
        assert quarantine.held(connection, KOELN, 4, [*KEYS[:2], b"other"]) == {KEYS[0]: last, KEYS[1]: others[0]}
        assert quarantine.held(connection, KOELN, 4, KEYS[:2], others[0]) == {KEYS[0]: first}
        assert quarantine.held(connection, LAGER, 4, KEYS) == {}
        assert quarantine.held(connection, KOELN, 4, []) == {}
        pages, after = [], None
        while page := quarantine.held_keys(connection, KOELN, 4, after or b"", 2):
            pages += page
            after = page[-1][0]
        # The empty key is before all pages: no row has one.
        assert [key for key, _ in pages] == KEYS[1:]
        assert quarantine.held_keys(connection, KOELN, 4, b"", 9, others[0]) == []


def test_tries_and_drops(store: Store) -> None:
    with store.transaction() as connection:
        quarantine.add(connection, [entry(key) for key in KEYS])
        numbers = [each.id for each in quarantine.page(connection)]
        quarantine.postpone(connection, [(numbers[0], 2, NOW + 5, numbers[1], "because")])
        quarantine.mark_asked(connection, [(numbers[1], 1, NOW + 9)])
        told = quarantine.load(connection, numbers[0])
        assert (told.tries, told.next_at, told.cause, told.error, told.asked) == (2, NOW + 5, numbers[1], "because", 0)
        assert quarantine.load(connection, numbers[1]).asked == 1
        assert [each.id for each in quarantine.page(connection, due=NOW)] == numbers[2:]
        ((peer, table, changes, waiting, since, error),) = quarantine.counts(connection)
        assert (peer, table, changes, waiting, since) == (KOELN, 4, len(KEYS), len(KEYS) - 1, NOW)
        assert error == "because"
        quarantine.drop(connection, numbers[:1])
        quarantine.drop_rows(connection, KOELN, [(4, KEYS[1]), (5, KEYS[2])])
        assert [each.id for each in quarantine.page(connection)] == numbers[2:]
        quarantine.drop(connection, numbers)
        assert quarantine.is_empty(connection)
        assert quarantine.counts(connection) == []
