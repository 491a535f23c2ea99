"""Rows that are kept packed, made rows of their table's new version (protocol.md 7.8)."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from replicator.protocol.codec_plain import pack_row, unpack_rows
from replicator.protocol.versions import Reshaping
from replicator.store import sql

PAGE = 2000

Convert = Callable[[bytes], bytes | None]


def rewrite(connection: Connection, table: int, shape: Reshaping, edited: Convert | None) -> None:
    """Images of deleted rows, versions that could not be applied, and at a station what is kept of local edits, which
    `edited` converts; None: there are no edits, but images."""
    _convert(connection, "replicator_row_version", table, edited or packed(shape))
    _convert(connection, "replicator_skipped", table, packed(shape))


def packed(shape: Reshaping) -> Convert:
    """A packed row to a packed row."""
    return lambda image: pack_row(shape.image(unpack_rows([image])[0]))


def _convert(connection: Connection, name: str, table: int, convert: Convert) -> None:
    after = b""
    while found := sql.rows(
        connection,
        f"SELECT row_key, image FROM {name} WHERE table_id = ? AND row_key > ? AND image IS NOT NULL"
        " ORDER BY row_key LIMIT ?",
        (table, after, PAGE),
    ):
        after = bytes(found[-1][0])
        sql.many(
            connection,
            f"UPDATE {name} SET image = ? WHERE table_id = ? AND row_key = ?",
            [(convert(bytes(image)), table, key) for key, image in found],
        )
