"""A row's key as people write it, in the forms in which it may stand in a database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product

from replicator.databases.portable import canonical, number, trimmed, without_dashes
from replicator.errors import WrongUse
from replicator.protocol.keys import pack_key
from replicator.types import ColumnDefinition, Key, Table, TypeKind, Value

MOST_FORMS = 64
"""Of one key. Databases differ in how they write a value, and SQLite lets any value stand in any column."""

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,3})?", re.ASCII)
_HEX = re.compile(r"0x((?:[0-9a-fA-F]{2})*)")
_WORDS = {"true": 1, "yes": 1, "false": 0, "no": 0}
_LARGEST = 2**63


def keys_of(table: Table, texts: Sequence[str]) -> tuple[Key, ...]:
    """The forms of the key with a text for each column of the primary key, the most likely first.

    Raises WrongUse for another number of texts, and for one that is no value of its column's type.
    """
    columns = table.definition.primary_key
    if len(texts) != len(columns):
        named = ", ".join(columns)
        raise WrongUse(f"the key of {table.name} is {named}: give {len(columns)} values, not {len(texts)}")
    forms = [_forms(table, column, text) for column, text in zip(columns, texts, strict=True)]
    return tuple(dict.fromkeys(map(pack_key, islice(product(*forms), MOST_FORMS))))


def _forms(table: Table, column: str, text: str) -> list[Value]:
    definition = table.definition.columns[table.definition.index_of(column)]
    found: list[Value] = []
    seen: set[tuple[type, Value]] = set()
    for value in _READ[definition.type.kind](definition, text):
        if (type(value), value) not in seen:
            seen.add((type(value), value))
            found.append(value)
    if not found:
        raise WrongUse(f"'{text}' is no value of {table.name}.{column}, which is of type {definition.type.kind}")
    return found


def _integers(_column: ColumnDefinition, text: str) -> Iterator[Value]:
    if _INTEGER.fullmatch(text) and -_LARGEST <= int(text) < _LARGEST:
        yield int(text)


def _booleans(column: ColumnDefinition, text: str) -> Iterator[Value]:
    if text.lower() in _WORDS:
        yield _WORDS[text.lower()]
    else:
        yield from _integers(column, text)


def _numbers(_column: ColumnDefinition, text: str) -> Iterator[Value]:
    if not _NUMBER.fullmatch(text):
        return
    plain = text.removeprefix("+")
    exact = number(plain) if "e" not in plain.lower() and plain[-1] != "." else float(plain)
    yield exact
    yield float(plain)
    # More digits than a number has stand as text.
    yield trimmed(plain)


def _texts(column: ColumnDefinition, text: str) -> Iterator[Value]:
    yield text
    yield canonical(column.type, text)


def _uuids(column: ColumnDefinition, text: str) -> Iterator[Value]:
    found = canonical(column.type, text)
    yield found
    yield without_dashes(found)
    yield text


def _bytes(_column: ColumnDefinition, text: str) -> Iterator[Value]:
    found = _HEX.fullmatch(text)
    if found:
        yield bytes.fromhex(found[1])


def _any(column: ColumnDefinition, text: str) -> Iterator[Value]:
    yield from _integers(column, text)
    yield text
    yield from _numbers(column, text)
    yield from _bytes(column, text)


_READ: dict[TypeKind, Callable[[ColumnDefinition, str], Iterator[Value]]] = {
    TypeKind.INTEGER: _integers,
    TypeKind.BOOLEAN: _booleans,
    TypeKind.REAL: _numbers,
    TypeKind.NUMERIC: _numbers,
    TypeKind.TEXT: _texts,
    TypeKind.BLOB: _bytes,
    TypeKind.DATE: _texts,
    TypeKind.TIME: _texts,
    TypeKind.TIMESTAMP: _texts,
    TypeKind.TIMESTAMP_WITH_ZONE: _texts,
    TypeKind.INTERVAL: _texts,
    TypeKind.UUID: _uuids,
    TypeKind.JSON: _texts,
    TypeKind.ANY: _any,
}
