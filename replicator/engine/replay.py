"""A station replays the host's batch: records to rows, in one transaction (protocol.md 5.5).

Collect comes first: what was written before is classed by the rule before, and "pending" is then only the journal.
Records of the batch's segments are brought into stream order slice by slice, decided on in chunks by
`protocol.replaying`, and written in sets.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from replicator.engine import compared, shadowing, working
from replicator.engine.collect import collect, request
from replicator.engine.content import Content, apply_rewind, apply_rule, apply_schema, apply_snapshot
from replicator.engine.inbound import InboundBatch
from replicator.engine.incarnation import take_resync
from replicator.engine.marking import heard_of_host
from replicator.engine.node import Unit
from replicator.engine.number_requests import apply_grant
from replicator.engine.progress import Progress
from replicator.engine.unrolling import Step, Window, windows
from replicator.engine.unsettled import Held, Unsettled, rows_of, sought_parents
from replicator.errors import PeerFault
from replicator.protocol.codec_plain import pack
from replicator.protocol.control_bodies import acknowledgement_body, horizon_body
from replicator.protocol.keys import unpack_key
from replicator.protocol.messages import ControlRecord
from replicator.protocol.questions import Questions
from replicator.protocol.replaying import Record, Replay
from replicator.protocol.succession import JUDGED, STATE, SUCCESSORS, successors_body
from replicator.protocol.versions import UNTOLD, value_of_old_rows
from replicator.protocol.working_set import WorkingSet
from replicator.store import conflicts, journal, quarantine, rows, scope_keys, succession
from replicator.types import HOST_PEER, Image, Key

CHUNK = 4000
"""Records decided on together. Groups may be cut here: all becomes visible at the commit."""


def replay_batch(unit: Unit, batch: InboundBatch, replaying: Replaying) -> None:
    """Apply a batch of the host at this station. Raises PeerFault where it breaks the protocol."""
    if batch.manifest.opener == "resync":
        take_resync(unit, batch)  # the position rises only with its data
        return
    for window in windows(unit, batch):
        replaying.window(window)
        replaying.count(len(window.steps))
    replaying.finish()
    link = unit.link(HOST_PEER)
    link.seen = max(link.seen, batch.manifest.high)


@dataclass
class Replaying:
    """One batch under replay at a station, in sets; `CarefulReplaying` is for one with what the database refuses.

    To be made behind a collect.
    """

    unit: Unit
    silence: working.Silence
    content: Content | None
    """None: there is no batch, records are tried."""
    progress: Progress
    total: int
    """Rows of the batch."""
    done: int = 0
    judged: int = 0
    pending: bool = False
    """Own changes await a verdict."""
    questions: Questions = field(default_factory=Questions)
    working: WorkingSet | None = None
    aside: bool = False
    """Some of the host's records were set aside."""
    backup: bool = False
    """Was this station told what a host knows?"""
    times: dict[int, int] = field(default_factory=dict)
    """At a backup station: when groups of the host's log were made."""

    def __post_init__(self) -> None:
        self.backup = succession.is_backup(self.unit.connection)
        self.aside = not quarantine.is_empty(self.unit.connection)
        self.judged = self.unit.link(HOST_PEER).judged_n
        self.look_for_pending()

    @property
    def unwritable(self) -> Container[int]:
        """Tables that its application has changed, and of which the host has not told yet."""
        return ()

    def look_for_pending(self) -> None:
        """What has been numbered by now: own changes, and requests from before this batch on."""
        unit = self.unit
        unit.journal.finish()
        self.pending = journal.has_pending(unit.connection, self.judged)
        requests = journal.open_requests(unit.connection, unit.link(HOST_PEER).judged_n, "refresh")
        self.questions = Questions.of((n, where) for n, body in requests for where in rows_of(body))

    def count(self, rows: int) -> None:
        """So many more are applied: records, or rows of a content."""
        self.done = min(self.done + rows, self.total)
        self.progress.applied(self.unit.peers[HOST_PEER].name, self.done, self.total)

    def window(self, window: Window) -> None:
        steps = window.steps
        for start in range(0, len(steps), CHUNK):
            self.steps(steps[start : start + CHUNK])

    def steps(self, steps: list[Step]) -> None:
        """Decide on a run of records; a rule or a snapshot in between is a step of its own."""
        chunk: list[Step] = []
        for step in steps:
            if isinstance(step, ControlRecord) and step.kind != "ack":
                self.piece(chunk)
                chunk = []
                self._control(step)
            else:
                chunk.append(step)
        self.piece(chunk)

    def piece(self, steps: list[Step], *, late: bool = False) -> None:
        """Records and acknowledgements that may be decided on together. `late`: see `replay`."""
        if steps:
            self.decide_and_write(steps, late=late)

    def _control(self, record: ControlRecord) -> None:
        content = self.content
        assert content is not None  # noqa: S101 - control records come in batches only
        position = (content.host_epoch, record.number)
        if record.kind == "rule":
            apply_rule(self, content, position, record.body)
        elif record.kind == "snap":
            apply_snapshot(self, content, position, record.body)
        elif record.kind == "schema":
            apply_schema(self.unit, record.body)
            self.working = None
        elif record.kind == "grant":
            apply_grant(self.unit, record.body)
        elif record.kind == "rewind":
            apply_rewind(self.unit.link(HOST_PEER), record.body)
        elif record.kind == "horizon":
            heard_of_host(self.unit, horizon_body(record.body))
        elif record.kind == "compare":
            compared.take_sums(self.unit, position, record.body)
        elif record.kind == "compared":
            compared.take_result(self.unit, record.body)
        elif record.kind == "repair":
            compared.adopt(self.unit, self.judged, record.body)
        elif record.kind == SUCCESSORS:
            succession.replace_successors(self.unit.connection, successors_body(record.body))
        elif record.kind == STATE:
            shadowing.take_state(self.unit, record.body)
        elif record.kind == JUDGED:
            self.times.update(shadowing.take_judged(self.unit, record.body))
        else:
            raise PeerFault(f"the host sent a record '{record.kind}', which this version does not know")

    def replay(self, records: list[Record], *, late: bool = False) -> Replay:
        """A `Replay` with everything loaded that these records may need. `late`: parents may follow in the content."""
        unit = self.unit
        if self.working is None:
            self.working = working.new_working_set(unit)
        keys: dict[int, dict[Key, None]] = {}
        for record in records:
            keys.setdefault(record.table, {})[record.key] = None
        pending = {
            (table, key): n
            for table, wanted in keys.items()
            if self.pending
            for key, n in journal.pending(unit.connection, self.judged, table, wanted).items()
        }
        replay = Replay(self.working, unit.flags_down, pending, self.judged, questions=self.questions)
        replay.comes_back = self.backup
        replay.unsettled_rows = Unsettled(unit, self.questions).rows
        if self.aside:
            replay.held = Held(unit)
        replay.unanswerable = {table for table in unit.tables if not unit.current_rule(HOST_PEER, table)}
        for table, wanted in keys.items():
            working.load_versions(unit, self.working, {table: wanted})
            mine = [record for record in records if record.table == table]
            self._load_rows(table, wanted, mine, pending)
            if late:
                self._expect_parents(table, mine)
        replay.sought = sought_parents(unit, self.working, records)
        return replay

    def _load_rows(
        self, table: int, keys: dict[Key, None], records: list[Record], pending: dict[tuple[int, Key], int]
    ) -> None:
        """Local rows that may give way, and where keys have to stay valid all that they hang on."""
        assert self.working is not None  # noqa: S101 - set by replay
        unit, state = self.unit, self.working[table]
        versions = state.versions
        constrained = bool(state.unique or state.parents or state.children)
        if constrained:
            working.load_rows(unit, self.working, table, keys)
        else:
            loose = [
                key
                for key in keys
                if (version := versions.get(key)) is None or version.tie != "S" or version.image is not None
            ]
            working.load_rows(unit, self.working, table, loose)
            return
        images = [record.image for record in records if record.image is not None]
        concerned = set(keys)
        for index in state.unique:
            holders = working.load_holders(unit, state, index, images)
            concerned |= holders
            working.load_rows(unit, self.working, table, holders)
            standing = [(key, state.rows[key]) for key in holders if key in state.rows]
            working.load_places(unit, state, index, [*standing, *working.rivals(state, index, images)])
            working.load_versions(unit, self.working, {table: holders})
            if self.pending:
                found = journal.pending(unit.connection, self.judged, table, holders)
                pending.update(((table, key), n) for key, n in found.items())
        working.load_parents(unit, state, images)
        if self.pending:
            for parent, missing in working.missing_parents(state, images).items():
                found = journal.pending(unit.connection, self.judged, parent, missing)
                pending.update(((parent, key), n) for key, n in found.items())
        if state.children:
            # Of holders too: one that would have to go while rows refer to it stays.
            working.load_children(unit, state, [state.rows[key] for key in concerned if key in state.rows])

    def _expect_parents(self, table: int, records: list[Record]) -> None:
        """Parents that come later in the same content count as there."""
        assert self.working is not None  # noqa: S101 - set by replay
        state = self.working[table]
        images = [record.image for record in records if record.image is not None]
        for parent, keys in working.missing_parents(state, images).items():
            coming = scope_keys.there(self.unit.database, self.unit.connection, scope_keys.CONTENT, parent, keys)
            for link in state.parents:
                if link.parent.table.id == parent:
                    for key in coming:
                        value = link.index.comparable(unpack_key(key))
                        if value is not None:
                            link.index.holders.setdefault(value, key)

    def _completed(self, steps: list[Step]) -> list[Step]:
        """Where the host has dropped a column that is here still, its rows say nothing of it: what stands stays."""
        keys: dict[int, dict[Key, None]] = {}
        for step in steps:
            if isinstance(step, Record) and step.table in self.unit.held and step.image and UNTOLD in step.image:
                keys.setdefault(step.table, {})[step.key] = None
        if not keys:
            return steps
        if self.working is None:
            self.working = working.new_working_set(self.unit)
        for table, wanted in keys.items():
            working.load_rows(self.unit, self.working, table, wanted)
        here = {table: dict[Key, Image | None](self.working[table].rows) for table in keys}
        return [self._complete(step, here) if isinstance(step, Record) else step for step in steps]

    def _complete(self, record: Record, here: dict[int, dict[Key, Image | None]]) -> Record:
        if record.table not in here:
            return record
        rows, image = here[record.table], record.image
        if image is not None and UNTOLD in image:
            columns = self.unit.tables[record.table].definition.columns
            rest = rows.get(record.key) or tuple(map(value_of_old_rows, columns))
            image = tuple(rest[place] if value is UNTOLD else value for place, value in enumerate(image))
            record = record._replace(image=image)
        rows[record.key] = image
        return record

    def decide_and_write(self, steps: list[Step], *, late: bool = False) -> None:
        """Raises ConstraintViolation where the database refuses something, Dependent where something waits for what was
        set aside."""
        if self.unit.held:
            steps = self._completed(steps)
        records = [step for step in steps if isinstance(step, Record)]
        replay = self.replay(records, late=late)
        epoch = self.unit.link(HOST_PEER).link.out.epoch
        for step in steps:
            if isinstance(step, Record):
                replay.record(step)
            else:
                acknowledged, sequence = acknowledgement_body(step.body)
                if acknowledged == epoch:
                    replay.acknowledge(sequence)
        self.judged = replay.judged
        self.write(replay)
        if self.aside:
            # What was set aside of these rows is over: this is later, and whole.
            done = {(record.table, record.key) for record in records} - replay.withheld
            quarantine.drop_rows(self.unit.connection, HOST_PEER, done)

    def write(self, replay: Replay) -> None:
        """Write what was planned, and put on record what gave way."""
        assert self.working is not None  # noqa: S101 - set by replay
        unit = self.unit
        replay.settle()
        if self.times:
            shadowing.mark(replay, self.times)
        position = unit.link(HOST_PEER).seen
        for table, plans in replay.plans.items():
            state = self.working[table]
            if not (state.unique or state.parents or state.children):
                state.put_all({key: planned.image for key, planned in plans.items()})
            if rows.has_skipped(unit.connection):
                done = [(table, key) for key, planned in plans.items() if not planned.refused]
                rows.drop_skipped(unit.connection, done)
        working.flush(unit, self.working, self.silence)
        rows.keep_skipped(unit.database, unit.connection, replay.skipped)
        for table, key in replay.refreshes:
            request(unit, "refresh", pack([table, key]))
        found = [(position, None, conflict) for conflict in replay.conflicts]
        conflicts.record(unit.connection, HOST_PEER, unit.now, found, unit.tables)
        working.forget(self.working)

    def finish(self) -> None:
        """End of the batch: own changes up to here have their verdict."""
        unit = self.unit
        link = unit.link(HOST_PEER)
        link.judged_n = max(link.judged_n, self.judged)
        if rows.has_skipped(unit.connection):
            collect(unit)  # the requests of this batch take their place in the stream
            unit.journal.finish()
            self._drop_settled()

    def _drop_settled(self) -> None:
        """What was skipped is kept only while a change or a request about it is open."""
        unit = self.unit
        open_now = set()
        for _, body in journal.open_requests(unit.connection, self.judged, "refresh"):
            open_now.update(rows_of(body))
        settled = []
        for table, key in rows.skipped_keys(unit.connection):
            if (table, key) not in open_now and not journal.pending(unit.connection, self.judged, table, [key]):
                settled.append((table, key))
        rows.drop_skipped(unit.connection, settled)
