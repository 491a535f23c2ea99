"""The replicator's own tables on every database: made by the migrations, written and read by `replicator.store`."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from replicator.errors import DatabaseTrouble, UnknownName
from replicator.protocol.link import InboundStream, Link, OutboundStream
from replicator.store import catalogue, migrate, notices, outgoing, routes, sql, state
from replicator.store.catalogue import RecipientSets
from replicator.store.outgoing import MailboxState, SentMail
from replicator.store.state import LinkState, NodeState, Peer
from replicator.store.tables import metadata
from replicator.types import ColumnDefinition, ColumnType, Kinds, Role, Rule, Table, TableDefinition, TypeKind

if TYPE_CHECKING:
    from store_places import Store

NOW = 1_764_000_000_000_000
FAR = 2**62
"""A number that needs 64 bits."""
LONG_TEXT = "ä€😀" * 600


def peer(number: int, name: str) -> Peer:
    return Peer(number, name, None, f"{name}@example.com", True, bytes(range(32)), None, None, NOW, None, None)


# --- making the tables ------------------------------------------------------------------------------------------------


def test_the_migrations_make_what_the_metadata_say(store: Store) -> None:
    options = {
        "version_table": migrate.VERSION_TABLE,
        "include_name": lambda name, kind, _parents: kind != "table" or name in metadata.tables,
        "compare_type": False,  # what a database calls a type is compared as text, in the unit tests
    }
    with store.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        migrate.check(connection)
        assert not migrate.upgrade(connection)


# --- the node, its peers and links ------------------------------------------------------------------------------------


def test_the_node(store: Store) -> None:
    node = NodeState(Role.HOST, "Köln", "k@example.com", 0, 1, 0, 0, 0, 1, 1, NOW)
    with store.transaction() as connection:
        with pytest.raises(DatabaseTrouble):
            state.load_node(connection)
        state.insert_node(connection, node)
    node.run, node.last_n = FAR, 7
    with store.transaction() as connection:
        state.save_node(connection, node)
    with store.transaction() as connection:
        assert state.load_node(connection) == node


def test_peers_are_told_apart_by_every_letter(store: Store) -> None:
    with store.transaction() as connection:
        for each in (peer(1, "köln"), peer(2, "Köln"), peer(3, "koln")):
            state.insert_peer(connection, each)
        changed = peer(2, "Köln")
        changed.enabled, changed.public_key, changed.title = False, None, "100 % 'ours'?"
        state.save_peer(connection, changed)
    with store.transaction() as connection:
        assert state.load_peers(connection) == {1: peer(1, "köln"), 2: changed, 3: peer(3, "koln")}
        assert state.find_peer(connection, "koln").id == 3
        with pytest.raises(UnknownName):
            state.find_peer(connection, "KÖLN")
        state.delete_peer(connection, 2)
        assert list(state.load_peers(connection)) == [1, 3]


def test_links(store: Store) -> None:
    out = OutboundStream((1, FAR), 3, 2, b"\0" * 32, (1, 9), 100, 4, NOW, 5)
    link = LinkState(1, Link(Role.HOST, out, InboundStream((0, 2), 1, b"\xff" * 32, 1, True, 3)))
    with store.transaction() as connection:
        state.insert_link(connection, link)
        assert state.load_link(connection, 1, Role.HOST) == link
        link.mode, link.seen, link.link.inbound.acknowledgement_due = "snapshot", (2, FAR), False
        state.save_link(connection, link)
    with store.transaction() as connection:
        assert state.load_link(connection, 1, Role.HOST) == link
        with pytest.raises(DatabaseTrouble):
            state.load_link(connection, 2, Role.HOST)


# --- tables and rules -------------------------------------------------------------------------------------------------


def _table(number: int, name: str, columns: int = 1) -> Table:
    named = tuple(ColumnDefinition(f"c{place}ä", ColumnType(TypeKind.TEXT)) for place in range(columns))
    return Table(number, name, TableDefinition(name, named, ("c0ä",)), "area", "host")


def test_tables_and_rules(store: Store) -> None:
    customers, wide = _table(1, "customers"), _table(2, "Customers", 900)
    with store.transaction() as connection:
        state.insert_peer(connection, peer(1, "Köln"))
        catalogue.save_table(connection, wide, NOW)
        catalogue.save_table(connection, customers, NOW)
        catalogue.save_table(connection, customers, NOW)
        assert catalogue.load_tables(connection) == {1: customers, 2: wide}
        assert catalogue.find_table(connection, "Customers") == wide
        catalogue.add_rule(connection, 1, 1, (1, 5), Rule(Kinds.NEW, Kinds.ALL))
        catalogue.add_rule(connection, 1, 1, (1, 6), Rule(Kinds.ALL, Kinds.NONE))
        assert catalogue.load_rule_books(connection)[1].at(1, (1, 5)) == Rule(Kinds.NEW, Kinds.ALL)
        catalogue.set_only_rule(connection, 1, 1, (1, 7), Rule(Kinds.NONE, Kinds.CHANGED))
        assert catalogue.load_rule_books(connection)[1].versions == {1: [((1, 7), Rule(Kinds.NONE, Kinds.CHANGED))]}
        catalogue.delete_table(connection, 1)
        assert list(catalogue.load_tables(connection)) == [2]
        sets = RecipientSets.load(connection)
        assert sets.intern(connection, (1, 2, 30)) == 1
        assert RecipientSets.load(connection) == sets


# --- mailboxes and notices --------------------------------------------------------------------------------------------


def test_mailboxes_and_routes(store: Store) -> None:
    with store.transaction() as connection:
        assert [routes.add_mailbox(connection, name) for name in ("", "second", "Second")] == [1, 2, 3]
        routes.add(connection, [(1, 1), (1, 2), (2, 1)])
        routes.set_owed(connection, 1, [1], True)
        routes.set_away(connection, 2, NOW)
        for number in (1, 9):
            outgoing.save(connection, MailboxState(30_000, NOW, 6), number)
            assert outgoing.load(connection, number) == MailboxState(30_000, NOW, 6)
            outgoing.save(connection, MailboxState(30_000, NOW, 6), number)
        outgoing.forget_size(connection, 9)
        assert outgoing.load(connection, 9) == MailboxState(0, NOW, 6)
    with store.transaction() as connection:
        assert [(route.mailbox, route.owed) for route in routes.of_peer(connection, 1)] == [(1, True), (2, False)]
        routes.remove(connection, [(1, 2)])
        assert routes.pairs(connection) == {(1, 1), (2, 1)}
        assert routes.known(connection)["second"].away_since == NOW


def test_the_count_of_forwarded_mails_is_no_mailbox(store: Store) -> None:
    with store.transaction() as connection:
        outgoing.save(connection, MailboxState(0, NOW, 3), outgoing.FORWARDING)
        assert routes.add_mailbox(connection, "") == 1
        assert routes.add_mailbox(connection, "stick") == 2
        assert routes.known(connection)[""].number == 1
        assert outgoing.load(connection, outgoing.FORWARDING) == MailboxState(0, NOW, 3)


def test_sent_mails(store: Store) -> None:
    mail = SentMail("<a@example.com>", 1, 1, 100, (1, 2), 3, FAR)
    with store.transaction() as connection:
        outgoing.remember_mails(connection, [mail], NOW)
        assert outgoing.sent_mail(connection, "<a@example.com>") == mail
        assert outgoing.sent_mail(connection, "<A@example.com>") is None
        outgoing.remember_mails(connection, [], NOW + 2 * outgoing.KEPT)
        assert outgoing.sent_mail(connection, "<a@example.com>") is None


def test_notices(store: Store) -> None:
    subject = "ä" * 600
    with store.transaction() as connection:
        assert notices.newest(connection) == 0
        assert notices.add(connection, NOW, "foreign", subject, LONG_TEXT, False)
        assert not notices.add(connection, NOW, "foreign", subject, "again", False)
        assert notices.add(connection, NOW + 1, "uncaptured", "customers", "100 % sure?", True)
        assert notices.add(connection, NOW + 2, "uncaptured", "Customers", "of another table", True)
    with store.transaction() as connection:
        waiting = notices.recent(connection, waiting_only=True)
        assert [(notice.subject, notice.message) for notice in waiting] == [
            ("Customers", "of another table"),
            ("customers", "100 % sure?"),
        ]
        assert notices.recent(connection)[-1].message == LONG_TEXT
        assert notices.known(connection, "uncaptured") == {"customers", "Customers"}
        oldest = notices.recent(connection)[-1].id
        assert [notice.subject for notice in notices.after(connection, oldest, 1)] == ["Customers"]
        assert notices.newest(connection) == waiting[0].id
        assert notices.since(connection, ["uncaptured", "other"], "customers") == NOW + 1
        assert notices.done(connection, waiting[0].id)
        assert not notices.done(connection, oldest)
        notices.settle(connection, ["uncaptured"], "customers")
        notices.settle_all(connection, ["uncaptured"], ["customers", "none"])
        assert len(notices.recent(connection)) == 1
        notices.forget(connection, ["foreign"], NOW + 1)
        assert notices.recent(connection) == []


# --- nothing is left out ----------------------------------------------------------------------------------------------


_MODULES = (
    "bases",
    "batches",
    "catalogue",
    "compared_rows",
    "comparisons",
    "conflicts",
    "host_state",
    "journal",
    "journal_picking",
    "journal_reading",
    "migrate",
    "notices",
    "number_pace",
    "number_spans",
    "number_uses",
    "numbers",
    "outgoing",
    "parcels",
    "purging",
    "quarantine",
    "requests",
    "reshaped",
    "retention",
    "revisions",
    "routes",
    "rows",
    "scope_keys",
    "slice_index",
    "slices",
    "state",
    "succession",
    "table_versions",
    "timelines",
    "trails",
)


@pytest.mark.parametrize("name", _MODULES)
def test_every_function_on_our_tables_is_run_on_every_database(name: str) -> None:
    """Told by the tests' text: a statement that only one database understands must not come unnoticed."""
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("*.py"))
    module = import_module(f"replicator.store.{name}")
    functions = [
        function
        for function, found in vars(module).items()
        if inspect.isfunction(found)
        and found.__module__ == module.__name__
        and not function.startswith("_")
        and "Connection" in map(str, found.__annotations__.values())
    ]
    assert functions
    assert [each for each in functions if f"{name}.{each}(" not in tests and each != "scripts"] == []


def test_every_module_on_our_tables_is_among_them() -> None:
    folder = Path(sql.__file__).parent
    asking = {
        file.stem for file in folder.glob("*.py") if "sql." in file.read_text() and "Connection" in file.read_text()
    }
    assert asking - {"sql"} == set(_MODULES)
