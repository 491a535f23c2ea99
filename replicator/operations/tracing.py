"""A row's way, as far as this node can know it: written, numbered, sent, received, judged, acknowledged, what waits.

What the journal tells of the row is put together with the batches and mails that are noted (`store.trails`), with
conflicts, quarantine and the links. What another node did is told only where its word has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from replicator.operations.journal_filters import Filter, search_of
from replicator.operations.journal_lines import PENDING, Describing
from replicator.operations.journal_pages import BOUND, Found, Looking, cursor
from replicator.operations.key_texts import keys_of
from replicator.operations.listings import KINDS, Fields
from replicator.operations.opening import View
from replicator.operations.row_states import RowState, state_of
from replicator.operations.writing import position_text
from replicator.protocol.keys import unpack_key
from replicator.protocol.verdicts import Verdict
from replicator.store import catalogue, conflicts, journal_reading, state, trails
from replicator.store.conflicts import ConflictRow
from replicator.store.journal import Group
from replicator.store.state import LinkState
from replicator.store.trails import BatchTrail
from replicator.types import HOST_PEER, Key, Position, Table, Tie, Value

_LAST = 1 << 62
"""Behind all moments."""

TOLD = {
    Verdict.ACCEPTED: "accepted: stored as it was sent",
    Verdict.ALTERED: "stored, and sent back as it stands here",
    Verdict.RETURNED: "not stored; the row as it stands was sent back",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to the row."""

    at: int | None
    """Microseconds since 1970 UTC, by the clock of the node where it happened; None: not known."""
    what: str
    """written, numbered, batched, sent, acknowledged, received, judged, conflict, set aside, waiting."""
    where: str
    """The node where it happened."""
    position: str | None
    """The change's place in this node's journal, or what of the host's log the row came with."""
    text: str
    peer: str | None = None
    """The other end, where there is one."""
    batch: str | None = None
    """Epoch and number in the link's stream: '1.1/17'."""
    mails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    table: str
    key: tuple[Value, ...]
    node: str
    events: list[Event]
    """In the order of time; those of one change stay in the order of its way."""
    now: Fields | None
    """The row as it stands here; None: there is none."""
    state: list[str]
    """What holds of it now: which version it is, whose it is, what it waits for."""
    older: str | None
    """Older changes than these: the position to ask before."""
    known: bool
    """Anything is known of it here."""


def trace(view: View, name: str, texts: Sequence[str], *, limit: int = 20, before: Filter | None = None) -> Trace:
    """The way of the row in table `name` whose key is written so: of its newest `limit` changes.

    `before`: a filter with which older ones are asked for. Raises UnknownName and WrongUse.
    """
    table = catalogue.find_table(view.connection, name)
    keys = keys_of(table, texts)
    spot = None if before is None else before.before
    search = search_of(view, Filter(table=name, key=tuple(texts), before=spot))
    looking = Looking(view, search, newest=True, bound=BOUND)
    found = list(looking.found(limit))[::-1]
    older = None
    if looking.stopped_at is not None:
        older = cursor(view, looking.stopped_at, newest=True)
    elif len(found) == limit:
        older = cursor(view, found[0].place, newest=True)
    way = _Way(view, table, looking.describing)
    timed = [pair for each in found for pair in _in_order(way.of(each))]
    standing = state_of(view, table, keys)
    timed += _in_order(way.of_version(standing))
    since = found[0].group.at if found and older is not None else 0
    timed += ((at, event) for at, event in _in_order(way.conflicts(keys)) if at >= since)
    timed += _in_order(way.quarantine(standing))
    events = [event for _, event in sorted(timed, key=lambda pair: pair[0])]
    key = found[-1].change.key_values if found and found[-1].change else unpack_key(standing.key)
    return Trace(
        table=table.name,
        key=key,
        node=view.node.name,
        events=events,
        now=standing.row,
        state=standing.sentences,
        older=older,
        known=bool(events) or standing.is_known,
    )


def _in_order(events: Iterable[Event]) -> Iterator[tuple[int, Event]]:
    """Each with the moment by which it is put in order: a change's events stay in the order of its way, whatever the
    clocks of several nodes say; what waits comes last."""
    moment = 0
    for event in events:
        moment = max(moment, event.at or 0)
        yield (_LAST if event.what == "waiting" else moment), event


@dataclass
class _Way:
    """The way of changes of one row."""

    view: View
    table: Table
    describing: Describing
    _links: dict[int, LinkState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._recipients = catalogue.RecipientSets.load(self.view.connection).stations

    @property
    def _here(self) -> str:
        return self.view.node.name

    def _link(self, peer: int) -> LinkState | None:
        if peer not in self.view.peers:
            return None
        if peer not in self._links:
            self._links[peer] = state.load_link(self.view.connection, peer, self.view.node.role)
        return self._links[peer]

    def of(self, found: Found) -> Iterator[Event]:
        """A change from its writing to the last word on it."""
        change, group = found.change, found.group
        if change is None:
            return
        line = self.describing.line(group, change)
        position = position_text(group.position)
        columns = f": {', '.join(line.columns)}" if line.columns else ""
        yield Event(line.at, "written", line.origin, position, f"{line.kind}{columns}")
        if group.origin == HOST_PEER:
            together = f", one of {group.entries} changes" if group.entries > 1 else ""
            yield Event(group.at, "numbered", self._here, position, f"group {position}{together}")
        else:
            yield from self._received(group, position)
            if change.verdict is not None:
                at = self._judged_at(group)
                yield Event(at, "judged", self._here, position, TOLD[change.verdict], peer=line.origin)
        if self.view.is_host:
            wanted = set(self._recipients.get(change.recipients or 0, ())) - {change.origin}
            for peer in sorted(wanted):
                yield from self._went(peer, group.position, position, "")
            if change.verdict_for is not None:
                yield from self._went(change.verdict_for, group.position, position, " as the host's word on it")
            elif group.origin != HOST_PEER:
                yield from self._went(group.origin, group.position, position, " as the word that it was taken")
        else:
            yield from self._went(HOST_PEER, (0, group.n), position, "")
            yield from self._word(group, line.verdict)

    # --- in ----------------------------------------------------------------------------------------------------------

    def _batch_in(self, group: Group) -> BatchTrail | None:
        """Host: the batch that brought a station's group."""
        epoch = (0, group.origin_epoch)
        found = trails.covering(self.view.connection, group.origin, trails.IN, (0, group.origin_n))
        return next((batch for batch in found if batch.epoch == epoch), None)

    def _judged_at(self, group: Group) -> int | None:
        batch = self._batch_in(group)
        return None if batch is None else batch.at

    def _received(self, group: Group, position: str) -> Iterator[Event]:
        origin = self.view.name_of(group.origin)
        text = f"from {origin}, its group {group.origin_n}"
        batch = self._batch_in(group)
        if batch is None:
            yield Event(None, "received", self._here, position, f"{text}; by which mail is not kept", peer=origin)
        else:
            yield self._arrival(batch, position, text, origin)

    def _arrival(self, batch: BatchTrail, position: str | None, text: str, peer: str) -> Event:
        mails = trails.mails_of(self.view.connection, batch)
        at = mails[-1].at if mails else batch.at
        return Event(
            at, "received", self._here, position, text, peer, _number(batch), tuple(m.message_id for m in mails)
        )

    # --- out ---------------------------------------------------------------------------------------------------------

    def _went(self, peer: int, place: Position, position: str, why: str) -> Iterator[Event]:
        """Into a link: batched, sent, acknowledged; or why not yet."""
        name = self.view.name_of(peer)
        batches = _brought_it(trails.covering(self.view.connection, peer, trails.OUT, place))
        for batch in batches:
            mails = trails.mails_of(self.view.connection, batch)
            number, names = _number(batch), tuple(mail.message_id for mail in mails)
            kind = {"snap": " with all rows", "rewind": " once more"}.get(batch.opener or "", "")
            yield Event(batch.at, "batched", self._here, position, f"for {name}{why}{kind}", name, number)
            if mails:
                times = f" in {len(mails)} mails" if len(mails) > 1 else ""
                yield Event(mails[0].at, "sent", self._here, position, f"to {name}{times}", name, number, names)
            elif batch.acknowledged_at is None:
                yield Event(None, "waiting", self._here, position, f"for a mail to {name} to go", name, number)
            if batch.acknowledged_at is not None:
                yield Event(
                    batch.acknowledged_at,
                    "acknowledged",
                    self._here,
                    position,
                    f"by {name}: applied there",
                    name,
                    number,
                )
            elif mails:
                yield Event(
                    None, "waiting", self._here, position, f"for {name} to say that it is applied", name, number
                )
        if not batches:
            yield from self._not_batched(peer, place, position, name, why)

    def _not_batched(self, peer: int, place: Position, position: str, name: str, why: str) -> Iterator[Event]:
        link = self._link(peer)
        if link is None:
            yield Event(None, "waiting", self._here, position, f"{name} is no longer a station", name)
        elif link.link.out.high >= place:
            yield Event(None, "acknowledged", self._here, position, f"by {name}; when is not kept", name)
        elif self._cut(link, place):
            yield Event(None, "sent", self._here, position, f"to {name}; in which batch is not kept", name)
        else:
            yield Event(None, "waiting", self._here, position, f"for a batch for {name}{why}", name)

    def _cut(self, link: LinkState, place: Position) -> bool:
        slices = journal_reading.slices_of(self.view.connection, place[1])
        return bool(slices) and slices[-1] <= link.cut_slice

    def _word(self, group: Group, verdict: str | None) -> Iterator[Event]:
        """Station: whether the host's word on an own change has come."""
        host, position = self.view.name_of(HOST_PEER), position_text(group.position)
        if verdict == PENDING:
            yield Event(None, "waiting", self._here, position, f"for the word of {host}", host)
            return
        batch = trails.judged_by(self.view.connection, HOST_PEER, group.n)
        if batch is None:
            yield Event(None, "judged", self._here, position, f"by {host}; when its word came is not kept", host)
            return
        mails = tuple(mail.message_id for mail in trails.mails_of(self.view.connection, batch))
        yield Event(batch.at, "judged", self._here, position, f"the word of {host} came", host, _number(batch), mails)

    # --- besides -----------------------------------------------------------------------------------------------------

    def of_version(self, standing: RowState) -> Iterator[Event]:
        """Station: by which batch the host's row of now came."""
        version = standing.version
        if self.view.is_host or version is None or not version.n:
            return
        place, host = (version.epoch, version.n), self.view.name_of(HOST_PEER)
        gone = version.tie == Tie.DETACHED or (version.tie == Tie.NONE and version.deleted)
        what = "that it is gone" if gone else "the row"
        text = f"from {host}: {what} as of {position_text(place)} in its log"
        found = trails.covering(self.view.connection, HOST_PEER, trails.IN, place)
        if found:
            yield self._arrival(found[0], position_text(place), text, host)
        else:
            yield Event(None, "received", self._here, position_text(place), f"{text}; by which mail is not kept", host)

    def conflicts(self, keys: Sequence[Key]) -> list[Event]:
        return [self._conflict(row) for row in conflicts.of_row(self.view.connection, self.table.id, keys)]

    def _conflict(self, row: ConflictRow) -> Event:
        station = self._here if row.peer == HOST_PEER else self.view.name_of(row.peer)
        settled = "" if row.settled_at is None else f", settled: {row.settled_by}"
        text = f"conflict {row.id}: {row.kind}{settled}"
        return Event(row.at, "conflict", self._here, position_text((row.host_epoch, row.n)), text, station)

    def quarantine(self, standing: RowState) -> list[Event]:
        return [
            Event(
                entry.since,
                "set aside",
                self._here,
                position_text(entry.group),
                f"quarantine {entry.id}: {KINDS[entry.change]}, {entry.error}",
                self.view.name_of(entry.peer),
            )
            for entry in standing.aside
        ]


def _brought_it(covering: list[BatchTrail]) -> list[BatchTrail]:
    """Of batches that go so far, those that brought it: the first of each stream, up to one that is acknowledged."""
    first: dict[tuple[int, int], BatchTrail] = {}
    for batch in covering:
        first.setdefault(batch.epoch, batch)
    found = []
    for epoch in sorted(first):
        found.append(first[epoch])
        if first[epoch].acknowledged_at is not None:
            break
    return found


def _number(batch: BatchTrail) -> str:
    return f"{batch.epoch_epoch}.{batch.epoch_n}/{batch.n}"
