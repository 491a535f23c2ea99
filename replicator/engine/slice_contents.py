"""What a slice of the journal holds, as it is noted for those who look for something (`store.slice_index`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter

from replicator.engine.segmenting import Entry
from replicator.protocol.verdicts import Verdict, verdict_of
from replicator.store.journal import Group
from replicator.store.slice_index import Contents, Origin
from replicator.types import Key

_TABLE_AND_KEY = itemgetter(Entry._fields.index("table"), Entry._fields.index("key"))
_AT = itemgetter(Entry._fields.index("at"))


def contents_of(groups: list[Group], entries: list[Entry], now: int, *, by_origin: bool) -> Contents:
    """`groups`: those that have something in the slice. `by_origin`: at a host, whose log has several."""
    times = [group.at for group in groups]
    keys: defaultdict[int, set[Key]] = defaultdict(set)
    for table, key in map(_TABLE_AND_KEY, entries):
        keys[table].add(key)
    if entries:
        changed = list(map(_AT, entries))
        times += (min(changed), max(changed))
    contents = Contents(min(times, default=now), max(times, default=now), dict(keys))
    if by_origin:
        contents.origins = _origins(groups, entries)
    return contents


def _origins(groups: Iterable[Group], entries: list[Entry]) -> dict[int, Origin]:
    origins: defaultdict[int, Origin] = defaultdict(Origin)
    for group in groups:
        found = origins[group.origin]
        if group.origin:
            found.count(group.origin_n)
    judged = entries if any(origins) else ()  # of its own changes a host is no judge
    for clean, must, shared, change, masked, known in set(map(_fate, judged)):
        verdict = verdict_of(clean, must, change, masked, shared=shared, known=known)
        if verdict is not None:
            origins[must or clean].verdicts |= verdict.bit
        if must and change == "D" and not shared:
            # Whether the journal will tell the old row hangs on the other deletes of its table, too.
            origins[must].verdicts |= Verdict.ALTERED.bit | Verdict.RETURNED.bit
    return dict(origins)


def _fate(entry: Entry) -> tuple[int, int, bool, str, bool, bool]:
    _, _, _, change, _, _, mask, before, _, _, recipients, origin, must = entry
    return origin, must, recipients is not None, change, bool(mask), before is not None
