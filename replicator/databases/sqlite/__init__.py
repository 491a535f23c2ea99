"""SQLite 3.40 or newer, by Python's own driver.

connections, errors, statements: the driver · tables, grammar, columntypes: the schema as it is · definitions,
comparing: portable definitions · capture, triggers, collect, markers: changes out · apply, values: changes in.
"""

from replicator.databases.sqlite.database import SqliteDatabase

__all__ = ["SqliteDatabase"]
