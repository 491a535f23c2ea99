"""What many changes come to: for each row the last image, kept outside memory.

A private SQLite file, which the operating system deletes with the process: it has no name, so nothing is left behind
by a crash. It lies where SQLite puts temporary files (SQLITE_TMPDIR, TMPDIR).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from replicator.errors import StorageTrouble
from replicator.protocol.codec_plain import pack_row, unpack_rows
from replicator.store import sql
from replicator.types import Image, Key

_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16384", "locking_mode = EXCLUSIVE")
PAGE, PAGE_BYTES = 2000, 1_000_000
"""Rows and bytes that are given at once."""


class NetChanges:
    """Rows by table and key; None: deleted. Raises StorageTrouble where there is no room."""

    def __init__(self) -> None:
        self.touched: set[int] = set()
        """Tables that have any."""
        self._turn = 0
        with _translated():
            self._raw = sqlite3.connect("", isolation_level=None)
            for pragma in _PRAGMAS:
                self._raw.execute(f"PRAGMA {pragma}")
            self._raw.execute(
                "CREATE TABLE net (table_id INTEGER, row_key BLOB, turn INTEGER NOT NULL DEFAULT -1, image BLOB,"
                " PRIMARY KEY (table_id, row_key)) WITHOUT ROWID"
            )
            self._raw.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._raw.close()

    def add(self, table: int, changes: Iterable[tuple[Key, Image | None]]) -> None:
        """Changes that come after all that were added before; a key at most once."""
        rows = [(table, key, None if image is None else pack_row(image)) for key, image in changes]
        if not rows:
            return
        self.touched.add(table)
        with _translated():
            self._raw.executemany("INSERT OR REPLACE INTO net (table_id, row_key, image) VALUES (?, ?, ?)", rows)

    def begin(self) -> None:
        """From here on `take` notes anew what it has given."""
        self._turn += 1

    def take(self, table: int, keys: Sequence[Key]) -> dict[Key, Image | None]:
        """What became of those of these rows that changed; at most `sql.CHUNK` of them are asked for at once."""
        with _translated():
            some = self._raw.execute(
                f"SELECT row_key, image FROM net WHERE table_id = ? AND row_key IN ({sql.marks(len(keys))})",
                (table, *keys),
            )
            found: dict[Key, bytes | None] = dict(some.fetchall())
            taken = [(self._turn, table, key) for key in found]
            self._raw.executemany("UPDATE net SET turn = ? WHERE table_id = ? AND row_key = ?", taken)
        packed = [image for image in found.values() if image is not None]
        images = iter(unpack_rows(packed))
        return {key: None if image is None else next(images) for key, image in found.items()}

    def rest(self, table: int) -> Iterator[list[Image]]:
        """Rows that `take` has not given since `begin`, and that were not deleted; in pages of bounded size."""
        query = "SELECT image FROM net WHERE table_id = ? AND turn <> ? AND image IS NOT NULL"
        page: list[bytes] = []
        weight = 0
        with _translated():
            cursor = self._raw.execute(query, (table, self._turn))
            for (image,) in cursor:
                page.append(image)
                weight += len(image)
                if weight >= PAGE_BYTES or len(page) >= PAGE:
                    yield unpack_rows(page)
                    page, weight = [], 0
        if page:
            yield unpack_rows(page)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageTrouble(
            f"what the journal's changes come to can't be kept in the folder for temporary files ({error}); make room "
            f"there, or name another folder as SQLITE_TMPDIR"
        ) from error
