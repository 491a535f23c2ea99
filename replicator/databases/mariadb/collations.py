"""The collation of each text column, in the options of a definition: `name collate utf8mb4_unicode_ci`.

Elsewhere these words mean nothing, and NOCASE is what comes nearest to most of them. What two places take for the same
in different ways is settled like any clash: the host's database decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from replicator.types import ColumnDefinition, TableDefinition, TypeKind

if TYPE_CHECKING:
    from replicator.databases.mariadb.catalogue import LocalColumn

EXACT, NOCASE = "utf8mb4_nopad_bin", "utf8mb4_general_nopad_ci"
"""As PostgreSQL and SQLite have it; as near to SQLite's NOCASE as it gets."""

_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
_OPTION = re.compile(r"(?s)(.+) collate ([a-z0-9]+_[a-z0-9_]+)")


def options(columns: Iterable[LocalColumn]) -> tuple[str, ...]:
    return tuple(
        f"{column.name} collate {column.collation}"
        for column in columns
        if column.data_type in _TEXTS and not column.is_json and column.collation not in (None, EXACT)
    )


def folds_case(column: LocalColumn) -> bool:
    collation = column.collation
    return column.data_type in _TEXTS and collation is not None and collation.endswith("_ci")


def told(definition: TableDefinition) -> dict[str, str]:
    """Collations by column, as far as MariaDB's own are told."""
    return {match[1]: match[2] for option in definition.options if (match := _OPTION.fullmatch(option))}


def words(column: ColumnDefinition, here: dict[str, str]) -> str:
    """CHARACTER SET and COLLATE for a column of a text type; '' where the table's own will do."""
    if column.type.kind is not TypeKind.TEXT:
        return ""
    collation = here.get(column.name) or (NOCASE if column.collation == "NOCASE" else None)
    return f"CHARACTER SET {collation.partition('_')[0]} COLLATE {collation}" if collation else ""
