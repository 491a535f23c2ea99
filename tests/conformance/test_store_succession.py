"""What is known of succession, on every database: whom a station accepts, what was told, the host's state as items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.protocol.codec_plain import pack, unpack
from replicator.protocol.succession import Item, Successor
from replicator.protocol.working_set import Version
from replicator.store import host_state, purging, rows, sql, succession
from replicator.store import state as nodes
from replicator.store.state import Peer
from replicator.store.succession import COMPLETE, FormerHost

if TYPE_CHECKING:
    from store_places import Store

KEY, OTHER = bytes(range(32)), bytes(range(31, -1, -1))
NOW = 1_764_000_000_000_000
ITEM = b"\x92\x01\xa2'%"


def station(number: int, name: str, *, backup: bool = False) -> Peer:
    return Peer(number, name, None, f"{name}@example.com", True, KEY, None, None, NOW, None, None, backup=backup)


def test_successors_are_replaced_as_a_whole(store: Store) -> None:
    first, second = Successor("archiv", KEY), Successor("Köln", OTHER)
    with store.transaction() as connection:
        assert succession.successors(connection) == []
        succession.replace_successors(connection, [second, first])
        assert succession.successors(connection) == [second, first]
        succession.replace_successors(connection, [first])
        assert succession.successors(connection) == [first]


def test_former_hosts(store: Store) -> None:
    former = FormerHost(KEY, "Zentrale", "office@example.com", "archiv", NOW)
    with store.transaction() as connection:
        for _ in range(2):
            succession.add_former_host(connection, former)
        assert succession.former_hosts(connection) == [former]
        succession.set_answer_due(connection, KEY, True)
        assert succession.former_hosts(connection) == [former._replace(answer_due=1)]
        succession.set_answer_due(connection, KEY, False)
        succession.forget_former_host(connection, KEY)
        assert succession.former_hosts(connection) == []


def test_what_was_told(store: Store) -> None:
    told = {("peer", ITEM): b"1" * 16, ("rule", b""): b"2" * 16}
    with store.transaction() as connection:
        succession.note_told(store.database, connection, 3, told, (2, 7))
        succession.note_told(store.database, connection, 3, {("peer", ITEM): b"3" * 16}, (2, 8))
        succession.note_told(store.database, connection, 4, {("rule", b""): b"2" * 16}, (0, 0))
        assert succession.told(connection, 3) == {("peer", ITEM): b"3" * 16, ("rule", b""): b"2" * 16}
        assert succession.told(connection, 3, ("rule",)) == {("rule", b""): b"2" * 16}
        assert (succession.told_at(connection, 3, "peer"), succession.told_at(connection, 4, "peer")) == ((2, 8), None)
        succession.note_told(store.database, connection, 3, {}, (2, 9), [Item("peer", ITEM, None)])
        assert succession.told(connection, 3) == {("rule", b""): b"2" * 16}
        succession.forget_told(connection, 4, but="rule")
        assert succession.told(connection, 4)
        succession.forget_told(connection, 4)
        assert not succession.told(connection, 4)


def test_items_of_the_host(store: Store) -> None:
    many = [Item("rule", number.to_bytes(2, "big"), pack({"n": number})) for number in range(succession.PAGE + 2)]
    with store.transaction() as connection:
        assert not succession.is_backup(connection)
        succession.put_items(store.database, connection, [Item("node", b"", pack({"name": "Zentrale"})), *many])
        assert succession.is_backup(connection)
        assert not succession.is_complete(connection)
        succession.put_items(store.database, connection, [Item(COMPLETE, b"", b"\xc3"), many[1]._replace(content=None)])
        assert succession.is_complete(connection)
        assert list(succession.items(connection, "rule")) == [many[0], *many[2:]]
        assert succession.item(connection, "node", b"") == Item("node", b"", pack({"name": "Zentrale"}))
        assert succession.item(connection, "rule", b"none") is None
        succession.clear_items(connection)
        assert not succession.is_backup(connection)


def test_rows_travel_and_are_put_back(store: Store) -> None:
    """As a backup station gets them: those of itself stay behind, columns that nobody knows are passed over."""
    kinds = {kind.name: kind for kind in host_state.KINDS}
    with store.transaction() as connection:
        nodes.insert_peer(connection, station(41, "koeln"))
        nodes.insert_peer(connection, station(42, "archiv", backup=True))
        found = dict(host_state.rows_of(connection, kinds["peer"], 42))
        told = found[pack([41])]
        assert told["name"] == "koeln"
        assert told["public_key"] == KEY
        assert "heard_at" not in told
        assert pack([42]) not in found
        sql.run(connection, "INSERT INTO replicator_timeline (peer, host_epoch, end_epoch, end_n) VALUES (41, 2, 1, 9)")
        rules = [
            Item("timeline", item, pack({**row, "new": 1}))
            for item, row in host_state.rows_of(connection, kinds["timeline"], 42)
        ]
        sql.run(connection, "UPDATE replicator_timeline SET end_n = 3")
        host_state.install(connection, kinds["timeline"], iter(rules))
        put_back = list(sql.rows(connection, "SELECT peer, host_epoch, end_n FROM replicator_timeline"))
        assert put_back == [(41, 2, 9)]


def test_groups_and_rows_of_stations(store: Store) -> None:
    with store.transaction() as connection:
        rows.remember_new_groups(store.database, connection, 41, [(b"u" * 16, (1, 2)), (b"v" * 16, (1, 3))])
        rows.remember_new_groups(store.database, connection, 41, [(b"u" * 16, (1, 2))])
        rows.remember_new_groups(store.database, connection, 42, [(b"w" * 16, (1, 2))])
        seen = [tuple(unpack(item.item)) for item in host_state.seen_groups(connection, 42)]
        assert seen == [(41, b"u" * 16), (41, b"v" * 16)]
        rows.keep_groups_of(connection, [42])
        assert purging.count_seen_groups(connection, 41, (9, 9)) == 0
        assert purging.count_seen_groups(connection, 42, (9, 9)) == 1
        rows.add_link_rows(store.database, connection, 41, 1, [b"\x91\x01", b"\x91\x02"])
        told = [Item("rows", item, pack(keys)) for item, keys in host_state.linked_rows(connection, 42)]
        assert not list(host_state.linked_rows(connection, 41))
        rows.clear_all_link_rows(connection, 41)
        host_state.install_linked_rows(
            connection,
            iter(told),
            lambda peer, table, keys: rows.add_link_rows(store.database, connection, peer, table, keys),
        )
        assert rows.link_rows(connection, 41, 1, b"", 9) == [b"\x91\x01", b"\x91\x02"]


def test_what_happened_to_numbers_is_told_once(store: Store) -> None:
    with store.transaction() as connection:
        for first in (1, 7):
            sql.run(
                connection,
                "INSERT INTO replicator_number_event (at, range_id, kind, lowest, highest, holder, reason)"
                " VALUES (5, 1, 'granted', ?, 9, 2, '')",
                (first,),
            )
        told = list(host_state.events_after(connection, 0))
        assert len(told) == 2
        assert not list(host_state.events_after(connection, told[-1][0]))
        host_state.install_events(connection, (item for _, item in told))
        assert [row[0] for row in sql.rows(connection, "SELECT lowest FROM replicator_number_event ORDER BY id")] == [
            1,
            7,
        ]


def test_versions_become_a_hosts(store: Store) -> None:
    shared = Version(1, b"\x91\x01", 1, 5, tie="S")
    edited = Version(1, b"\x91\x02", 1, 6, tie="S", image=b"edit")
    deleted = Version(1, b"\x91\x03", 1, 7, deleted=1, image=b"last")
    unknown = Version(1, b"\x91\x04", 0, 0, tie="S")
    with store.transaction() as connection:
        rows.save_versions(store.database, connection, [shared, edited, deleted, unknown])
        rows.drop_unversioned(connection)
        rows.untie(connection)
        keys = [shared.key, edited.key, deleted.key, unknown.key]
        assert rows.load_versions(store.database, connection, 1, keys) == {
            shared.key: shared._replace(tie=""),
            edited.key: edited._replace(tie="", image=None),
            deleted.key: deleted,
        }
