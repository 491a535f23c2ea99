"""The form of each portable kind that every database with real types gives, so that a key is the same bytes everywhere.

| kind | form |
|---|---|
| date, time, timestamp | `YYYY-MM-DD`, `HH:MM:SS[.f]`, both with a blank between; the fraction without trailing zeros |
| timestamp with zone | the same in UTC, and `+00` behind it |
| uuid | lower case, with dashes |
| boolean | 0 or 1 |
| numeric of at most 15 digits, or kept as a number where it comes from | int where it is whole, else float |
| numeric of more digits | text, with as many decimals as the column has |
| the same in a key of any sort | text without trailing zeros: 1.5 and 1.50 are one key |

Infinity and years before 1 or after 9999 are as PostgreSQL writes them. SQLite has no types of these kinds and keeps
the application's own text; what is only written otherwise is equal all the same (`alike`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from replicator.protocol.images import same_value
from replicator.types import DOUBLE_DIGITS, ColumnType, Image, TableDefinition, TypeKind, Value

_DAY = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_HOUR = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{0,5}[1-9])?"
_EXACT = {
    TypeKind.DATE: re.compile(_DAY, re.ASCII),
    TypeKind.TIME: re.compile(_HOUR, re.ASCII),
    TypeKind.TIMESTAMP: re.compile(f"{_DAY} {_HOUR}", re.ASCII),
    TypeKind.TIMESTAMP_WITH_ZONE: re.compile(rf"{_DAY} {_HOUR}\+00", re.ASCII),
    TypeKind.UUID: re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
_LOOSE_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", re.ASCII)
_LOOSE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_HEX = re.compile(r"[0-9a-f]{32}")
_LARGEST = 2**63


def is_exact(kind: TypeKind, value: Value) -> bool:
    """Is this value of a date, time, timestamp or uuid surely in its canonical form?"""
    return isinstance(value, str) and _EXACT[kind].fullmatch(value) is not None


def are_exact(kind: TypeKind, values: Iterable[str]) -> bool:
    """The same of many texts, at the speed of C."""
    return all(map(_EXACT[kind].fullmatch, values))


EXACT_KINDS = frozenset(_EXACT)


# --- numbers ----------------------------------------------------------------------------------------------------------


def takes_numbers(kind: ColumnType) -> bool:
    """Values of this NUMERIC type travel as numbers, as far as a number holds them: others travel as text.

    Words of the source's own are told where the source keeps them as numbers, whatever their digits (SQLite).
    """
    return kind.declared is not None or (kind.precision is not None and kind.precision <= DOUBLE_DIGITS)


def number(text: str | None) -> Value:
    """12 for '12.00', 12.5 for '12.50'; text where neither 64 bits nor a double hold it, and for NaN and infinity."""
    if text is None or text[-1] not in "0123456789":
        return text
    if len(text) <= DOUBLE_DIGITS:
        short = float(text)
        rounded = int(short)
        return rounded if rounded == short else short
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if not fraction:
        found = int(whole)
        return found if -_LARGEST <= found < _LARGEST else text
    if len(whole) + len(fraction) > DOUBLE_DIGITS and len((whole.lstrip("-") + fraction).lstrip("0")) > DOUBLE_DIGITS:
        return text
    return float(text)


def trimmed(text: str | None) -> str | None:
    """'1.5' for '1.50', '1' for '1.00'."""
    return text.rstrip("0").rstrip(".") if text is not None and "." in text else text


def key_columns(definition: TableDefinition) -> frozenset[str]:
    """Columns that are in a primary, unique or foreign key: their values are compared across tables and places."""
    found = set(definition.primary_key)
    for columns in (
        *(key.columns for key in definition.unique_keys),
        *(key.columns for key in definition.foreign_keys),
    ):
        found.update(columns)
    return frozenset(found)


# --- uuids that are kept as 32 hexadecimal digits ---------------------------------------------------------------------


def with_dashes(value: Value) -> Value:
    """A uuid of 32 lower-case digits in its canonical form; anything else as it is: `without_dashes` undoes it."""
    if isinstance(value, str) and _HEX.fullmatch(value):
        return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"
    return value


def without_dashes(value: Value) -> Value:
    return value.replace("-", "") if is_exact(TypeKind.UUID, value) else value


# --- equality ---------------------------------------------------------------------------------------------------------


def canonical(kind: ColumnType, value: Value) -> Value:
    """What a database with real types would most likely make of this value; only to compare, never to store."""
    if kind.kind is TypeKind.NUMERIC:
        return _decimal(value)
    if kind.kind is TypeKind.REAL and isinstance(value, (int, float)):
        return value + 0.0 if value == value else "NaN"  # -0.0 + 0.0 is 0.0
    if not isinstance(value, str):
        return value
    if kind.kind is TypeKind.UUID:
        return with_dashes(value.strip("{}").replace("-", "").lower())
    if kind.kind is TypeKind.TIME:
        return _time(value)
    if kind.kind in (TypeKind.DATE, TypeKind.TIMESTAMP, TypeKind.TIMESTAMP_WITH_ZONE):
        return moment(kind.kind, value)
    return value


def _decimal(value: Value) -> Value:
    try:
        found = Decimal(str(value)) if isinstance(value, (int, float, str)) else value
    except InvalidOperation:
        return value
    return str(found) if isinstance(found, Decimal) and found.is_nan() else found


def _time(text: str) -> str:
    match = _LOOSE_TIME.fullmatch(text)
    return text if match is None else f"{match[1]}:{match[2]}:{match[3] or '00'}{_fraction(match[4])}"


def moment(kind: TypeKind, text: str) -> str:
    """A date or timestamp in canonical form; text that is none, or is of a year out of bounds, as it is."""
    match = _LOOSE.fullmatch(text)
    if match is None:
        return text
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if kind is TypeKind.DATE:
        return f"{year}-{month}-{day}"
    tail = _fraction(fraction)
    if kind is TypeKind.TIMESTAMP:
        return f"{year}-{month}-{day} {hour or '00'}:{minute or '00'}:{second or '00'}{tail}"
    try:
        at = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=_zone(zone)
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return f"{at:%Y-%m-%d %H:%M:%S}".rjust(19, "0") + f"{tail}+00"


def _fraction(digits: str | None) -> str:
    digits = (digits or "").rstrip("0")
    return f".{digits}" if digits else ""


def _zone(words: str | None) -> timezone:
    if words is None or words == "Z":
        return UTC
    hours, minutes = int(words[1:3]), int(words[-2:]) if len(words) > len("+00") else 0
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if words[0] == "-" else offset)


_SEVERAL_FORMS = EXACT_KINDS | {TypeKind.NUMERIC, TypeKind.REAL}


_ALTERED_IN_FORM_ONLY = {TypeKind.TEXT, TypeKind.JSON, TypeKind.INTERVAL, TypeKind.ANY}
"""A database that writes text of these otherwise (a network address, a range, the keys of an object) means the same."""


def alters(definition: TableDefinition) -> Callable[[Image, Image], bool]:
    """Whether a database that stored the first row as the second has changed what it says: rounded a number, cut a
    second's fraction."""
    kinds = [None if column.type.kind in _ALTERED_IN_FORM_ONLY else column.type for column in definition.columns]

    def altered(sent: Sequence[Any], stored: Sequence[Any]) -> bool:
        return any(
            kind is not None and not same_value(left, right) and canonical(kind, left) != canonical(kind, right)
            for kind, left, right in zip(kinds, sent, stored, strict=True)
        )

    return altered


def alike(definition: TableDefinition) -> Callable[[Image, Image], bool] | None:
    """Whether two rows differ in nothing but how a value is written: None where no column can be written otherwise."""
    places = {
        place: column.type for place, column in enumerate(definition.columns) if column.type.kind in _SEVERAL_FORMS
    }
    if not places:
        return None

    def same(one: Sequence[Any], other: Sequence[Any]) -> bool:
        return all(
            same_value(left, right)
            or (place in places and canonical(places[place], left) == canonical(places[place], right))
            for place, (left, right) in enumerate(zip(one, other, strict=True))
        )

    return same
