"""What MariaDB can take of a table, by its definition alone (databases.limits)."""

from __future__ import annotations

from collections.abc import Iterable

from replicator.databases.limits import (
    Others,
    Outlook,
    column_name_clashes,
    counting_misfit,
    foreign_types,
    keys_of,
    listed,
    many_columned,
    reserved_names,
    too_many,
)
from replicator.databases.mariadb.columntypes import FREE_DIGITS, captured_words
from replicator.databases.mariadb.widths import ROW_BYTES, Width, fits_page, fits_row, width_of
from replicator.databases.mariadb.wording import INDEX_BYTES, MOST_INDEXES, MOST_KEY_COLUMNS, widths_of, words_of
from replicator.databases.own_names import OURS
from replicator.errors import UnfitTable
from replicator.types import ForeignKey, TableDefinition, TypeKind

NAME_LENGTH = 64
MOST_COLUMNS = 500
"""A captured update has each column twice, and InnoDB allows 1,017 columns."""
REPLACED = {"CASCADE", "SET NULL"}
"""What a trigger of ours does in place of a foreign key (cascades)."""
_ACTIONS = {"NO ACTION", "RESTRICT", *REPLACED}
_WIDE_ENOUGH = 190
"""Characters: a key made narrower than this is worth a word, though nothing says how long its texts are."""
_TITLE = "MariaDB"
_FIRST_CAPTURED = ("bigint", "char(1)", "datetime(6)")
_HELD = {
    (TypeKind.NUMERIC, TypeKind.INTEGER),
    (TypeKind.TEXT, TypeKind.UUID),
    (TypeKind.TIMESTAMP, TypeKind.TIMESTAMP_WITH_ZONE),
    (TypeKind.TIMESTAMP_WITH_ZONE, TypeKind.TIMESTAMP),
}
"""Kinds of a child's column that a column of the parent's kind may hold, as its width allows."""
_LAST_OF_THE_PLANE = "\uffff"


def limits(definition: TableDefinition, others: Others) -> Outlook:
    foreign = foreign_types(definition, others, _may_refer, _TITLE)
    refused = [
        *_names(definition),
        *reserved_names(definition, (OURS,), _TITLE),
        *column_name_clashes(definition, str.lower, _TITLE),
        *too_many(definition, MOST_COLUMNS),
        *many_columned(definition, MOST_KEY_COLUMNS, _TITLE),
        *foreign.refused,
    ]
    try:
        words = words_of(definition)
    except UnfitTable as error:
        return Outlook([*refused, str(error)])
    return Outlook(
        refused=[*refused, *_unkeyed(definition, words), *_wide_changes(definition, words)],
        unmade=[
            *counting_misfit(definition, {TypeKind.INTEGER, TypeKind.BOOLEAN}, _TITLE),
            *_many_keys(definition),
            *foreign.unmade,
            *_actions(definition),
            *_wide_keys(definition, words),
            *_wide_rows(definition, words),
        ],
        altered=[
            *_narrow_keys(definition, words),
            *_free_numbers(definition),
            *_moments(definition, words),
            *_changed_parents(definition),
            *_own_children(definition),
        ],
    )


# --- refused ----------------------------------------------------------------------------------------------------------


def _names(definition: TableDefinition) -> list[str]:
    found = []
    for name in (definition.name, *definition.column_names):
        if len(name) > NAME_LENGTH:
            found.append(
                f"The name {name} has more than {NAME_LENGTH} characters, which MariaDB does not take: shorten it."
            )
        elif name.endswith(" ") or max(name) > _LAST_OF_THE_PLANE:
            found.append(f"The name {name!r} has a blank at its end, or letters that MariaDB does not take: rename it.")
    return found


def _unkeyed(definition: TableDefinition, words: dict[str, str]) -> list[str]:
    """Long texts, which a key of MariaDB can't hold whole: JSON is one. A unique key has their hash."""
    found = dict.fromkeys(
        (column, what)
        for what, columns in keys_of(definition)
        for column in columns
        if what in ("primary key", "foreign key") and width_of(words[column], 1).is_long
    )
    return [
        f"Column {definition.name}.{column} is in the {what} and is {words[column]} on MariaDB, which no key "
        "holds whole."
        for column, what in found
    ]


def _wide_changes(definition: TableDefinition, words: dict[str, str]) -> list[str]:
    """What is captured has each column twice."""
    widths = [width_of(captured_words(words[column.name]), 1) for column in definition.columns] * 2
    if fits_page([*map(_width, _FIRST_CAPTURED), *widths]):
        return []
    return [
        f"Table {definition.name} has too many columns for MariaDB, where a change of a row is captured with each of "
        "them twice: split it."
    ]


def _width(words: str) -> Width:
    return width_of(words, 1)


def _may_refer(kind: TypeKind, parents: TypeKind) -> bool:
    """A foreign key's column gets the type of the parent's, and has to hold what it is to hold."""
    return (kind, parents) in _HELD


# --- not made ---------------------------------------------------------------------------------------------------------


def _many_keys(definition: TableDefinition) -> list[str]:
    if len(keys_of(definition)) <= MOST_INDEXES:
        return []
    return [f"Table {definition.name} has more than {MOST_INDEXES} keys: MariaDB takes no more."]


def _actions(definition: TableDefinition) -> list[str]:
    return [
        f"The foreign key to {key.parent} has ON DELETE {key.on_delete}, which InnoDB doesn't know."
        for key in definition.foreign_keys
        if key.on_delete not in _ACTIONS
    ]


def _wide_keys(definition: TableDefinition, words: dict[str, str]) -> list[str]:
    widths, found = widths_of(definition, words), []
    for what, columns in keys_of(definition):
        size = sum(widths[place].bytes for place in definition.indexes_of(columns))
        # A unique key that is too long is kept as its hash.
        if size > INDEX_BYTES and what != "unique key":
            found.append(
                f"The {what} {', '.join(columns)} of table {definition.name} takes {size} bytes on MariaDB, where "
                f"{INDEX_BYTES} are the most."
            )
    return found


def _wide_rows(definition: TableDefinition, words: dict[str, str]) -> list[str]:
    if fits_row(widths_of(definition, words)):
        return []
    return [
        f"The columns of table {definition.name} take more than the {ROW_BYTES} bytes that a row of MariaDB has for "
        "all but its longest texts."
    ]


# --- told -------------------------------------------------------------------------------------------------------------


def _narrow_keys(definition: TableDefinition, words: dict[str, str]) -> list[str]:
    """Columns whose texts a key makes shorter than they may be elsewhere."""
    keys = {column for what, columns in keys_of(definition) if what != "foreign key" for column in columns}
    found = []
    for column in definition.columns:
        if column.name not in keys or column.type.kind not in (TypeKind.TEXT, TypeKind.BLOB):
            continue
        base, _, size = words[column.name].partition("(")
        if base not in ("varchar", "varbinary"):
            continue
        holds = int(size.rstrip(")"))
        if holds < (column.type.length or _WIDE_ENOUGH):
            what = "characters" if base == "varchar" else "bytes"
            found.append(
                f"Column {definition.name}.{column.name} is in a key: a table made on MariaDB holds {holds} {what} "
                "in it, and longer ones are refused there."
            )
    return found


def _free_numbers(definition: TableDefinition) -> list[str]:
    columns = [
        column.name
        for column in definition.columns
        if column.type.kind is TypeKind.NUMERIC and column.type.precision is None
    ]
    if not columns:
        return []
    before, behind = FREE_DIGITS
    return [
        f"{listed(definition, columns)}: numbers of any length hold {before} digits before the point on MariaDB and "
        f"{behind} behind it."
    ]


def _moments(definition: TableDefinition, words: dict[str, str]) -> list[str]:
    columns = [
        column.name
        for column in definition.columns
        if words[column.name].startswith("timestamp") and column.type.declared != words[column.name]
    ]
    if not columns:
        return []
    return [
        f"{listed(definition, columns)}: a timestamp of MariaDB reaches from 1970 to 2038 (2106 from 11.5 on); for "
        "others make the column datetime(6) there, before the rule comes."
    ]


def _own_children(definition: TableDefinition) -> list[str]:
    return [
        f"Table {definition.name} refers to itself with ON DELETE {key.on_delete}, which on MariaDB no trigger can do: "
        "a row that others refer to can't be deleted there."
        for key in definition.foreign_keys
        if key.on_delete in REPLACED and key.parent == definition.name
    ]


def _changed_parents(definition: TableDefinition) -> list[str]:
    def parents(keys: Iterable[ForeignKey]) -> list[str]:
        return list(dict.fromkeys(key.parent for key in keys if key.on_update not in ("NO ACTION", "RESTRICT")))

    return [
        f"Table {definition.name} follows a changed key of {parent} by ON UPDATE, which MariaDB does without firing "
        "triggers: there a key that is referred to can't be changed."
        for parent in parents(definition.foreign_keys)
    ]
