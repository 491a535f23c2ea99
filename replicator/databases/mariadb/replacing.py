"""Triggers in the place of foreign keys that cascade, with their owner's consent, and the way back (cascades.py).

MariaDB commits each definition. So the trigger comes first, with what the key did in it; then the key is made anew
without. Whatever a crash leaves does what the key did: all of it may be done again, and undone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from replicator.databases.mariadb import cascades, catalogue
from replicator.databases.mariadb.cascades import Original, Standing
from replicator.databases.mariadb.catalogue import LocalForeignKey, LocalTable
from replicator.databases.mariadb.limits import REPLACED
from replicator.databases.mariadb.statements import Driver, execute, look_up, names, quoted
from replicator.errors import UnfitTable
from replicator.types import ForeignKey, TableDefinition

Edge = tuple[str, str]
"""Parent and child: deleting a row of the one changes rows of the other."""

_NONE = "NO ACTION"


def planned(raw: Driver, local: LocalTable) -> LocalTable:
    """The table as it will be once its cascades are replaced. Raises UnfitTable where that can't be."""
    edges = _edges(raw, local.schema, cascades.standing(raw, local.schema))
    for key in _cascading(local):
        cascades.refuse_itself(local.name, key)
        if key.on_delete in REPLACED:
            _refuse_circle(local.name, key, edges)
            _refuse_triggers_on_parent(local, key)
    return replace(local, foreign_keys=tuple(replace(key, on_update=_NONE) for key in local.foreign_keys))


def replace_all(raw: Driver, local: LocalTable) -> list[str]:
    """Put triggers in the place of the table's cascades. Returns what its owner should know, a sentence each."""
    told: list[str] = []
    standing = cascades.standing(raw, local.schema)
    for key in _cascading(local):
        # A crash on the way back has left what stands already.
        original = cascades.original_of(standing, local.name, key)
        if original is None or key.name != _between(local, key):
            original = Original(local.name, key.name, key.on_delete, key.on_update)
        _make_trigger(raw, local.schema, key, original)
        _make_anew(raw, local, key, original.constraint, _NONE, _NONE)
        told += _told(local, key)
    return told


def restore(raw: Driver, schema: str, child: str) -> None:
    """What triggers stand for in this table is done by its foreign keys again."""
    local = catalogue.read(raw, schema, child)
    keys = {} if local is None else {cascades.trigger_name(child, key): key for key in local.foreign_keys}
    for trigger in _of_child(cascades.standing(raw, schema), child):
        original, key = trigger.original, keys.get(trigger.name)
        if local is not None and key is not None and original is not None and _may_change(local, key):
            _make_anew(raw, local, key, original.constraint, original.on_delete, original.on_update)
        execute(raw, cascades.drop_statement(schema, trigger.name))


def settle(raw: Driver, local: LocalTable, definition: TableDefinition) -> None:
    """Make triggers that are missing or were changed, take away those whose key is gone, end what a crash left."""
    standing = cascades.standing(raw, local.schema)
    for trigger in _stale(standing, local):
        execute(raw, cascades.drop_statement(local.schema, trigger.name))
    for key, wanted in _missing(raw, standing, local, definition):
        _make_trigger(raw, local.schema, key, Original(local.name, key.name, wanted.on_delete, _NONE))
    for key in local.foreign_keys:
        original = cascades.original_of(standing, local.name, key)
        if original is not None and key.name == _between(local, key):
            _make_anew(raw, local, key, original.constraint, _NONE, _NONE)


def faults(raw: Driver, standing: dict[str, Standing], local: LocalTable, definition: TableDefinition) -> list[str]:
    """What `settle` would do, a sentence each."""
    found = [
        f"The trigger {trigger.name} of table {trigger.parent} stands for a foreign key of table {local.name} that is "
        "gone."
        for trigger in _stale(standing, local)
    ]
    found += [
        f"The trigger {cascades.trigger_name(local.name, key)} of table {key.parent}, which stands for ON DELETE "
        f"{wanted.on_delete} of table {local.name}, is missing or was changed."
        for key, wanted in _missing(raw, standing, local, definition)
    ]
    return found


# --- which -----------------------------------------------------------------------------------------------------------


def _is_plain(key: LocalForeignKey) -> bool:
    return (key.on_delete, key.on_update) == (_NONE, _NONE)


def _may_change(local: LocalTable, key: LocalForeignKey) -> bool:
    """It is as a trigger that stands for it, or a crash, has it; else the application has made its own."""
    return _is_plain(key) or key.name == _between(local, key)


def _cascading(local: LocalTable) -> list[LocalForeignKey]:
    return [key for key in local.foreign_keys if not _is_plain(key)]


def _of_child(standing: dict[str, Standing], child: str) -> list[Standing]:
    return [each for each in standing.values() if each.original is not None and each.original.child == child]


def _stale(standing: dict[str, Standing], local: LocalTable) -> list[Standing]:
    keys = {cascades.trigger_name(local.name, key) for key in local.foreign_keys}
    return [trigger for trigger in _of_child(standing, local.name) if trigger.name not in keys]


def _missing(
    raw: Driver, standing: dict[str, Standing], local: LocalTable, definition: TableDefinition
) -> Iterator[tuple[LocalForeignKey, ForeignKey]]:
    """Foreign keys of the definition that cascade, and that neither do so here nor have a trigger that does."""
    wanted = {cascades.trigger_name(local.name, key): key for key in definition.foreign_keys}
    for key in local.foreign_keys:
        found = wanted.get(cascades.trigger_name(local.name, key))
        if found is None or found.on_delete not in REPLACED or not _is_plain(key):
            continue
        if cascades.original_of(standing, local.name, key) is None:
            others = {name: each for name, each in standing.items() if name != cascades.trigger_name(local.name, key)}
            if not leads_back(_edges(raw, local.schema, others), key.parent, local.name):
                yield key, found


# --- circles ---------------------------------------------------------------------------------------------------------


def leads_back(edges: set[Edge], parent: str, child: str) -> bool:
    """A trigger of `parent` that writes to `child` would, through others, come back to its own table: MariaDB refuses
    such a statement when it is made."""
    reached, new = set(), {child}
    while new:
        reached |= new
        new = {end for start, end in edges if start in new} - reached
    return parent in reached


def _edges(raw: Driver, schema: str, standing: dict[str, Standing]) -> set[Edge]:
    """Of foreign keys, and of triggers that stand for some."""
    found = look_up(
        raw,
        "SELECT REFERENCED_TABLE_NAME, TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
        " WHERE CONSTRAINT_SCHEMA = %s AND DELETE_RULE IN ('CASCADE', 'SET NULL')",
        (schema,),
    )
    triggers = {(each.parent, each.original.child) for each in standing.values() if each.original is not None}
    return set(found) | triggers


def _refuse_circle(table: str, key: LocalForeignKey, edges: set[Edge]) -> None:
    if leads_back(edges, key.parent, table):
        raise UnfitTable(
            f"Tables {table} and {key.parent} refer to each other in a circle of ON DELETE CASCADE or SET NULL, which "
            "no triggers can do instead, as none may come back to its own table: make one of these keys RESTRICT."
        )


def _refuse_triggers_on_parent(local: LocalTable, key: LocalForeignKey) -> None:
    """They did not fire so far, as nothing fires when a key cascades; now they would, and be refused."""
    event = "DELETE" if key.on_delete == "CASCADE" else "UPDATE"
    for trigger in local.triggers:
        named = re.search(rf"\b{re.escape(key.parent)}\b", trigger.body, re.IGNORECASE)
        if trigger.event == event and not trigger.is_ours and named:
            raise UnfitTable(
                f"The trigger {trigger.name} of table {local.name} has to do with {key.parent}. It does not fire when "
                f"ON DELETE {key.on_delete} changes rows of {local.name}; once a trigger does that it would, and "
                f"MariaDB would refuse it: make the foreign key {key.name} RESTRICT, or drop the trigger."
            )


# --- doing -----------------------------------------------------------------------------------------------------------


def _make_trigger(raw: Driver, schema: str, key: LocalForeignKey, original: Original) -> None:
    parent = catalogue.read(raw, schema, key.parent)
    last = None if parent is None else cascades.last_before_delete(parent.triggers)
    execute(raw, cascades.statement(key, original, last))


def _between(local: LocalTable, key: LocalForeignKey) -> str:
    """A constraint's name while it is made anew: a new one may not have the old one's."""
    return cascades.trigger_name(local.name, key)


def _make_anew(raw: Driver, local: LocalTable, key: LocalForeignKey, name: str, on_delete: str, on_update: str) -> None:
    """The same foreign key under this name, with other actions. At no moment there is none."""
    # Not checked again, so that the table need not be copied: the old key holds until the new one does.
    execute(raw, "SET SESSION foreign_key_checks = 0")
    parent = f"{quoted(key.parent_schema)}.{quoted(key.parent)}"
    words = f"FOREIGN KEY ({names(key.columns)}) REFERENCES {parent} ({names(key.parent_columns)})"
    words += "".join(f" ON {event} {do}" for event, do in (("DELETE", on_delete), ("UPDATE", on_update)) if do != _NONE)
    steps = [(key.name, _between(local, key)), (_between(local, key), name)]
    for old, new in steps:
        if old != new:
            execute(
                raw, f"ALTER TABLE {local.sql} DROP FOREIGN KEY {quoted(old)}, ADD CONSTRAINT {quoted(new)} {words}"
            )


def _told(local: LocalTable, key: LocalForeignKey) -> Iterator[str]:
    child, parent = local.name, key.parent
    if key.on_delete in REPLACED:
        yield (
            f"What ON DELETE {key.on_delete} of the foreign key {key.name} did to {child} is done by a trigger of "
            f"{parent} now. MariaDB refuses statements that delete from {parent} and use {child} as well (a join, a "
            "subselect): let the application say such in two steps."
        )
        event = "DELETE" if key.on_delete == "CASCADE" else "UPDATE"
        yield from (
            f"The trigger {trigger.name} of table {child} fires now for rows that change with their {parent}, too."
            for trigger in local.triggers
            if trigger.event == event and not trigger.is_ours
        )
    if key.on_update != _NONE:
        yield (
            f"ON UPDATE {key.on_update} of the foreign key {key.name} can't be done by a trigger: a key of {parent} "
            f"that {child} refers to can't be changed any more."
        )
