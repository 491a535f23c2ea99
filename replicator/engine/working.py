"""Loading a working set in sets, and writing it back in sets. Used by the host's judge and by the station's replay."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType

from replicator.databases.portable import alike
from replicator.engine.leapfrogging import Leapfrogging
from replicator.engine.node import Unit
from replicator.engine.written import Written
from replicator.protocol import working_set as sets
from replicator.protocol.key_indexes import ChildCount, KeyIndex
from replicator.protocol.keys import key_packer
from replicator.protocol.working_set import TableState, Version, WorkingSet
from replicator.protocol.yielding import places_to_yield, yield_unique
from replicator.store import numbers, rows
from replicator.types import Image, Key, Table, Value


class Silence:
    """Keeps capture and the application's triggers silent on the tables that we write, from the first write on."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._stack = ExitStack()
        self._keys = Leapfrogging(unit)
        self._tables: set[int] = set()

    def __enter__(self) -> Silence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if error is None:
            self._keys.after()

    def on(self, table: Table) -> None:
        if table.id not in self._tables:
            self._keys.before(table)
            self._stack.enter_context(self._unit.database.replaying(self._unit.connection, [table]))
            self._tables.add(table.id)

    def captured_anew(self, table: Table) -> None:
        """Its triggers were made within the replay: what is still to be written must not be captured by them."""
        self._tables.discard(table.id)


def new_working_set(unit: Unit) -> WorkingSet:
    outside = unit.database.foreign_keys_from_outside(unit.connection, unit.tables.values())
    built = sets.build(unit.tables, unit.database.comparable, outside, alike)
    if unit.is_host:
        for table, columns in numbers.columns(unit.connection).items():
            if table in unit.tables:
                definition = unit.tables[table].definition
                places = [place for place, name in enumerate(definition.column_names) if name in columns]
                built[table].numbered = frozenset(places)
    return built


def load_versions(unit: Unit, working: WorkingSet, keys: dict[int, Collection[Key]]) -> None:
    for table, wanted in keys.items():
        state = working[table]
        unknown = [key for key in wanted if key not in state.versions]
        if unknown:
            state.versions.update(rows.load_versions(unit.database, unit.connection, table, unknown))


def load_rows(unit: Unit, working: WorkingSet, table: int, keys: Collection[Key]) -> None:
    """Present rows of these keys; those already in memory stay as they are."""
    state = working[table]
    unknown = [key for key in keys if key not in state.rows and key not in state.dirty_rows]
    if not unknown:
        return
    for key, image in unit.database.read_images(unit.connection, state.table, unknown).items():
        state.rows[key] = image
        for index in (*state.unique, *state.referenced):
            value = index.of(image)
            if value is not None:
                index.holders.setdefault(value, key)


def load_holders(unit: Unit, state: TableState, index: KeyIndex, images: Iterable[Image]) -> set[Key]:
    """Who holds the unique values of these rows. Returns the holders' keys."""
    wanted = {values for image in images if None not in (values := index.values(image))}
    found = unit.database.find_keys(unit.connection, state.table, index.columns, wanted) if wanted else {}
    for value, key in found.items():
        if key not in state.dirty_rows:
            index.holders.setdefault(value, key)
    return set(found.values())


def rivals(state: TableState, index: KeyIndex, images: Iterable[Image]) -> Iterator[tuple[Key, Image]]:
    """Those of these rows whose value in this unique key another row holds, or another one of them wants too."""
    pack_key = key_packer(state.table.definition)
    wanted: dict[Hashable, tuple[Key, Image]] = {}
    for image in images:
        value = index.of(image)
        if value is None:
            continue
        row = pack_key(image), image
        other = wanted.setdefault(value, row)
        if other[0] != row[0]:
            yield other
        if other[0] != row[0] or index.holders.get(value, row[0]) != row[0]:
            yield row


def load_places(unit: Unit, state: TableState, index: KeyIndex, standing: Iterable[tuple[Key, Image]]) -> None:
    """Who holds the values that these rows may get if they have to give way in this unique key."""
    places = [place for key, image in standing for place in places_to_yield(state, index, key, image)]
    if places:
        load_holders(unit, state, index, places)


def load_parents(unit: Unit, state: TableState, images: Collection[Image]) -> None:
    """Which parents of these rows exist."""
    for link in state.parents:
        wanted = {values for image in images if None not in (values := tuple(image[index] for index in link.indexes))}
        if not wanted:
            continue
        parent = link.parent
        columns = link.foreign_key.parent_columns
        found = unit.database.find_keys(unit.connection, parent.table, columns, wanted, hold=True)
        for value, key in found.items():
            if key not in parent.dirty_rows:
                link.index.holders.setdefault(value, key)


def missing_parents(state: TableState, images: Iterable[Image]) -> dict[int, set[Key]]:
    """Keys of parents that are not there, by table, as far as they are named by their primary key."""
    missing: dict[int, set[Key]] = {}
    for link in state.parents:
        for image in images:
            wanted = link.wanted(image)
            if wanted is None or wanted in link.index.holders:
                continue
            key = link.key_of_parent(image)
            if key is not None:
                missing.setdefault(link.parent.table.id, set()).add(key)
    return missing


def load_children(unit: Unit, state: TableState, parents: Collection[Image]) -> None:
    """How many rows refer to these parents."""
    for count in state.children:
        wanted = {
            values
            for image in parents
            if None not in (values := tuple(image[index] for index in count.parent_indexes))
            and count.of_parent(image) not in count.counts
        }
        if wanted:
            _count_children(unit, count, wanted)


def _count_children(unit: Unit, count: ChildCount, wanted: set[tuple[Value, ...]]) -> None:
    columns = count.foreign_key.columns
    found = unit.database.count_rows(unit.connection, count.child, columns, wanted)
    as_child = unit.database.comparable(count.child, columns)
    for values in wanted:
        parent_value: Hashable | None = count.comparable(values)
        if parent_value is not None:
            count.counts[parent_value] = found.get(as_child(values), 0)


def flush(unit: Unit, working: WorkingSet, silence: Silence) -> None:
    """Write all that changed, and see that what it was decided on still stood. Raises ChangedMeanwhile."""
    cautious = unit.database.capabilities.others_write_meanwhile
    written: list[Written] = []
    for state in working.tables.values():
        if cautious and state.dirty_rows:
            written.append(Written.of(unit, state))
        flush_rows(unit, state, silence)
        flush_versions(unit, state)
    for each in written:
        each.require_unchanged(unit)


def flush_rows(unit: Unit, state: TableState, silence: Silence) -> None:
    """Write what changed: deletes, rows that make way, then the rest (a two-phase put where values are swapped)."""
    if not state.dirty_rows:
        return
    database, connection, table = unit.database, unit.connection, state.table
    silence.on(table)
    gone = [key for key in state.dirty_rows if key not in state.rows]
    database.delete_keys(connection, table, gone)
    puts = [(key, state.rows[key]) for key in state.dirty_rows if key in state.rows]
    if state.unique and puts:
        _make_way(unit, state, dict(puts))
    database.write_images(connection, table, [image for _, image in puts])
    state.dirty_rows = {}


def _make_way(unit: Unit, state: TableState, puts: dict[Key, Image]) -> None:
    """Rows that hold a value in the database which another row of this flush gets are parked at another value first."""
    database, connection, table = unit.database, unit.connection, state.table
    way: dict[Key, Image | None] = {}
    for index in state.unique:
        wanted = {values: key for key, image in puts.items() if None not in (values := index.values(image))}
        found = database.find_keys(connection, table, index.columns, wanted.keys())
        for values, key in wanted.items():
            holder = found.get(index.comparable(values))
            if holder is not None and holder != key and holder in puts:
                way[holder] = None
    if not way:
        return
    parked: dict[Key, Image] = {}
    for key, image in database.read_images(connection, table, list(way)).items():
        moved: Image | None = image
        for index in state.unique:
            moved = None if moved is None else yield_unique(state, index, key, moved)
        if moved is not None:
            parked[key] = moved
    for key in _without_room(unit, state, parked):
        del parked[key]
    # What can't be parked goes, and is inserted again.
    database.delete_keys(connection, table, [key for key in way if key not in parked])
    database.write_images(connection, table, list(parked.values()))


def _without_room(unit: Unit, state: TableState, parked: Mapping[Key, Image]) -> set[Key]:
    """Those of the rows whose value to park at is another row's in the database, or another parked one's."""
    crowded: set[Key] = set()
    for index in state.unique:
        places: dict[Hashable, Key] = {}
        for key, image in parked.items():
            value = index.of(image)
            if value is not None and places.setdefault(value, key) != key:
                crowded.add(key)
        wanted = {values for image in parked.values() if None not in (values := index.values(image))}
        found = unit.database.find_keys(unit.connection, state.table, index.columns, wanted) if wanted else {}
        crowded |= {key for value, key in places.items() if found.get(value, key) != key}
    return crowded


def flush_versions(unit: Unit, state: TableState) -> None:
    if state.dirty_versions:
        changed: list[Version] = [state.versions[key] for key in state.dirty_versions]
        rows.save_versions(unit.database, unit.connection, changed)
        state.dirty_versions = {}


def forget(working: WorkingSet) -> None:
    """After a flush, or where it was undone: memory stays flat, the next chunk is loaded afresh from what stands."""
    for state in working.tables.values():
        state.rows.clear()
        state.versions.clear()
        state.dirty_rows.clear()
        state.dirty_versions.clear()
        for index in (*state.unique, *state.referenced):
            index.holders.clear()
        for count in state.children:
            count.counts.clear()
