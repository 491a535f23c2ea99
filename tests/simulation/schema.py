"""The application's tables in the simulation, and how to read them all.

`cust` has a unique name that must be there and a unique code that may be missing; `item` hangs on it with cascades;
`pair` is written two rows at a time; `opt` is the table whose rules change; `misc` has a composite key and values of
any type; `stock` has a trigger of the application's own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
RowKey = tuple[Any, ...]
Content = dict[str, dict[RowKey, Row]]
"""Table name to key to row."""


@dataclass(frozen=True)
class Spec:
    key: tuple[str, ...]
    columns: tuple[str, ...]
    tokens: tuple[str, ...]
    """Columns whose values are never written twice, so that each write can be traced."""


SPECS = {
    "cust": Spec(("id",), ("id", "name", "code", "x", "y"), ("x", "y")),
    "item": Spec(("id",), ("id", "cust", "x"), ("x",)),
    "pair": Spec(("node", "place"), ("node", "place", "v"), ("v",)),
    "opt": Spec(("id",), ("id", "x", "y"), ("x", "y")),
    "misc": Spec(("a", "b"), ("a", "b", "v", "w"), ("v",)),
    "stock": Spec(("id",), ("id", "x", "y"), ("x",)),
}

TABLES = """
CREATE TABLE cust (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, code TEXT UNIQUE, x INTEGER, y INTEGER);
CREATE TABLE item (id INTEGER PRIMARY KEY, cust INTEGER NOT NULL REFERENCES cust ON DELETE CASCADE ON UPDATE CASCADE,
  x INTEGER);
CREATE TABLE pair (node TEXT NOT NULL, place INTEGER NOT NULL, v INTEGER, PRIMARY KEY (node, place));
CREATE TABLE opt (id INTEGER PRIMARY KEY, x INTEGER, y INTEGER);
CREATE TABLE misc (a INTEGER NOT NULL, b TEXT NOT NULL, v, w REAL, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE stock (id INTEGER PRIMARY KEY, x INTEGER, y INTEGER);
"""
TRIGGER = "CREATE TRIGGER stock_y AFTER UPDATE OF x ON stock BEGIN UPDATE stock SET y = new.x WHERE id = new.id; END;"

_SELECTS = {name: f"SELECT {', '.join(spec.columns)} FROM {name}" for name, spec in SPECS.items()}
_PLACES = {name: tuple(spec.columns.index(column) for column in spec.key) for name, spec in SPECS.items()}


def read_all(raw: sqlite3.Connection, present: Container[str] = SPECS) -> Content:
    """All rows; of tables that are not there, none."""
    content: Content = {name: {} for name in SPECS}
    for name, spec in SPECS.items():
        if name not in present:
            continue
        places = _PLACES[name]
        content[name] = {
            tuple(row[place] for place in places): dict(zip(spec.columns, row, strict=True))
            for row in raw.execute(_SELECTS[name])
        }
    return content


def token(value: Any) -> str:
    """A value told apart exactly: 1 is not 1.0."""
    return repr(value)


def tokens(table: str, row: Row | None) -> set[str]:
    """The traceable values of a row."""
    if row is None:
        return set()
    return {token(row[column]) for column in SPECS[table].tokens if row[column] is not None}
