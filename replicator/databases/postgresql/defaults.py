"""Column defaults as PostgreSQL writes them, to and from the portable ones."""

from __future__ import annotations

import re

from replicator.types import Default, Value

_EXPRESSIONS = {
    "now()": "now",
    "CURRENT_TIMESTAMP": "now",
    "LOCALTIMESTAMP": "now",
    "CURRENT_DATE": "today",
    "CURRENT_TIME": "time",
    "LOCALTIME": "time",
    "true": "true",
    "false": "false",
}
_WORDS = {
    "now": "CURRENT_TIMESTAMP",
    "today": "CURRENT_DATE",
    "time": "CURRENT_TIME",
    "true": "true",
    "false": "false",
}
_CAST = re.compile(r"(?s)(.+?)::[a-z][a-z \"._]*(?:\(\d+(?:,\d+)?\))?(?:\[\])*")
_STRING = re.compile(r"(?s)'((?:[^']|'')*)'")
_INTEGER = re.compile(r"-?\d+")
_REAL = re.compile(r"-?(?:\d+\.\d*|\.\d+|\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
_SEQUENCE = re.compile(r"(?s)nextval\('.*'::regclass\)")


def counts_by_itself(sql: str | None) -> bool:
    """A `serial` column's default."""
    return sql is not None and _SEQUENCE.fullmatch(sql) is not None


def read_default(sql: str | None) -> tuple[Default | None, bool]:
    """(the portable default, whether all of it is in that). An expression that only PostgreSQL knows is not carried."""
    if sql is None:
        return None, True
    text = sql
    while (match := _CAST.fullmatch(text)) and not text.startswith("nextval("):
        text = match[1]
        if text.startswith("(") and text.endswith(")"):
            text = text[1:-1]
    if text == "NULL":
        return None, True
    if (expression := _EXPRESSIONS.get(text)) is not None:
        return Default(expression=expression), True
    if (string := _STRING.fullmatch(text)) is not None:
        return Default(_unquoted(string[1], sql)), True
    if _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return Default(int(text)), True
    if _REAL.fullmatch(text):
        return Default(float(text)), True
    return None, False


def _unquoted(text: str, sql: str) -> Value:
    value = text.replace("''", "'")
    if sql.endswith("::bytea") and value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    # Negative numbers are written as text with a cast: '-1'::integer.
    if sql.endswith(("::integer", "::bigint", "::smallint")) and _INTEGER.fullmatch(value):
        return int(value)
    if sql.endswith(("::numeric", "::double precision", "::real")) and _REAL.fullmatch(value):
        return float(value)
    return value


def default_words(default: Default) -> str:
    """The default as SQL for DEFAULT; '' for an expression that this program doesn't know."""
    if default.expression is not None:
        return _WORDS.get(default.expression, "")
    return literal(default.literal)


def literal(value: Value) -> str:
    """A value as SQL, without a type of its own: the column's is taken."""
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"'\\x{value.hex()}'"
        case float() if value in (float("inf"), float("-inf")):
            return "'Infinity'" if value > 0 else "'-Infinity'"
        case int() | float():
            return f"'{value!r}'"
        case _:
            return "'" + str(value).replace("'", "''") + "'"
