"""The application's own connection to our file, for the time that we take part in its transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from replicator.databases import joining
from replicator.databases.joining import Joining


def way(connection: Connection) -> Joining:
    raw = connection.connection.driver_connection
    fits = isinstance(raw, sqlite3.Connection) and connection.dialect.paramstyle == "qmark"
    return Joining.TOGETHER if fits else Joining.LATER


def is_same(connection: Connection, path: str) -> bool:
    """Does the connection have this file as its database?"""
    found = connection.exec_driver_sql("PRAGMA database_list").fetchall()
    there = next((file for _, name, file in found if name == "main"), "")
    try:
        return bool(there) and os.path.samefile(there, path)
    except OSError:
        return False


@contextmanager
def prepared(raw: sqlite3.Connection) -> Iterator[None]:
    """Within: rows and texts come as they do on connections of our own."""
    before = raw.row_factory, raw.text_factory
    raw.row_factory, raw.text_factory = None, str
    try:
        yield
    finally:
        raw.row_factory, raw.text_factory = before


@contextmanager
def part(raw: sqlite3.Connection) -> Iterator[None]:
    """A part of the transaction that is open. Definitions alone open none with this driver: then one of its own."""
    if raw.in_transaction:
        with joining.part(raw.execute, lambda: raw.in_transaction):
            yield
        return
    raw.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
    raw.execute("COMMIT")
