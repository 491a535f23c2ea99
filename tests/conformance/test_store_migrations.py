"""Revisions that were carried out and requests that wait, on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.store import requests, revisions
from replicator.store.requests import Request

if TYPE_CHECKING:
    from store_places import Store


def test_revisions(store: Store) -> None:
    with store.transaction() as connection:
        assert revisions.heads(connection) == set()
        revisions.note(connection, "0001", ())
        revisions.note(connection, "0002", ("0001",))
        revisions.note(connection, "0002b", ())
    with store.transaction() as connection:
        assert revisions.heads(connection) == {"0002", "0002b"}
        revisions.note(connection, "0003", ("0002", "0002b"))
        assert revisions.heads(connection) == {"0003"}


def test_requests(store: Store) -> None:
    with store.transaction() as connection:
        assert requests.load(connection) == []
        requests.add(connection, '{"tables": ["größe"]}')
        requests.add(connection, "second")
    with store.transaction() as connection:
        first, second = requests.load(connection)
        assert first == Request(first.id, '{"tables": ["größe"]}', None)
        assert (second.body, second.id > first.id) == ("second", True)
        requests.note_error(connection, second.id, "can't be: ü")
        assert requests.forget(connection, first.id)
        assert not requests.forget(connection, first.id)
        assert requests.load(connection) == [Request(second.id, "second", "can't be: ü")]
