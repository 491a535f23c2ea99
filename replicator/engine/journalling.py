"""Writing the journal: groups and their changes, a slice at a time (protocol.md 5.1, 5.2).

A slice is a piece of the journal of at most about 1 MB, the same for all links; `segmenting` makes its segments, which
are what is mailed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from replicator.engine.granting import leapfrog
from replicator.engine.segmenting import Cutter, Entry
from replicator.engine.slice_contents import contents_of
from replicator.protocol.codec_plain import pack_row
from replicator.protocol.keys import unpack_key
from replicator.protocol.messages import ControlRecord
from replicator.store import journal, numbers, slice_index, slices, tables
from replicator.store.journal import Group
from replicator.store.slices import Slice
from replicator.types import NOWHERE, Image, Key, Position, Value

if TYPE_CHECKING:
    from replicator.engine.node import Unit

_entry = cast(Callable[[type[Entry], tuple[Any, ...]], Entry], tuple.__new__)
"""Four times as fast as the constructor; a run makes one an entry."""

MOST_ENTRIES = 20_000
MOST_GROUPS = 10_000
SAMPLE = 16
"""Every so many entries a row is packed, to learn how big the slice gets."""


def _bytes_in(body: Any) -> int:
    """Of a control record, about: the byte strings in it."""
    if isinstance(body, bytes):
        return len(body)
    return sum(map(_bytes_in, body)) if isinstance(body, (list, tuple)) else 0


@dataclass(slots=True)
class Journal:
    """The journal of one unit, written when it ends and whenever a slice is full."""

    unit: Unit
    group: Group | None = None
    """The group under way."""
    _begun: list[Group] = field(default_factory=list)
    _written: bool = False
    """The group under way stands in the database already: a slice was cut in its middle."""
    _torn: int = 0
    """The last slice, if it was cut in the middle of a group."""
    _torn_whole: int = 0
    """Number of that group, if it is a transaction."""
    _carried: Group | None = None
    """The group that was under way when that slice was cut."""
    _entries: list[Entry] = field(default_factory=list)
    _controls: dict[int, list[ControlRecord]] = field(default_factory=dict)
    _contents: list[tuple[int, int]] = field(default_factory=list)
    _size: float = 0
    _counted: frozenset[int] = frozenset()
    """At the host: tables of which stations have keys that count."""
    _highest: dict[int, int] = field(default_factory=dict)
    """Of these tables, the highest key in the group under way."""

    def __post_init__(self) -> None:
        if self.unit.is_host:
            self._counted = numbers.counted_elsewhere(self.unit.connection)

    # --- groups ------------------------------------------------------------------------------------------------------

    def open(self, group: Group) -> Group:
        """Begin a group; the one before is whole."""
        self.close()
        if len(self._begun) >= MOST_GROUPS or self._size > 0.75 * self.unit.node.settings.slice_bytes:
            # The new group has its number already, and nothing of it stands in this slice.
            self._cut(whole=True, last=group.n - 1)
        group.logged_at = self.unit.now
        self.group = group
        self._begun.append(group)
        self._size += len(group.body or b"")
        return group

    def close(self) -> None:
        """The group under way is whole."""
        self._leapfrog()
        if self.group is not None and self._written:
            journal.update_entries(self.unit.connection, self.group)
        self.group, self._written = None, False

    def resume(self, group: Group) -> None:
        """Go on with a group whose beginning was written by an earlier unit."""
        self.close()
        self.group, self._written = group, True
        self._carried = group
        self._torn = slices.next_slice_id(self.unit.connection) - 1
        self._torn_whole = 0 if group.merged else group.n

    def pause(self) -> None:
        """The group under way goes on in a later unit. Nothing more may be journalled in this one."""
        self._leapfrog()
        self._cut(whole=False)
        if self.group is not None:
            journal.update_entries(self.unit.connection, self.group)
        self.group, self._written, self._torn, self._torn_whole = None, False, 0, 0

    def add(
        self,
        table: int,
        change: str,
        key: Key,
        image: Image | None,
        mask: int,
        before: tuple[Value, ...] | None,
        at: int,
        base: Position = NOWHERE,
        recipients: int | None = None,
        origin: int = 0,
        must: int = 0,
    ) -> None:
        """A change of the group under way."""
        group, entries = self.group, self._entries
        assert group is not None  # noqa: S101 - the callers open one
        order = group.entries
        group.entries = order + 1
        row = (group.n, order, table, change, key, image, mask, before, base, at, recipients, origin, must)
        entries.append(_entry(Entry, row))
        if table in self._counted and image is not None:
            (counted,) = unpack_key(key)
            self._highest[table] = max(self._highest.get(table, 0), counted if isinstance(counted, int) else 0)
        if not order % SAMPLE or len(entries) == 1:
            self._size += SAMPLE * (len(pack_row(image or ())) + len(pack_row(before or ())) + 8)
            if self._size > self.unit.node.settings.slice_bytes or len(entries) >= MOST_ENTRIES:
                self._cut(whole=False)

    def add_control(self, peer: int, kind: str, body: Any, *, content: bool = False) -> None:
        """Host: a record that is not a row, for one station. `content`: its rows stand in replicator_content."""
        group = self.group
        assert group is not None  # noqa: S101 - the callers open one
        self._controls.setdefault(peer, []).append(ControlRecord(group.n, group.entries, kind, body))
        self._size += _bytes_in(body)
        group.entries += 1
        if content:
            self._contents.append((peer, group.n))

    def _leapfrog(self) -> None:
        if self._highest:
            came, self._highest = self._highest, {}
            leapfrog(self.unit, came)

    def finish(self, *, closing: bool = False) -> None:
        """All is whole: the rest becomes a slice. Called at the end of the unit. `closing`: batches end with it."""
        self.close()
        self._cut(whole=True, closing=closing)

    # --- slices ------------------------------------------------------------------------------------------------------

    def _cut(self, *, whole: bool, last: int | None = None, closing: bool = False) -> None:
        """`last`: number of the slice's last group, where it is not the last that was given."""
        unit, entries = self.unit, self._entries
        if not self._begun and not entries and not self._controls:
            if whole and self._torn:
                # It was cut behind the group's last change: the group ends in it after all.
                slices.mark_whole(unit.connection, self._torn)
                self._torn = 0
            return
        journal.insert_groups(unit.connection, self._begun)
        if self.group is not None:
            self._written = True
        if not unit.is_host:
            # Which own changes are pending is asked by row; the host's rows find their history by their versions.
            keys = dict.fromkeys([(entry[2], entry[4], entry[0]) for entry in entries])
            unit.database.upsert(unit.connection, tables.journal_key, list(keys))
        first = min([group.n for group in self._begun] + [entry.n for entry in entries[:1]], default=unit.state.last_n)
        last = unit.state.last_n if last is None else last
        going_on = 0 if whole or self.group is None or self.group.merged else self.group.n
        cutter = Cutter(unit, slices.next_slice_id(unit.connection))
        if unit.is_host:
            cutter.for_stations(self._begun, entries, self._controls, self._contents, {self._torn_whole, going_on})
        else:
            cutter.for_host(self._begun, entries)
        size = sum(segment.size + len(segment.detail or b"") for segment in cutter.made)
        groups = self._begun if self._carried is None else [self._carried, *self._begun]
        contents = contents_of(groups, entries, unit.now, by_origin=unit.is_host)
        times = contents.first_at, contents.last_at
        slice_ = Slice(cutter.slice_id, unit.state.host_epoch, first, last, whole, size, *times, closing)
        slices.insert_slice(unit.connection, slice_, cutter.made)
        slice_index.insert(unit.connection, cutter.slice_id, contents)
        self._carried = self.group
        self._begun, self._entries, self._controls, self._contents, self._size = [], [], {}, [], 0
        self._torn = 0 if whole else slice_.id
        self._torn_whole = going_on
