"""Declared types, affinities and defaults of SQLite, to and from the portable ones.

SQLite takes any words as a type and derives an affinity from them (https://sqlite.org/datatype3.html, 3.1). The
declared words travel along and are used again as they are, so that a column behaves the same at both ends.
"""

from __future__ import annotations

import re

from replicator.databases.portable import takes_numbers
from replicator.databases.sqlite.statements import literal
from replicator.types import DOUBLE_DIGITS, ColumnType, Default, TypeKind

_DECLARED = re.compile(r"([A-Za-z_][A-Za-z0-9_ ]*?)\s*(?:\(\s*([+-]?\d+)\s*(?:,\s*([+-]?\d+)\s*)?\))?\s*")
_NEVER_IN_A_TYPE = re.compile(
    r"\b(PRIMARY|NOT|NULL|UNIQUE|CHECK|DEFAULT|COLLATE|REFERENCES|CONSTRAINT|GENERATED|AS|ON|FOREIGN)\b", re.IGNORECASE
)
_KINDS = {
    TypeKind.BOOLEAN: {"BOOL", "BOOLEAN"},
    TypeKind.DATE: {"DATE"},
    TypeKind.TIME: {"TIME"},
    TypeKind.TIMESTAMP: {"DATETIME", "TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE"},
    TypeKind.TIMESTAMP_WITH_ZONE: {"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"},
    TypeKind.INTERVAL: {"INTERVAL"},
    TypeKind.UUID: {"UUID", "GUID", "UNIQUEIDENTIFIER"},
    TypeKind.JSON: {"JSON", "JSONB"},
    TypeKind.NUMERIC: {"NUMERIC", "DECIMAL", "DEC", "NUMBER", "MONEY"},
    TypeKind.BLOB: {"BINARY", "VARBINARY", "BYTEA"},
    TypeKind.ANY: {"", "ANY"},
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}
_KIND_OF_AFFINITY = {
    "INTEGER": TypeKind.INTEGER,
    "TEXT": TypeKind.TEXT,
    "REAL": TypeKind.REAL,
    "BLOB": TypeKind.BLOB,
    "NUMERIC": TypeKind.ANY,
}
_WORDS = {
    TypeKind.INTEGER: "INTEGER",
    TypeKind.REAL: "REAL",
    TypeKind.NUMERIC: "NUMERIC",
    TypeKind.BOOLEAN: "BOOLEAN",
    TypeKind.TEXT: "TEXT",
    TypeKind.BLOB: "BLOB",
    TypeKind.DATE: "DATE",
    TypeKind.TIME: "TIME",
    TypeKind.TIMESTAMP: "TIMESTAMP",
    TypeKind.TIMESTAMP_WITH_ZONE: "TIMESTAMPTZ",
    TypeKind.INTERVAL: "TEXT",
    TypeKind.UUID: "UUID",
    TypeKind.JSON: "JSON",
    TypeKind.ANY: "",
}
_STRICT_WORDS = {"INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"}
_STRICT_KINDS = {TypeKind.INTEGER: "INTEGER", TypeKind.REAL: "REAL", TypeKind.TEXT: "TEXT", TypeKind.BLOB: "BLOB"}


def affinity(declared: str, *, strict: bool = False) -> str:
    """INTEGER, TEXT, BLOB, REAL or NUMERIC, by SQLite's rules in their order."""
    words = declared.upper()
    if strict and words == "ANY":
        return "BLOB"
    if "INT" in words:
        return "INTEGER"
    if any(word in words for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in words or not words:
        return "BLOB"
    if any(word in words for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def column_type(declared: str) -> ColumnType:
    """The portable type of a column declared so."""
    match = _DECLARED.fullmatch(declared)
    if not declared or match is None or _NEVER_IN_A_TYPE.search(declared):
        kind = TypeKind.ANY if not declared else _KIND_OF_AFFINITY[affinity(declared)]
        return ColumnType(kind, declared=declared or None)  # without words it comes back from the catalogue, too
    words, first, second = " ".join(match[1].upper().split()), match[2], match[3]
    kind = _KIND_OF.get(words) or _KIND_OF_AFFINITY[affinity(declared)]
    length = precision = scale = None
    if first is not None and kind in (TypeKind.TEXT, TypeKind.BLOB):
        length = int(first)
    elif first is not None and kind is TypeKind.NUMERIC:
        precision, scale = int(first), int(second or 0)
    return ColumnType(kind, length, precision, scale, declared=declared)


def type_words(wanted: ColumnType, *, strict: bool = False) -> str:
    """How to declare a column of this type here.

    The source's own words are used where they mean the same to SQLite, which is so for every definition that comes from
    SQLite, and are checked, as they come from elsewhere.
    """
    declared = wanted.declared
    if strict:
        if declared is not None and declared.upper() in _STRICT_WORDS:
            return declared
        return _STRICT_KINDS.get(wanted.kind, "ANY")
    fits = declared is not None and (not declared or _DECLARED.fullmatch(declared) is not None)
    if declared is not None and fits and not _NEVER_IN_A_TYPE.search(declared) and column_type(declared) == wanted:
        return declared
    if wanted.kind is TypeKind.TEXT and wanted.length is not None:
        return f"VARCHAR({int(wanted.length)})"
    if wanted.kind is TypeKind.NUMERIC and (wanted.precision or DOUBLE_DIGITS + 1) > DOUBLE_DIGITS:
        # SQLite would make a double of it: more digits than that holds are kept as text.
        return "TEXT"
    if wanted.kind is TypeKind.NUMERIC and wanted.precision is not None:
        return f"NUMERIC({int(wanted.precision)}, {int(wanted.scale or 0)})"
    return _WORDS[wanted.kind]


_ALSO_IN = {
    TypeKind.INTEGER: {TypeKind.BOOLEAN},
    TypeKind.BOOLEAN: {TypeKind.INTEGER},
    TypeKind.DATE: {TypeKind.TEXT},
    TypeKind.TIME: {TypeKind.TEXT},
    TypeKind.TIMESTAMP: {TypeKind.TEXT, TypeKind.TIMESTAMP_WITH_ZONE},
    TypeKind.TIMESTAMP_WITH_ZONE: {TypeKind.TEXT, TypeKind.TIMESTAMP},
    TypeKind.INTERVAL: {TypeKind.TEXT},
    TypeKind.UUID: {TypeKind.TEXT},
    TypeKind.BLOB: {TypeKind.BLOB},
    TypeKind.JSON: {TypeKind.TEXT},
}
"""Kinds of columns here that hold values of a kind as well, if need be in another form (converting)."""


def refusal(wanted: ColumnType, here: ColumnType, here_affinity: str) -> str | None:
    """Why values of the definition's type can't be carried by a column of this type, to follow 'Column x.y '.

    None: they can, exactly.
    """
    words = type_words(wanted)
    if here == wanted or (here_affinity == affinity(words) and here.kind == column_type(words).kind):
        # What this database would make of the wanted type decides: not every portable type has words of its own here.
        return None
    refused = f"has the type {here.declared or 'none'}, not {words or 'none'}."
    if wanted.kind is TypeKind.NUMERIC:
        if not takes_numbers(wanted):
            if here_affinity == "INTEGER" and not wanted.scale:
                return None
            return f"has the type {here.declared or 'none'}, which rounds to {DOUBLE_DIGITS} digits: declare it TEXT."
        return None if here.kind in (TypeKind.NUMERIC, TypeKind.INTEGER) and here_affinity != "TEXT" else refused
    also = _ALSO_IN.get(wanted.kind, set())
    if here.kind not in also or (here.kind is TypeKind.TEXT and here_affinity != "TEXT"):
        return refused
    return None


_EXPRESSIONS = {
    "current_timestamp": "now",
    "datetime('now')": "now",
    "current_date": "today",
    "date('now')": "today",
    "current_time": "time",
    "time('now')": "time",
    "true": "true",
    "false": "false",
}
_EXPRESSION_WORDS = {
    "now": "CURRENT_TIMESTAMP",
    "today": "CURRENT_DATE",
    "time": "CURRENT_TIME",
    "true": "TRUE",
    "false": "FALSE",
}
_INTEGER = re.compile(r"[+-]?\s*\d+")
_REAL = re.compile(r"[+-]?\s*(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
_STRING = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_BARE_WORD = re.compile(r"[^\W\d]\w*")
_BLOB = re.compile(r"x'((?:[0-9a-f]{2})*)'", re.IGNORECASE)


def read_default(sql: str | None) -> tuple[Default | None, bool]:
    """(the portable default, whether all of it is in that). An expression that only SQLite knows is not carried."""
    if sql is None:
        return None, True
    text = sql.strip()
    while text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1].strip()
    if text.lower() == "null":
        return None, True
    if (expression := _EXPRESSIONS.get(text.lower())) is not None:
        return Default(expression=expression), True
    if _INTEGER.fullmatch(text):
        number = int(text.replace(" ", ""))
        return Default(number if -(2**63) <= number < 2**63 else float(number)), True
    if _REAL.fullmatch(text):
        return Default(float(text.replace(" ", ""))), True
    if _STRING.fullmatch(text):
        return Default(text[1:-1].replace(text[0] * 2, text[0])), True
    if (blob := _BLOB.fullmatch(text)) is not None:
        return Default(bytes.fromhex(blob[1])), True
    if _BARE_WORD.fullmatch(text):
        # SQLite takes a lone word as a string.
        return Default(text), True
    return None, False


def default_words(default: Default) -> str:
    """The default as SQL for DEFAULT; '' for an expression that this program doesn't know."""
    if default.expression is not None:
        return _EXPRESSION_WORDS.get(default.expression, "")
    words = literal(default.literal)
    return f"({words})" if words.startswith("CAST") else words
