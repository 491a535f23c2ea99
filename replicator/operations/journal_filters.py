"""What is looked for in the journal: as people say it, and as the store is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from replicator.errors import UnknownName, WrongUse
from replicator.operations.journal_lines import JUDGED, PENDING
from replicator.operations.key_texts import keys_of
from replicator.operations.opening import View
from replicator.operations.writing import day, position_text
from replicator.protocol.verdicts import Verdict
from replicator.store import catalogue, journal, purging, retention, state
from replicator.store.journal_picking import Place, Wanted
from replicator.store.slice_index import Sought
from replicator.types import HOST_PEER

_POSITION = re.compile(r"(?:(\d{1,16})\.)?(\d{1,16})(?::(\d{1,16}))?", re.ASCII)
_UID = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"\d{1,16}", re.ASCII)

BEHIND_ALL = 1 << 60
"""Place in a group, behind all of its entries."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A position as it is written: 417, 2.417, or 2.417:31 for entry 31 of that group."""

    n: int
    epoch: int | None = None
    entry: int | None = None
    """From 1. None: the whole group."""

    @classmethod
    def of(cls, text: str) -> Spot:
        """Raises WrongUse."""
        found = _POSITION.fullmatch(text.strip())
        if found is None:
            raise WrongUse(f"'{text}' is no position in the journal: write 417, 2.417, or 2.417:31 for its entry 31")
        epoch, n, entry = (None if part is None else int(part) for part in found.groups())
        assert n is not None  # noqa: S101 - the expression has it
        return cls(n, epoch, entry)

    @property
    def start(self) -> Place:
        """Where it begins: a request, which has no entries, stands there."""
        return (self.n, -1) if self.entry is None else (self.n, self.entry - 1)

    @property
    def end(self) -> Place:
        return (self.n, BEHIND_ALL) if self.entry is None else (self.n, self.entry - 1)


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked for; all of it has to fit."""

    table: str | None = None
    key: tuple[str, ...] = ()
    """With a table: a text for each column of its primary key."""
    station: str | None = None
    """Who made the change: a station, or the host by its own name."""
    since: int | None = None
    until: int | None = None
    """Moments, microseconds since 1970 UTC, by the clocks of those who wrote."""
    position: Spot | None = None
    transaction: str | None = None
    """The number that its station gave it, or 32 hexadecimal digits."""
    verdict: str | None = None
    after: Spot | None = None
    before: Spot | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """The same, as the store is asked."""

    sought: Sought
    wanted: Wanted
    origin: int | None = None
    origin_n: int | None = None
    uid: bytes | None = None

    @property
    def by_group(self) -> bool:
        """Something is asked that only the groups tell."""
        return self.origin is not None or self.origin_n is not None or self.uid is not None

    def groups(self, view: View, first: int, last: int) -> set[int] | None:
        """Groups of a stretch of the journal that fit; None: all do."""
        if not self.by_group:
            return None
        return journal.find_groups(
            view.connection, first, last, origin=self.origin, origin_n=self.origin_n, uid=self.uid
        )


def search_of(view: View, chosen: Filter) -> Search:
    """Raises UnknownName and WrongUse."""
    for spot in (chosen.position, chosen.before):
        if spot is not None:
            require_kept(view, spot)
    after, before = chosen.after, chosen.before
    places = [None if after is None else after.end, None if before is None else before.start]
    if chosen.position is not None:
        (n, first), (_, last) = chosen.position.start, chosen.position.end
        # Both ends are open.
        low, high = (n, first - 1), (n, last + 1)
        places = [max(places[0] or low, low), min(places[1] or high, high)]
    wanted = Wanted(after=places[0], before=places[1], since=chosen.since, until=chosen.until)
    sought = Sought(since=chosen.since, until=chosen.until)
    if chosen.table is not None:
        table = catalogue.find_table(view.connection, chosen.table)
        keys = keys_of(table, chosen.key) if chosen.key else ()
        sought = replace(sought, table=table.id, keys=keys)
        wanted = replace(wanted, table=table.id, keys=frozenset(keys) if keys else None, records=False)
    elif chosen.key:
        raise WrongUse("say with --table of which table the key is")
    search = _with_verdict(view, chosen.verdict, Search(sought, wanted, _origin(view, chosen.station)))
    search = _with_transaction(view, chosen.transaction, search)
    if view.is_host and search.origin is not None:
        search = replace(search, sought=replace(search.sought, origin=search.origin, origin_n=search.origin_n))
    return search


def _origin(view: View, station: str | None) -> int | None:
    if station is None:
        return None
    if station == view.node.name:
        return HOST_PEER  # own groups have this number at both ends
    if not view.is_host:
        raise WrongUse(f"the journal of a station has its own changes only; ask at the host for those of {station}")
    return state.find_peer(view.connection, station).id


def _with_verdict(view: View, verdict: str | None, search: Search) -> Search:
    if verdict is None:
        return search
    known = [str(each) for each in Verdict] if view.is_host else [PENDING, JUDGED]
    if verdict not in known:
        where = "the host" if view.is_host else "a station"
        raise WrongUse(f"there is no verdict '{verdict}' at {where}: give {', '.join(known)}")
    wanted = replace(search.wanted, records=False)
    if view.is_host:
        found = Verdict(verdict)
        sought = replace(search.sought, verdicts=found.bit)
        return replace(search, sought=sought, wanted=replace(wanted, verdicts=frozenset({found})))
    judged = state.load_link(view.connection, HOST_PEER, view.node.role).judged_n
    bound = judged, BEHIND_ALL
    if verdict == PENDING:
        wanted = replace(wanted, after=max(wanted.after or bound, bound))
    else:
        wanted = replace(wanted, before=min(wanted.before or bound, bound))
    return replace(search, wanted=wanted)


def _with_transaction(view: View, text: str | None, search: Search) -> Search:
    if text is None:
        return search
    if _UID.fullmatch(text.lower()):
        return replace(search, uid=bytes.fromhex(text))
    if not _NUMBER.fullmatch(text):
        raise WrongUse(f"'{text}' is no transaction: give the number that its station gave it, or its 32 digits")
    if search.origin is None and view.is_host:
        raise WrongUse(f"transaction {text} is of which station? Say it with --station, or give the 32 digits")
    if not search.origin:
        # Made here: its number is its position.
        n = int(text)
        wanted = search.wanted
        low, high = (n, -2), (n, BEHIND_ALL + 1)
        return replace(
            search,
            wanted=replace(wanted, after=max(wanted.after or low, low), before=min(wanted.before or high, high)),
        )
    return replace(search, origin_n=int(text))


# --- positions that are gone ------------------------------------------------------------------------------------------


def require_kept(view: View, spot: Spot) -> None:
    """Raises UnknownName for a position of another life of the host, and for one that was purged."""
    oldest = purging.oldest_group(view.connection)
    if oldest is not None and spot.n < oldest[0]:
        raise UnknownName(gone(view, spot.n))
    group = journal.group(view.connection, spot.n)
    if group is not None and spot.epoch not in (None, group.host_epoch):
        raise UnknownName(
            f"there is no {spot.epoch}.{spot.n} in this journal: group {spot.n} is {position_text(group.position)}"
        )


def gone(view: View, n: int) -> str:
    """That group n is no longer in the journal, since when, and what is."""
    known = retention.load(view.connection)
    oldest = purging.oldest_group(view.connection)
    how = (
        f"was purged on {day(known.purged_at)}" if known.purged_at and n <= known.purged_n else "is not in the journal"
    )
    if oldest is None:
        return f"group {n} {how}; the journal is empty"
    first = journal.group(view.connection, oldest[0])
    assert first is not None  # noqa: S101 - it was just found
    return f"group {n} {how}; the journal is kept from {position_text(first.position)} ({day(first.at)})"
