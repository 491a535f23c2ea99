"""The types of our own tables' columns, and what each database has to be told about them.

The migrations use them, too, and old revisions must go on making what they made: what stands here never changes its
meaning; what is needed otherwise gets a new name.
"""

from __future__ import annotations

from sqlalchemy import VARBINARY, BigInteger, Boolean, Integer, LargeBinary, SmallInteger, Text
from sqlalchemy.types import TypeEngine

_LONGEST = 2**32 - 1
"""MariaDB takes the length for a wish, and its BLOB and TEXT hold 64 KB without one."""

# SQLite numbers rows by itself only in a column that is declared INTEGER.
NUMBER = BigInteger().with_variant(Integer, "sqlite")
# Our statements say 0 and 1, which PostgreSQL takes for no boolean.
FLAG = Boolean().with_variant(SmallInteger, "postgresql")
BYTES = LargeBinary().with_variant(LargeBinary(_LONGEST), "mariadb")
LARGE_BYTES = LargeBinary(2**26)
TEXT = Text().with_variant(Text(_LONGEST), "mariadb")

TABLE_OPTIONS = {
    "mariadb_engine": "InnoDB",
    "mariadb_row_format": "DYNAMIC",  # keys of 3,000 bytes
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",  # names that differ in case are two names
}
"""Whatever the server or the database is set to."""


def short_bytes(length: int) -> TypeEngine[bytes]:
    """At most so many bytes; may be part of a key."""
    return LargeBinary(length).with_variant(VARBINARY(length), "mariadb")
