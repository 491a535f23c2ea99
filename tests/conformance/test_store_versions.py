"""Versions of tables, and rows that are kept packed when a table goes over into another one, on every database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from test_store_quarantine import entry

from replicator.protocol.codec_plain import pack_row, unpack_rows
from replicator.protocol.edits import merge_edit, read_edit, reshape_edit
from replicator.protocol.set_aside import SetAsideProposal
from replicator.protocol.versions import next_version, reshaping
from replicator.protocol.working_set import Version
from replicator.store import catalogue, quarantine, reshaped, rows, table_versions
from replicator.types import NOWHERE, ColumnDefinition, ColumnType, Default, Table, TableDefinition, TypeKind

if TYPE_CHECKING:
    from store_places import Store

NOW = 1_790_000_000_000_000
INTEGER, TEXT = ColumnType(TypeKind.INTEGER), ColumnType(TypeKind.TEXT)
FIRST = Table(
    4,
    "customers",
    TableDefinition("customers", tuple(ColumnDefinition(name, TEXT) for name in ("id", "name", "city")), ("id",)),
)
POINTS = ColumnDefinition("points", INTEGER, nullable=False, default=Default(7))
SECOND = next_version(
    FIRST, replace(FIRST.definition, columns=(*FIRST.definition.columns[:2], POINTS)), (3, 1), renamed={}
)


def test_versions(store: Store) -> None:
    with store.transaction() as connection:
        catalogue.save_table(connection, FIRST, NOW)
        assert table_versions.load_versions(connection) == []
        assert table_versions.load_forms(connection, [FIRST]) == {(4, NOWHERE): FIRST}
        assert table_versions.last_number(connection, 3) == 0
        table_versions.note(connection, FIRST, NOW, from_n=0)
        table_versions.note(connection, SECOND, NOW)
        table_versions.note(connection, SECOND, NOW)
    with store.transaction() as connection:
        found = table_versions.load_versions(connection, 4)
        assert [(each.table.version, each.from_n) for each in found] == [(NOWHERE, 0), ((3, 1), None)]
        assert [each.table.column_ids for each in found] == [(1, 2, 3), SECOND.ids]
        assert table_versions.last_number(connection, 3) == 1
        assert table_versions.version_number(found, (3, 1)) == 2
        assert table_versions.definition_at(connection, SECOND, 50).version == NOWHERE
        catalogue.save_table(connection, SECOND, NOW)
        table_versions.note(connection, SECOND, NOW, from_n=41)
        assert table_versions.definition_at(connection, SECOND, 40).definition == FIRST.definition
        assert table_versions.definition_at(connection, SECOND, 41).definition == SECOND.definition
        assert catalogue.load_tables(connection) == {4: SECOND}
        third = replace(SECOND, version=(3, 2))
        assert table_versions.between(connection, [third]) == [found[1].table]
        assert table_versions.between(connection, [SECOND]) == table_versions.between(connection, []) == []


def test_columns_that_leave(store: Store) -> None:
    with store.transaction() as connection:
        catalogue.save_table(connection, FIRST, NOW)
        assert table_versions.leaving(connection, 4) == frozenset()
        table_versions.set_leaving(connection, 4, ["city", "name", "city"])
        table_versions.set_leaving(connection, 5, ["city"])
    with store.transaction() as connection:
        assert table_versions.leaving(connection, 4) == {"city", "name"}
        table_versions.set_leaving(connection, 4, ["name"])
        assert table_versions.leaving(connection, 4) == {"name"}
        catalogue.delete_table(connection, 4)
        assert table_versions.leaving(connection, 4) == frozenset()
        assert table_versions.leaving(connection, 5) == {"city"}


def test_what_a_station_holds(store: Store) -> None:
    with store.transaction() as connection:
        catalogue.save_table(connection, FIRST, NOW)
        assert table_versions.held(connection, {4: FIRST}) == []
        table_versions.want(connection, 4, (3, 1))
        table_versions.set_behind(connection, 4, behind=True)
        assert table_versions.behind(connection) == [4]
    with store.transaction() as connection:
        (held,) = table_versions.held(connection, {4: FIRST})
        assert held == (FIRST, (3, 1))
        table_versions.ask_reload(connection, 2, 4)
        table_versions.ask_reload(connection, 2, 4)
        assert table_versions.take_reloads(connection) == {2: [4]}
        assert table_versions.take_reloads(connection) == {}


def test_rows_that_are_kept(store: Store) -> None:
    shape = reshaping(FIRST, SECOND)
    images = [pack_row((f"{number}", "Ärger\0", "Köln")) for number in range(5)]
    change = SetAsideProposal(0b110, ("Ahlers", "Ulm"), (3, 9), NOW, None, b"u" * 16, 1, (2, 2), NOW)
    with store.transaction() as connection:
        versions = [Version(4, b"k%d" % n, 3, n, deleted=1, image=image) for n, image in enumerate(images)]
        rows.save_versions(store.database, connection, versions)
        rows.keep_skipped(store.database, connection, {(4, b"s"): ((3, 8), ("9", "x", "y"))})
        quarantine.add(connection, [entry(b"q", image=images[0], proposal=change.packed())])
        reshaped.rewrite(connection, 4, shape, None)
        quarantine.reshape(connection, 4, shape)
    with store.transaction() as connection:
        found = rows.versions_of_table(connection, 4, b"", 50)
        assert [unpack_rows([each.image or b""])[0] for each in found] == [(f"{n}", "Ärger\0", 7) for n in range(5)]
        assert rows.skipped_images(connection, (0, b""), 5) == [(4, b"s", ("9", "x", 7))]
        (held,) = quarantine.page(connection)
        assert unpack_rows([held.image or b""])[0] == ("0", "Ärger\0", 7)
        told = SetAsideProposal.unpacked(held.proposal or b"")
        assert (told.mask, told.before) == (0b010, ("Ahlers",))


def test_local_edits_that_are_kept(store: Store) -> None:
    shape = reshaping(FIRST, SECOND)
    both, gone = merge_edit(None, 0b110, ("Ahlers", "Ulm")), merge_edit(None, 0b100, ("Ulm",))
    with store.transaction() as connection:
        versions = [Version(4, b"a", 3, 1, tie="S", image=both), Version(4, b"b", 3, 2, tie="S", image=gone)]
        rows.save_versions(store.database, connection, versions)
        reshaped.rewrite(connection, 4, shape, lambda packed: reshape_edit(packed, shape))
        first, second = rows.versions_of_table(connection, 4, b"", 50)
        assert read_edit(first.image or b"") == (0b010, ("Ahlers",))
        assert second.image is None
