"""The three tables whose numbers come from ranges, one for each way to draw, and what the application does with them.

`doc` has a number that is filled in, `bill` one that the application chooses, as a text, and `slip` a key that counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from replicator.operations.numbers_admin import Wish
from replicator.protocol.numbers import Form

BLOCK = 6
FORM = Form("B-", 2)
NARROW, WIDE = 4, 12
"""Characters of a bill's number: up to 99, or without an end."""


@dataclass(frozen=True)
class Numbered:
    table: str
    column: str
    columns: str
    wish: Wish

    def create(self, length: int) -> str:
        return f"CREATE TABLE {self.table} ({self.columns.format(length=length)})"

    def number(self, value: object) -> int:
        """Of a value of the column; 0 where it is none."""
        found = FORM.number(value) if isinstance(value, str) else value
        return found if isinstance(found, int) else 0


DOC = Numbered("doc", "number", "id INTEGER PRIMARY KEY, number INTEGER UNIQUE", Wish(block=BLOCK))
BILL = Numbered(
    "bill",
    "number",
    "id INTEGER PRIMARY KEY, number VARCHAR({length}) UNIQUE",
    Wish(block=BLOCK, chosen=True, form=FORM),
)
SLIP = Numbered("slip", "id", "id INTEGER PRIMARY KEY AUTOINCREMENT, what INTEGER", Wish(block=BLOCK))
NUMBERED = {kind.table: kind for kind in (DOC, BILL, SLIP)}

Block = tuple[int, int, int, int]
"""First and last number, the next one, state: 0 in hand, 1 used up, 2 not to be drawn from any more."""


def blocks(raw: sqlite3.Connection, kind: Numbered) -> list[Block]:
    return raw.execute(
        "SELECT lowest, s.highest, next_number, state FROM replicator_number_stock s JOIN replicator_number_range r"
        " ON r.id = s.range_id WHERE r.table_name = ? ORDER BY s.serial",
        (kind.table,),
    ).fetchall()


def following_key(raw: sqlite3.Connection) -> int:
    """What SQLite counts next."""
    (last,) = raw.execute(
        f"SELECT max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = '{SLIP.table}'), 0),"
        f" ifnull((SELECT max(id) FROM {SLIP.table}), 0))"
    ).fetchone()
    return int(last) + 1


def in_hand(raw: sqlite3.Connection, kind: Numbered) -> list[int]:
    """All that may be drawn without being asked for again."""
    counted = following_key(raw) if kind is SLIP else 0
    found = [(max(following, counted), last) for _, last, following, state in blocks(raw, kind) if state == 0]
    return [number for first, last in found for number in range(first, last + 1)]


def is_ours(raw: sqlite3.Connection, kind: Numbered, number: int) -> bool:
    """It lies in a block of this node's that was not taken from it."""
    return any(first <= number <= last and state < 2 for first, last, _, state in blocks(raw, kind))


def is_numbered(raw: sqlite3.Connection, kind: Numbered) -> bool:
    """The triggers stand: before, nobody would fill a number in, or look at one."""
    found = raw.execute(
        "SELECT count(*) FROM sqlite_schema"
        " WHERE type = 'trigger' AND tbl_name = ? AND name LIKE 'replicator_number_%'",
        (kind.table,),
    ).fetchone()
    return bool(found[0])


def exists(raw: sqlite3.Connection, kind: Numbered) -> bool:
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
    return raw.execute(query, (kind.table,)).fetchone() is not None


@dataclass(frozen=True)
class Drawn:
    """What one insert came to."""

    kind: Numbered
    row: int
    value: object
    """In the numbered column; None: it was refused."""
    error: str
    lawful: bool
    """What the application wrote into the column is one of this node's, or it left that to the database."""
    forced: bool
    """It wrote a number of its own accord."""
    passed: bool = False
    """Somebody typed one that this place had passed by: it may have been of a row that was deleted since. That is the
    application's own doing (docs/numbers.md), and no number was issued."""


def draw(raw: sqlite3.Connection, kind: Numbered, dice: Random, unique: Callable[[], int]) -> Drawn:
    """Insert one row, as an unmodified application does."""
    row, given, passed = unique(), 0, False
    if kind is BILL:
        mine = in_hand(raw, kind)
        # Somebody types any number; else the next one, or a later one of the block.
        given = dice.randint(1, 120) if not mine or dice.random() < 0.1 else dice.choice([mine[0], mine[0], *mine[:4]])
        passed = given not in mine
    elif kind is DOC and dice.random() < 0.05:
        given = dice.randint(1, 120)
        passed = given not in in_hand(raw, kind)
    lawful = not given or is_ours(raw, kind, given)
    try:
        if kind is SLIP:
            row = raw.execute("INSERT INTO slip (what) VALUES (?)", (row,)).lastrowid or 0
            return Drawn(kind, row, row, "", lawful, forced=False)
        value = None if not given else FORM.text(given) if kind is BILL else given
        raw.execute(f"INSERT INTO {kind.table} (id, number) VALUES (?, ?)", (row, value))
    except sqlite3.IntegrityError as error:
        return Drawn(kind, row, None, str(error), lawful, bool(given))
    (value,) = raw.execute(f"SELECT number FROM {kind.table} WHERE id = ?", (row,)).fetchone()
    return Drawn(kind, row, value, "", lawful, bool(given), passed)
