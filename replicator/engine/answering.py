"""A station answers a comparison: its rows as they stand at a position of the host's log (protocol.md 7.3).

Between two batches: the log is applied up to a position then, and what the station itself has changed since is in its
journal. First the sums are made; if they are the host's, that is the answer. Of buckets that differ, what the station
knows to be otherwise is taken out (private rows) or counted as the host has it (changes that await a verdict, rows that
were skipped, local edits); of what differs then, all rows are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain

from sqlalchemy import Connection

from replicator.databases import digests
from replicator.databases.digests import Digester, RowDigest
from replicator.engine import compared
from replicator.engine.collect import collect, request
from replicator.engine.node import Node
from replicator.engine.soundness import unwritable
from replicator.engine.unsettled import rows_of
from replicator.protocol.codec_plain import pack, unpack_rows
from replicator.protocol.comparing import AnswerBody, listed_bits
from replicator.protocol.edits import read_edit
from replicator.protocol.images import lay_back
from replicator.protocol.keys import pack_key
from replicator.store import catalogue, comparisons, journal, journal_reading, quarantine, rows, table_versions
from replicator.store.comparisons import ComparedTable, Comparison, State
from replicator.types import HOST_PEER, Image, Key, Kinds, Position, Table, Tie

PAGE = 2000
PIECE_BYTES = 100_000
"""Of keys in one request, about."""
TOGETHER = 20
"""Requests written in one transaction."""
MOST_PENDING = 20_000
"""Changes without a verdict that are looked up in the journal; of more, all rows are named."""


class Unknown:
    """What the host has of a row, where the station can't tell."""


UNKNOWN = Unknown()
Known = Image | None | Unknown


def answer_comparisons(node: Node) -> None:
    """Answer what the host has asked for up to the last batch applied."""
    with node.database.transaction(write=False) as connection:
        if not comparisons.in_state(connection, *comparisons.OPEN):
            return
    with node.unit() as unit:
        compared.review(unit)
        waiting = comparisons.in_state(unit.connection, State.TAKEN)
    for comparison in waiting:
        _answer(node, comparison)


def _answer(node: Node, comparison: Comparison) -> None:
    with ExitStack() as stack:
        with node.unit() as unit:
            collect(unit)
            unit.journal.finish()
            link = unit.link(HOST_PEER)
            seen, judged = link.seen, link.judged_n
            asked = [
                (unit.tables[each.table], each, unit.flags_up[each.table])
                for each in comparisons.compared_tables(unit.connection, comparison.id)
                if each.table in unit.tables and not each.answered and each.sums
            ]
            held = {*unit.held, *table_versions.behind(unit.connection)}
            # What can't be read as it is replicated is answered when it can be again.
            late = unwritable(unit, [table.id for table, *_ in asked])
            reader = stack.enter_context(node.database.snapshot(unit.connection))
        for table, wanted, upward in asked:
            if table.id in late:
                continue
            answering = _Answering(
                node, reader, comparison.other_id, table, wanted, seen, judged, upward, held=table.id in held
            )
            for bodies in _lots(answering.bodies()):
                with node.unit() as unit:
                    for body in bodies:
                        request(unit, "compared", pack(body.plain()))
                    if bodies[-1].last:
                        comparisons.set_answered(unit.connection, comparison.id, table.id)
    if any(table.id in late for table, *_ in asked):
        return
    with node.unit() as unit:
        compared.answered(unit, comparison)


def _lots(bodies: Iterable[AnswerBody]) -> Iterator[list[AnswerBody]]:
    lot: list[AnswerBody] = []
    for body in bodies:
        lot.append(body)
        if body.last or len(lot) >= TOGETHER:
            yield lot
            lot = []


@dataclass(slots=True)
class _Answering:
    """One table of one comparison."""

    node: Node
    reader: Connection
    number: int
    table: Table
    compared: ComparedTable
    seen: Position
    judged: int
    upward: Kinds
    held: bool
    """The table stands here in another form than at the host, or its rows in this form are still to come, so that sums
    say nothing: its rows are named as such that can't be compared."""
    digester: Digester = field(init=False)
    attempt: bytes = field(init=False)

    def __post_init__(self) -> None:
        sums = self.compared.sums or b""
        # Of the host's form of the table; its places say nothing of another one's.
        without = () if self.held else self.compared.without
        self.digester = Digester(self.table.definition, len(sums) // digests.SIZE, without)
        self.attempt = self.node.runtime.random(16)

    def bodies(self) -> Iterator[AnswerBody]:
        """The pieces of the answer, in order; the last one says so."""
        theirs = self.compared.sums or b""
        sums = [0] * (len(theirs) // digests.SIZE)
        for images in self.node.database.scan(self.reader, self.table):
            self.digester.add(sums, images)
        unlike = digests.differing(sums, theirs)
        exceptions = self._exceptions(unlike) if unlike else {}
        if unlike:
            unlike &= digests.differing(self._as_the_host_has_it(unlike, exceptions), theirs)
        left = [key for key in exceptions if self.digester.bucket(key) in unlike]
        named = self._named(unlike, exceptions) if unlike else iter(())
        if self.held:
            named = (row._replace(digest=b"") for row in named)
        yield from self._pieces(listed_bits(unlike), named, left)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _as_the_host_has_it(self, buckets: set[int], exceptions: dict[Key, Known]) -> list[int]:
        sums = [0] * (len(self.compared.sums or b"") // digests.SIZE)
        known = [image for image in exceptions.values() if isinstance(image, tuple)]
        for row in chain(self._named(buckets, exceptions), self.digester.rows(known)):
            sums[row.bucket] += digests.number_of(row.digest)
        return sums

    def _named(self, buckets: set[int], exceptions: dict[Key, Known]) -> Iterator[RowDigest]:
        """Rows of these buckets that are to be the host's."""
        database = self.node.database
        for images in database.scan(self.reader, self.table):
            found = [row for row in self.digester.rows(images) if row.bucket in buckets and row.key not in exceptions]
            if found and Kinds.NEW not in self.upward:
                # Rows that nobody has told the host of are private, where the rules keep them here.
                with database.transaction(write=False) as connection:
                    keys = [row.key for row in found]
                    versions = rows.load_versions(database, connection, self.table.id, keys)
                found = [row for row in found if row.key in versions and versions[row.key].tie == Tie.SHARED]
            yield from found

    def _exceptions(self, buckets: set[int]) -> dict[Key, Known]:
        """Rows of these buckets that may rightly be otherwise than the host's, and what it has of them."""
        table = self.table.id
        with self.node.database.transaction(write=False) as connection:
            found = {key: image for key, image in self._kept_here(connection) if self._is_in(key, buckets)}
            found.update((key, image) for key, image in self._pending(connection) if self._is_in(key, buckets))
            requests = journal.open_requests(connection, self.judged, "refresh")
            for number, key in (where for _, body in requests for where in rows_of(body)):
                if number == table and self._is_in(key, buckets):
                    found.setdefault(key, UNKNOWN)
            found.update((key, image) for key, image in self._skipped(connection) if self._is_in(key, buckets))
            found.update((key, image) for key, image in self._set_aside(connection) if self._is_in(key, buckets))
        return found

    def _is_in(self, key: Key, buckets: set[int]) -> bool:
        return self.digester.bucket(key) in buckets

    def _kept_here(self, connection: Connection) -> Iterator[tuple[Key, Known]]:
        """Hidden rows, detached ones, and those with edits that the rules keep here."""
        after = b""
        while versions := rows.exceptional_versions(connection, self.table.id, after, PAGE):
            after = versions[-1].key
            edits = {each.key: read_edit(each.image) for each in versions if each.tie == Tie.SHARED and each.image}
            edits = {key: edit for key, edit in edits.items() if edit[0]}
            images = self.node.database.read_images(self.reader, self.table, edits.keys())
            for each in versions:
                if each.tie != Tie.SHARED:
                    yield each.key, None if each.tie == Tie.DETACHED else UNKNOWN
                elif each.key in edits:
                    image = images.get(each.key)
                    yield each.key, UNKNOWN if image is None else lay_back(image, *edits[each.key])

    def _skipped(self, connection: Connection) -> Iterator[tuple[Key, Known]]:
        """The host's versions that were not applied."""
        after = b""
        while page := rows.skipped_of_table(connection, self.table.id, after, PAGE):
            after = page[-1][0]
            yield from ((key, image) for key, _, image in page)

    def _set_aside(self, connection: Connection) -> Iterator[tuple[Key, Known]]:
        """The host's versions that wait in quarantine."""
        after = 0
        while page := quarantine.page(connection, peer=HOST_PEER, table=self.table.id, after=after, limit=PAGE):
            after = page[-1].id
            yield from ((each.key, None if each.image is None else unpack_rows([each.image])[0]) for each in page)

    def _pending(self, connection: Connection) -> Iterator[tuple[Key, Known]]:
        """Rows with changes that await a verdict, as they were before the first of them."""
        if not journal.has_pending(connection, self.judged):
            return
        table, after = self.table.id, b""
        before = self._before_pending(connection)
        while keys := journal.pending_keys(connection, self.judged, table, after, PAGE):
            after = keys[-1]
            for key in keys:
                yield key, before.get(key, UNKNOWN)

    def _before_pending(self, connection: Connection) -> dict[Key, Known]:
        found: dict[Key, Known] = {}
        definitions = {number: each.definition for number, each in catalogue.load_tables(connection).items()}
        count = 0
        for number in journal_reading.slices_after(connection, self.judged):
            for change in journal_reading.changes_of_slice(connection, number, definitions):
                count += 1
                if change.n <= self.judged or change.table != self.table.id:
                    continue
                key = pack_key(change.key_values)
                if key not in found:
                    known, image = journal_reading.stood_before(
                        journal_reading.as_of(change, self.table), self.table.definition
                    )
                    found[key] = image if known else UNKNOWN
            if count > MOST_PENDING:
                return {}
        return found

    # --- pieces -------------------------------------------------------------------------------------------------------

    def _pieces(self, listed: bytes, named: Iterable[RowDigest], left: list[Key]) -> Iterator[AnswerBody]:
        told = chain(((row.key, row.short) for row in named), ((key, b"") for key in left))
        lot: list[tuple[Key, bytes]] = []
        size = piece = 0
        for key, digest in told:
            lot.append((key, digest))
            size += len(key) + len(digest)
            if size >= PIECE_BYTES:
                yield self._piece(piece, False, listed, lot)
                lot, size, piece = [], 0, piece + 1
        yield self._piece(piece, True, listed, lot)

    def _piece(self, piece: int, last: bool, listed: bytes, lot: list[tuple[Key, bytes]]) -> AnswerBody:
        return AnswerBody(
            self.number,
            self.table.id,
            self.attempt,
            self.seen,
            piece,
            last,
            listed,
            tuple(key for key, digest in lot if digest),
            b"".join(digest for _, digest in lot),
            tuple(key for key, digest in lot if not digest),
        )
