"""Pages of the journal: what fits a filter, from the newest or the oldest on, without reading all of it.

`store.slice_index` tells which slices may hold it, `store.journal_picking` reads of them what is wanted. What no index
tells is looked for slice by slice, up to a bound: the page then says how far it got, and the next one goes on there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from replicator.errors import UnknownName
from replicator.operations.journal_filters import BEHIND_ALL, Filter, Search, Spot, require_kept, search_of
from replicator.operations.journal_lines import Describing, JournalEntry, JournalGroup, JournalLine
from replicator.operations.opening import View
from replicator.operations.writing import position_text
from replicator.store import journal, journal_picking, journal_reading, purging, slice_index, slices
from replicator.store.journal import Group
from replicator.store.journal_picking import Place, Wanted
from replicator.store.journal_reading import JournalChange
from replicator.store.slices import Slice

ALL = 1 << 62
"""As a limit: none."""

BOUND = 100_000_000
"""Bytes of slices that are looked through for one page, before compression; about half a second."""
A_SLICE, A_GROUP = 20_000, 100
"""What looking into a slice or at a group costs beside, in the same measure."""
SLICES = 64
"""Slices asked for at a time."""


@dataclass(frozen=True, slots=True)
class Found:
    """One change, record or request of the journal."""

    group: Group
    change: JournalChange | None
    """None: the group is a request, and has no entries."""

    @property
    def place(self) -> Place:
        return (self.group.n, -1) if self.change is None else (self.change.n, self.change.order)


@dataclass(slots=True)
class Page:
    lines: list[JournalLine]
    """In the journal's order."""
    next: str | None = None
    """Where to go on: the position before which, or behind which, there may be more. None: there is none."""
    stopped: bool = False
    """The bound was met: there may be more even where the page is not full."""
    looked: int = 0
    """Groups that were looked through."""


def list_journal(
    view: View, chosen: Filter | None = None, *, limit: int = 50, newest: bool = True, bound: int = BOUND
) -> Page:
    """The newest `limit` lines that fit, or the oldest; always in the journal's order.

    Raises UnknownName and WrongUse.
    """
    search = search_of(view, chosen or Filter())
    looking = Looking(view, search, newest, bound)
    found = list(looking.found(limit))
    describing = looking.describing
    page = Page(
        [
            describing.request(each.group) if each.change is None else describing.line(each.group, each.change)
            for each in found
        ],
        stopped=looking.stopped_at is not None,
        looked=looking.looked,
    )
    if looking.stopped_at is not None:
        page.next = cursor(view, looking.stopped_at, newest)
    elif len(found) == limit:
        page.next = cursor(view, found[-1].place, newest)
    if newest:
        page.lines.reverse()
    return page


def cursor(view: View, place: Place, newest: bool) -> str:
    """The place, as it is given to --before or --after."""
    group = journal.group(view.connection, place[0])
    text = position_text((0 if group is None else group.host_epoch, place[0]))
    if place[1] in (-1, BEHIND_ALL) or (newest and place[1] == 0):
        return text
    return f"{text}:{place[1] + 1}"


@dataclass
class Looking:
    """Looks through the slices that may hold what is sought, in one direction."""

    view: View
    search: Search
    newest: bool
    bound: int | None
    """None: there is no bound."""
    stopped_at: Place | None = None
    """All up to here was looked through, then the bound was met."""
    looked: int = 0
    ended: bool = False
    """Nothing is left to be looked through."""
    describing: Describing = field(init=False)
    _spent: int = 0

    def __post_init__(self) -> None:
        self.describing = Describing(self.view)

    def found(self, limit: int) -> Iterator[Found]:
        """What fits, at most so many, in the order in which it is looked for."""
        count = 0
        for each in self._slices():
            some = self._of_slice(each, limit - count)
            yield from some
            count += len(some)
            if count >= limit:
                return
            if self.bound is not None and self._spent > self.bound:
                edge = self._edge(each)
                if self._goes_beyond(edge):
                    self.stopped_at = edge
                    return
        self.ended = True

    def all(self) -> Iterator[Found]:
        """All that fits, a slice at a time."""
        for each in self._slices():
            yield from self._of_slice(each, ALL)

    def _goes_beyond(self, edge: Place) -> bool:
        """A page that ended just where it began would never end; one that ended where nothing is left need not be."""
        wanted = self.search.wanted
        return (wanted.before is None or edge < wanted.before) and (wanted.after is None or edge > wanted.after)

    def _edge(self, each: Slice) -> Place:
        """Where the part of the journal that is still to be looked through ends, or begins."""
        picked = journal_picking.pick(self.view.connection, each.id, {}, Wanted())
        if self.newest:
            return picked.first if picked.first and picked.first[0] == each.first_n else (each.first_n, -1)
        return picked.last if picked.last and not each.whole else (each.last_n, BEHIND_ALL)

    def _slices(self) -> Iterator[Slice]:
        connection, wanted = self.view.connection, self.search.wanted
        first, last = self._ends(wanted)
        while first <= last:
            numbers = slice_index.find(
                self.view.database,
                connection,
                self.search.sought,
                first=first,
                last=last,
                newest=self.newest,
                limit=SLICES,
            )
            known = slices.slices_numbered(connection, numbers)
            yield from (known[number] for number in numbers)
            if len(numbers) < SLICES:
                return
            if self.newest:
                last = numbers[-1] - 1
            else:
                first = numbers[-1] + 1

    def _ends(self, wanted: Wanted) -> tuple[int, int]:
        """Slices before and behind which nothing can fit."""
        connection = self.view.connection
        first, last = 0, purging.newest_slice(connection)
        if wanted.after is not None:
            holding = journal_reading.slices_of(connection, wanted.after[0])
            behind = journal_reading.first_slice_behind(connection, wanted.after[0])
            first = min(holding[:1] or [last + 1 if behind is None else behind])
        if wanted.before is not None:
            holding = journal_reading.slices_of(connection, wanted.before[0])
            behind = journal_reading.first_slice_behind(connection, wanted.before[0])
            last = holding[-1] if holding else (last if behind is None else behind)
        return first, last

    def _of_slice(self, each: Slice, limit: int) -> list[Found]:
        connection, wanted = self.view.connection, self.search.wanted
        self._spent += A_SLICE
        self.looked += each.last_n - each.first_n + 1
        if self.search.by_group or wanted.records:
            self._spent += A_GROUP * (each.last_n - each.first_n + 1)
        groups = self.search.groups(self.view, each.first_n, each.last_n)
        if groups is not None and not groups:
            return []
        picked = journal_picking.pick(
            connection,
            each.id,
            self.describing.definitions,
            replace(wanted, groups=groups, limit=limit, newest=self.newest),
        )
        self._spent += picked.bytes
        known = journal.groups_numbered(connection, {change.n for change in picked.changes})
        found = [Found(known[change.n], change) for change in picked.changes if self._is_in_time(known, change)]
        if wanted.records:
            requests = journal.requests_between(connection, each.first_n, each.last_n)
            found += [Found(group, None) for group in requests if self._fits(group, groups)]
            found.sort(key=lambda one: one.place)
        if self.newest:
            found.reverse()
        return found[:limit]

    def _is_in_time(self, known: dict[int, Group], change: JournalChange) -> bool:
        """Records that are no rows have the time of their group."""
        return change.at is not None or self._in_time(known[change.n].at)

    def _in_time(self, at: int) -> bool:
        since, until = self.search.wanted.since, self.search.wanted.until
        return (since is None or at >= since) and (until is None or at <= until)

    def _fits(self, group: Group, groups: set[int] | None) -> bool:
        after, before = self.search.wanted.after, self.search.wanted.before
        place = (group.n, -1)
        return (
            (groups is None or group.n in groups)
            and (after is None or place > after)
            and (before is None or place < before)
            and self._in_time(group.at)
        )


# --- groups -----------------------------------------------------------------------------------------------------------


def show_group(view: View, spot: Spot | int, *, limit: int = 100) -> JournalGroup:
    """A group with `limit` of its entries, from the one that the spot names on. Raises UnknownName."""
    if isinstance(spot, int):
        spot = Spot(spot)
    require_kept(view, spot)
    group = journal.group(view.connection, spot.n)
    if group is None:
        raise UnknownName(f"there is no group {spot.n} in the journal; see: replicator journal list")
    describing = Describing(view)
    after = None if spot.entry is None else (spot.n, spot.entry - 2)
    entries: list[JournalEntry] = []
    for number in journal_reading.slices_of(view.connection, spot.n):
        wanted = Wanted(groups={spot.n}, after=after, limit=limit - len(entries))
        picked = journal_picking.pick(view.connection, number, describing.definitions, wanted)
        entries += [describing.entry(group, change) for change in picked.changes]
        if len(entries) >= limit:
            break
    if group.control is not None and not entries:
        entries.append(describing.request_entry(group))
    return JournalGroup(
        epoch=group.host_epoch,
        n=group.n,
        origin=describing.origin(group),
        origin_sequence=group.origin_n or None,
        at=group.at,
        merged=bool(group.merged),
        control=group.control,
        entries=entries,
        total=group.entries,
        transaction=group.uid.hex(),
    )
