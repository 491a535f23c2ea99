"""A station gets its tables to where the host's are (protocol.md 7.8).

It adds columns by itself. What only its application or a person can do (a column renamed or dropped, another type, a
new key) is *held*: told, and until the table fits, the host's rows are mapped to what stands here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from replicator.engine.collect import request
from replicator.engine.inbound import open_batch
from replicator.engine.node import Node, Unit
from replicator.engine.releasing import release_rows_of
from replicator.engine.soundness import KIND, kept_from
from replicator.engine.table_changes import prepare, send_found, take_over
from replicator.errors import ReplicatorError
from replicator.protocol.codec_plain import pack
from replicator.protocol.control_bodies import tables_in
from replicator.protocol.link import chains
from replicator.protocol.messages import SegmentKind
from replicator.protocol.versions import difference, fills_old_rows
from replicator.store import notices, table_versions
from replicator.store.parcels import Parked
from replicator.store.table_versions import Held
from replicator.types import NOWHERE, Position, Table

HELD = "schema-held"
"""Kind of the notice about a table that the host has in a form that this station can't take by itself."""


def follow(node: Node) -> None:
    """Take over what can be. A table that can't be waits, and nothing else does."""
    with node.unit() as unit:
        waiting = list(unit.held)
    for number in waiting:
        try:
            _follow(node, number)
        except ReplicatorError as error:
            with node.unit() as unit:
                name = unit.tables[number].name
            kept_from(node, name, error)


def look_ahead(node: Node, parked: Parked) -> bool:
    """The application here may have done already what the host's next batch tells of, so that its rows can't be written
    as long as the table is known in its old form: what the batch says of tables is taken first. Of several versions
    one after the other, as the application here may be between two. True: something was taken over.
    """
    with node.unit() as unit:
        told = _told(unit, parked)
        before = {number: table.version for number, table in unit.tables.items()}
    for table in told:
        with node.unit() as unit:
            if table.id not in unit.tables or unit.tables[table.id].version >= table.version:
                continue
            table_versions.note(unit.connection, table, unit.now)
            table_versions.want(unit.connection, table.id, table.version)
        follow(node)
    with node.unit() as unit:
        return any(table.version != before.get(number) for number, table in unit.tables.items())


def _told(unit: Unit, parked: Parked) -> list[Table]:
    """The tables that a batch names, in its order. Raises PeerFault, SpoolLoss."""
    batch = open_batch(unit, parked)
    with batch.stream:
        if not chains(unit.link(parked.peer).link, batch.manifest.previous):
            return []
        return [
            table
            for segment in batch.segments(SegmentKind.LOG)
            for record in segment.controls
            for table in tables_in(record.kind, record.body)
        ]


def _follow(node: Node, number: int) -> None:
    """Over into the newest version that the table fits: the application here may be between two of the host's."""
    at_once, taken = node.database.capabilities.transactional_definitions, False
    while True:
        with node.unit() as unit:
            held = unit.held.get(number)
            if held is None:
                break
            wanted = next((form for form in _newest_first(unit, held) if not reasons_held(unit, form)), None)
            if wanted is None:
                newest = wanted_form(unit, held)
                _tell(unit, newest, reasons_held(unit, newest))
                break
            if at_once:
                _take_over(unit, wanted)
            else:
                prepare(unit, wanted)
        if not at_once:
            with node.unit() as unit:
                _take_over(unit, wanted)
        taken = True
    if taken:
        release_rows_of(node, number)


def wanted_form(unit: Unit, held: Held) -> Table:
    form = unit.forms[held.table.id, held.wanted]
    return replace(form, area=held.table.area, policy=held.table.policy)


def _newest_first(unit: Unit, held: Held) -> list[Table]:
    """The version that the host has, and those on the way to it."""
    between = [known.version for known in _on_the_way(unit, held.table, held.wanted)]
    return [wanted_form(unit, held._replace(wanted=version)) for version in (held.wanted, *reversed(between))]


def _on_the_way(unit: Unit, table: Table, wanted: Position) -> list[Table]:
    """Versions behind the one that stands here, and before this one, oldest first."""
    known = [known.table for known in table_versions.load_versions(unit.connection, table.id)]
    return [form for form in known if table.version < form.version < wanted]


def reasons_held(unit: Unit, wanted: Table) -> list[str]:
    """Why this station can't take the table in this form, a sentence each; [] if it can."""
    database, connection, definition = unit.database, unit.connection, wanted.definition
    if not database.has_table(connection, wanted.name):
        return [f"table {wanted.name} is missing"]
    if by_hand := _by_hand(unit, wanted):
        return by_hand
    lacking = _lacking(unit, wanted)
    keyed = {*definition.primary_key, *(name for key in definition.unique_keys for name in key.columns)}
    keyed |= {name for key in definition.foreign_keys for name in key.columns}
    columns = tuple(column for column in definition.columns if column.name not in lacking)
    if keyed.intersection(lacking) or not columns:
        return database.differences(connection, definition)
    indexes = tuple(index for index in definition.indexes if not set(index.columns).intersection(lacking))
    found = database.differences(connection, replace(definition, columns=columns, indexes=indexes))
    return found + [
        f"Column {wanted.name}.{column.name} needs a value in every row, and has no default that is one."
        for column in definition.columns
        if column.name in lacking and not fills_old_rows(column)
    ]


def _by_hand(unit: Unit, wanted: Table) -> list[str]:
    """What only the application here can do: it would not know its columns any more."""
    name, old = wanted.name, unit.tables[wanted.id]
    here = set(unit.database.inspect(unit.connection, name).column_names)
    new = set(wanted.definition.column_names)
    leaving = table_versions.leaving(unit.connection, wanted.id)
    former: dict[int, list[str]] = {}
    for form in (old, *_on_the_way(unit, old, wanted.version)):
        for number, column in zip(form.column_ids, form.definition.column_names, strict=True):
            former.setdefault(number, []).append(column)
    missing = _of_others(old, wanted, here, leaving)
    for number, column in zip(wanted.column_ids, wanted.definition.column_names, strict=True):
        if column in here:
            continue
        if known := [before for before in former.get(number, ()) if before in here and before not in new]:
            missing.append(f"Column {name}.{known[-1]} is called {column} at the host: rename it here.")
        elif number in old.column_ids:
            missing.append(f"Column {name}.{column} of the host is not here any more under any name that it had.")
    return missing + [
        f"Column {name}.{column} was dropped at the host: drop it here once nothing needs it."
        for column in difference(old, wanted).dropped
        if column in here and column not in new and column not in leaving
    ]


def _of_others(old: Table, wanted: Table, here: Collection[str], leaving: Collection[str]) -> list[str]:
    """Columns that are here under a name that was another one's, as far as is known: nothing tells whether it is the
    one that has the name at the host now. Only the versions between can, one by one."""
    own = dict(zip(old.definition.column_names, old.column_ids, strict=True))
    if old.version != NOWHERE and old.version[0] != wanted.version[0]:
        # A host that was set back gives new numbers to what it has forgotten: it is the same column.
        own = {}
    found = []
    for number, column in zip(wanted.column_ids, wanted.definition.column_names, strict=True):
        before = own.get(column, number)
        if column not in here or (before == number and column not in leaving):
            continue
        said = "is another one at the host now: rename here as it was done there, one by one, with a run behind each"
        if before == number or before not in wanted.column_ids:
            said = "was dropped at the host, and another one of that name has come: drop it here"
        found.append(f"Column {wanted.name}.{column} {said}.")
    return found


def _lacking(unit: Unit, wanted: Table) -> list[str]:
    """Columns that are not here."""
    here = set(unit.database.inspect(unit.connection, wanted.name).column_names)
    return [name for name in wanted.definition.column_names if name not in here]


def _take_over(unit: Unit, wanted: Table) -> None:
    unit.database.hold_table(unit.connection, wanted.name)
    made = _lacking(unit, wanted)
    further = {*unit.database.inspect(unit.connection, wanted.name).column_names} - {*wanted.definition.column_names}
    unseen = not unit.database.captures_all(unit.connection, unit.tables[wanted.id])
    if made:
        unit.database.add_columns(unit.connection, wanted.definition, made)
    taken = take_over(unit, wanted)
    old = taken.old
    before = dict(zip(old.column_ids, old.definition.column_names, strict=True))
    now = list(zip(wanted.column_ids, wanted.definition.column_names, strict=True))
    # Of a column that was renamed at the host, while here there are both: what stands in it has come from nowhere.
    twice = [column for number, column in now if before.get(number, column) != column and before[number] in further]
    came = [column for number, column in now if number not in before and column not in made] + twice
    send_found(unit, taken, wanted, came, unseen=unseen)
    if twice:
        unit.note_behind(wanted.id)
    if wanted.id in table_versions.behind(unit.connection):
        request(unit, "reload", pack([wanted.id]))
    notices.settle(unit.connection, (HELD, KIND), wanted.name)
    unit.notice(
        "table-upgraded",
        f"{wanted.name} {wanted.version[0]}.{wanted.version[1]}",
        f"table {wanted.name} is as the host has it"
        + (f": {', '.join(made)} added" if made else "")
        + _beside(old, wanted, twice),
    )


def _beside(old: Table, new: Table, names: Collection[str]) -> str:
    """Of columns that stand here under their former names too: where news of the two came apart, we made those."""
    former = dict(zip(old.column_ids, old.definition.column_names, strict=True))
    numbers = dict(zip(new.definition.column_names, new.column_ids, strict=True))
    return "".join(
        f"; {former[numbers[name]]} is called {name} there, and stands here beside it: it is not replicated any more, "
        f"and may be dropped"
        for name in names
    )


def _tell(unit: Unit, wanted: Table, reasons: list[str]) -> None:
    text = "; ".join(reason.rstrip(".") for reason in reasons)
    unit.notice(
        HELD,
        wanted.name,
        f"table {wanted.name} was changed at the host, and this station can't follow by itself: {text[:1].lower()}"
        f"{text[1:]}; upgrade the application here, or change the table, and run again; until then its rows come as "
        f"far as they fit, and all else goes on",
        waiting=True,
    )
