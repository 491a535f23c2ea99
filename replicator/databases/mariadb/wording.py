"""The types that a table's columns get when it is made here, all together: keys and rows have room for so much only."""

from __future__ import annotations

from collections.abc import Callable

from replicator.databases.limits import keys_of
from replicator.databases.mariadb.collations import told
from replicator.databases.mariadb.columntypes import BLOBS, TEXTS, type_words
from replicator.databases.mariadb.widths import Width, fits_row, width_of
from replicator.errors import UnfitTable
from replicator.types import ColumnDefinition, TableDefinition, TypeKind

INDEX_BYTES = 3072
"""That an index of InnoDB may have."""
MOST_KEY_COLUMNS = 32
MOST_INDEXES = 64
_KEY_BYTES = 3000
"""Of them, for what we make."""
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
    return _base(words) in TEXTS - {"inet4", "inet6", "enum", "set"}


def _base(words: str) -> str:
    return words.partition("(")[0]


def _room_in_keys(definition: TableDefinition) -> dict[str, int]:
    """Bytes that each column of a key may take: those of a long type share a key's room."""
    room: dict[str, int] = {}
    for _, columns in keys_of(definition):
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


# --- plain indexes ----------------------------------------------------------------------------------------------------


def indexes_here(definition: TableDefinition, words: dict[str, str]) -> list[tuple[str, list[tuple[str, int | None]]]]:
    """(name, [(column, how much of it: None the whole)]) of the plain indexes that can be made. Of a long text an index
    has the beginning, so that it makes no column narrower; one that has no place is left out, as it decides nothing."""
    widths = dict(zip(definition.column_names, widths_of(definition, words), strict=True))
    size = _character_bytes(definition)
    found = []
    for index in definition.indexes[: MOST_INDEXES - len(keys_of(definition))]:
        if len(index.columns) > MOST_KEY_COLUMNS:
            continue
        texts = [name for name in index.columns if _is_open(words[name])]
        rest = sum(widths[name].bytes for name in index.columns if name not in texts)
        room = (INDEX_BYTES - rest) // max(len(texts), 1)
        parts: list[tuple[str, int | None]] = []
        for name in index.columns:
            whole = name not in texts or (not widths[name].is_long and widths[name].bytes <= room)
            unit = 1 if _base(words[name]) in BLOBS else size(definition.columns[definition.index_of(name)])
            parts.append((name, None if whole else room // unit))
        if all(part is None or part > 0 for _, part in parts) and rest <= INDEX_BYTES:
            found.append((index.name, parts))
    return found


def _is_open(words: str) -> bool:
    """Text or bytes, of which an index may have the beginning."""
    return _base(words) in BLOBS or _base(words) == "json" or _is_text(words)
