"""Values as this database gives them back once they are written: a timestamp without its zeros, a uuid in lower case.

Places with types of other rules (SQLite keeps text as it comes) send values that mean the same and are written
otherwise. Most values are seen at a glance to be what they would become; the server is asked for the rest, in sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from replicator.databases.portable import EXACT_KINDS, is_exact, key_columns, takes_numbers
from replicator.databases.postgresql import arrays
from replicator.databases.postgresql.carriage import INTEGERS, TEXTS, LocalType
from replicator.databases.postgresql.columntypes import column_type
from replicator.databases.postgresql.here import Here, Row
from replicator.databases.postgresql.statements import Driver, fetch
from replicator.errors import ConstraintViolation
from replicator.types import ColumnDefinition, Image, TypeKind, Value

_KEPT = TEXTS - {"bpchar"} | {"xml", "bytea"}
"""Types that keep every value as it is, or refuse it."""
_NUMBER = re.compile(r"(?:-?(?:0|[1-9]\d*))(?:\.(\d+))?", re.ASCII)

Sure = Callable[[Value], bool]


def as_stored(raw: Driver, here: Here, columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Row]:
    """Rows of these columns as they would be read back; `rows` itself where nothing would be written otherwise.

    Raises the driver's error for a value that the column can't hold.
    """
    if not rows:
        return rows
    changed: dict[int, tuple[Value, ...]] = {}
    for place, (name, values) in enumerate(zip(columns, zip(*rows, strict=True), strict=True)):
        sure = _sure(here, name)
        if sure is None:
            continue
        # 1 and 1.0 are two values.
        odd = {(type(value), value) for value in values if value is not None and not sure(value)}
        if odd:
            stored = _ask(raw, here, name, list(odd))
            changed[place] = tuple(stored.get((type(value), value), value) for value in values)
    if not changed:
        return rows
    kept = [changed.get(place, values) for place, values in enumerate(zip(*rows, strict=True))]
    return list(zip(*kept, strict=True))


def _ask(raw: Driver, here: Here, name: str, typed: list[tuple[type, Value]]) -> dict[tuple[type, Value], Value]:
    """What the column makes of these values, and how it would be read."""
    (texts,) = here.texts([name], [(value,) for _, value in typed])
    carriage, read = here.carriages[name], here.reader([name])
    cast = f"u.value::{here.types[name].words}"
    select = carriage.sql(f"({cast})").replace("%", "%%")
    rows = fetch(
        raw,
        f"SELECT {select} FROM unnest(%s::text[]) WITH ORDINALITY AS u (value, place) ORDER BY u.place",
        [arrays.texts(texts)],
    )
    return {value: row[0] for value, row in zip(typed, read(rows), strict=True)}


def require_canonical_keys(raw: Driver, here: Here, images: Sequence[Image]) -> None:
    """Raises ConstraintViolation for a key that would not be found again as it came."""
    definition = here.definition
    # A whole number has no two forms.
    names = [
        name
        for name in definition.primary_key
        if here.types[name].name not in INTEGERS and _sure(here, name) is not None
    ]
    if not names:
        return
    places = definition.indexes_of(names)
    keys = [
        tuple(image[place] for place in places) for image in images if all(image[place] is not None for place in places)
    ]
    for key, stored in zip(keys, as_stored(raw, here, names, keys), strict=True):
        if key != stored:
            raise ConstraintViolation(
                f"The key {', '.join(map(str, key))} of table {definition.name} can be stored here only as "
                f"{', '.join(map(str, stored))}: let it be written so where the row comes from."
            )


# --- what is seen at a glance -----------------------------------------------------------------------------------------


def _sure(here: Here, name: str) -> Sure | None:
    """Tells whether a value is stored as it is, for certain; None where the column's type alters none."""
    column = here.definition.columns[here.definition.index_of(name)]
    local = here.types[name]
    if local.name in _KEPT:
        return None
    return _sure_of(column, local, in_key=name in key_columns(here.definition))


def _sure_of(column: ColumnDefinition, local: LocalType, *, in_key: bool) -> Sure:
    kind = column.type.kind
    if local.name in INTEGERS or local.name == "bool":
        most = 2 if local.name == "bool" else 2**63
        return lambda value: type(value) is int and -most < value < most
    if local.name == "float8":
        return lambda value: type(value) is float
    if local.name == "numeric":
        return _sure_number(column, local, in_key=in_key)
    if local.name == "json":
        return lambda value: isinstance(value, str)
    if local.name == "bpchar":
        return lambda value: isinstance(value, str) and not value.endswith(" ")
    if kind in EXACT_KINDS and "(" not in local.words:
        return lambda value: is_exact(kind, value)
    return lambda _value: False


def _sure_number(column: ColumnDefinition, local: LocalType, *, in_key: bool) -> Sure:
    found = column_type("numeric", local.words)
    scale = found.scale
    as_numbers = takes_numbers(column.type) or column.type.kind is not TypeKind.NUMERIC

    def number(value: Value) -> bool:
        if type(value) is int:
            return True
        # A whole number that came as a float is an int here; one with an exponent is worth a question.
        match = _NUMBER.fullmatch(repr(value)) if type(value) is float else None
        return match is not None and match[1] not in (None, "0") and (scale is None or len(match[1]) <= scale)

    def text(value: Value) -> bool:
        match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
        if match is None or value == "-0":
            return False
        decimals = match[1] or ""
        if in_key:
            return not decimals.endswith("0") and (scale is None or len(decimals) <= scale)
        return scale is None or len(decimals) == scale

    return number if as_numbers else text
