"""Column defaults of MariaDB, to and from the portable ones."""

from __future__ import annotations

import re

from replicator.databases.mariadb.carrying import literal
from replicator.databases.mariadb.catalogue import LocalColumn
from replicator.databases.mariadb.columntypes import BLOBS
from replicator.types import Default

_EXPRESSIONS = {
    "current_timestamp": "now",
    "localtimestamp": "now",
    "now": "now",
    "curdate": "today",
    "current_date": "today",
    "curtime": "time",
    "current_time": "time",
}
_WORDS = {"today": "(CURRENT_DATE)", "time": "(CURRENT_TIME)", "true": "1", "false": "0"}
_CALL = re.compile(r"([a-z_]+)\(\d*\)")
_STRING = re.compile(r"(?s)'((?:[^'\\]|''|\\.)*)'")
_INTEGER = re.compile(r"-?\d+")
_REAL = re.compile(r"-?(?:\d+\.\d*|\.\d+|\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
_UNESCAPED = {"0": "\0", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "Z": "\x1a"}


def read_default(column: LocalColumn) -> tuple[Default | None, bool]:
    """(the portable default, whether all of it is in that). An expression that only MariaDB knows is not carried."""
    text = column.default
    if text is None or text == "NULL":
        return None, True
    if (call := _CALL.fullmatch(text.lower())) is not None and call[1] in _EXPRESSIONS:
        return Default(expression=_EXPRESSIONS[call[1]]), True
    if (string := _STRING.fullmatch(text)) is not None:
        # The catalogue shows bytes as text, with question marks for some of them.
        return (None, False) if column.data_type in BLOBS else (Default(_unescaped(string[1])), True)
    if _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return Default(int(text)), True
    if _REAL.fullmatch(text):
        return Default(float(text)), True
    return None, False


def _unescaped(text: str) -> str:
    return re.sub(r"(?s)''|\\(.)", lambda match: "'" if match[1] is None else _UNESCAPED.get(match[1], match[1]), text)


def default_words(default: Default, type_words: str) -> str:
    """The default as SQL for DEFAULT; '' for an expression that this program doesn't know."""
    if default.expression == "now":
        with_fraction = type_words.endswith("(6)")
        moment = "CURRENT_TIMESTAMP(6)" if with_fraction else "CURRENT_TIMESTAMP"
        return moment if type_words.startswith(("datetime", "timestamp")) else f"({moment})"
    if default.expression is not None:
        return _WORDS.get(default.expression, "")
    return literal(default.literal)
