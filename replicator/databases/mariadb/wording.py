"""The types that a table's columns get when it is made here, all together: keys and rows have room for so much only."""

from __future__ import annotations

from collections.abc import Callable

from replicator.databases.limits import indexes_of
from replicator.databases.mariadb.collations import told
from replicator.databases.mariadb.columntypes import TEXTS, type_words
from replicator.databases.mariadb.widths import Width, fits_row, width_of
from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, TableDefinition, TypeKind

_KEY_BYTES = 3000
"""Of 3,072 that an index of InnoDB may have."""
_CHARACTER = 4
_CHARACTERS = {"utf8mb3": 3, "utf8": 3, "utf8mb4": 4, "utf16": 4, "utf16le": 4, "utf32": 4, "ucs2": 2}
"""Bytes of one, at most; in other character sets it is one, mostly."""


def words_of(definition: TableDefinition) -> dict[str, str]:
    """The type of each column. Raises UnfitTable that names the columns which no type of MariaDB can hold."""
    room = _room_in_keys(definition)
    words, refused = dict[str, str](), []
    for column in definition.columns:
        try:
            words[column.name] = type_words(column.type, room.get(column.name))
        except UnfitTable as error:
            refused.append(f"Column {definition.name}.{column.name} can't be carried: {error}")
    if refused:
        raise UnfitTable(" ".join(refused))
    if fits_row(widths_of(definition, words)):
        return words
    # A text that may be long counts little, as it stands outside of the row's page; many short ones fill that.
    return {name: "longtext" if _is_text(each) and name not in room else each for name, each in words.items()}


def _is_text(words: str) -> bool:
    return words.partition("(")[0] in TEXTS - {"inet4", "inet6", "enum", "set"}


def _room_in_keys(definition: TableDefinition) -> dict[str, int]:
    """Bytes that each column of a key may take: those of a long type share a key's room."""
    room: dict[str, int] = {}
    for _, columns in indexes_of(definition):
        kinds = [definition.columns[place].type.kind for place in definition.indexes_of(columns)]
        long = sum(kind in (TypeKind.TEXT, TypeKind.BLOB, TypeKind.ANY) for kind in kinds)
        each = (_KEY_BYTES - 40 * (len(columns) - long)) // max(long, 1)
        for column in columns:
            room[column] = min(each, room.get(column, _KEY_BYTES))
    return room


def widths_of(definition: TableDefinition, words: dict[str, str]) -> list[Width]:
    """Of the columns in their order."""
    size = _character_bytes(definition)
    return [width_of(words[column.name], size(column)) for column in definition.columns]


def _character_bytes(definition: TableDefinition) -> Callable[[ColumnDefinition], int]:
    """Bytes of a character of a column: where MariaDB's own collation is told, that decides."""
    collations = told(definition)

    def size(column: ColumnDefinition) -> int:
        collation = collations.get(column.name)
        return _CHARACTER if collation is None else _CHARACTERS.get(collation.partition("_")[0], 1)

    return size
