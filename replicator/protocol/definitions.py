"""Table definitions as plain data: in the replicator's own tables and on the wire, as data and never as code."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from replicator.errors import PeerFault
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.tape import COUNT
from replicator.types import (
    NOWHERE,
    ColumnDefinition,
    ColumnType,
    Default,
    ForeignKey,
    Index,
    Policy,
    Position,
    Table,
    TableDefinition,
    TypeKind,
    UniqueKey,
)


def _slim(**values: Any) -> dict[str, Any]:
    """Without what is empty: definitions are read by people too. A 0 is a number and stays."""
    return {name: value for name, value in values.items() if value is not False and value not in (None, (), [], "")}


def definition_to_plain(definition: TableDefinition) -> dict[str, Any]:
    return _slim(
        name=definition.name,
        columns=[_column_to_plain(column) for column in definition.columns],
        primary_key=list(definition.primary_key),
        unique_keys=[_slim(columns=list(key.columns), name=key.name) for key in definition.unique_keys],
        foreign_keys=[
            _slim(
                columns=list(key.columns),
                parent=key.parent,
                parent_columns=list(key.parent_columns),
                on_delete=key.on_delete,
                on_update=key.on_update,
                name=key.name,
                deferred=key.deferred,
            )
            for key in definition.foreign_keys
        ],
        indexes=[_slim(name=index.name, columns=list(index.columns)) for index in definition.indexes],
        autoincrement=definition.autoincrement,
        options=list(definition.options),
    )


def _column_to_plain(column: ColumnDefinition) -> dict[str, Any]:
    plain = _slim(
        name=column.name,
        type=_slim(**{field.name: getattr(column.type, field.name) for field in fields(ColumnType)}),
        not_null=not column.nullable,
        collation=column.collation,
    )
    plain["type"]["kind"] = str(column.type.kind)
    if column.default is not None:
        # A literal may be 0 or '': kept as it is.
        expression = column.default.expression
        plain["default"] = {"expression": expression} if expression else {"literal": column.default.literal}
    return plain


def definition_from_plain(plain: Any) -> TableDefinition:
    """Raises PeerFault: what comes by mail may be anything."""
    try:
        return _definition(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PeerFault(f"a table definition is malformed ({error})") from error


def _definition(plain: Any) -> TableDefinition:
    definition = TableDefinition(
        name=_name(plain["name"]),
        columns=tuple(_column(column) for column in _list(plain["columns"])),
        primary_key=_names(plain["primary_key"]),
        unique_keys=tuple(
            UniqueKey(_names(key["columns"]), _name_or_none(key.get("name"))) for key in _list(plain.get("unique_keys"))
        ),
        foreign_keys=tuple(_foreign_key(key) for key in _list(plain.get("foreign_keys"))),
        indexes=tuple(Index(_name(key["name"]), _names(key["columns"])) for key in _list(plain.get("indexes"))),
        autoincrement=bool(plain.get("autoincrement", False)),
        options=_names(plain.get("options")),
    )
    known = set(definition.column_names)
    if not definition.primary_key or len(known) != len(definition.columns):
        raise ValueError("no primary key, or a column named twice")
    if len(set(definition.primary_key)) != len(definition.primary_key):
        raise ValueError("the primary key names a column twice")
    used = [definition.primary_key, *(key.columns for key in definition.unique_keys)]
    used += [key.columns for key in definition.foreign_keys] + [index.columns for index in definition.indexes]
    if any(not columns or not known.issuperset(columns) for columns in used):
        raise ValueError("a key names a column that isn't there")
    return definition


def _column(plain: Any) -> ColumnDefinition:
    kind = plain["type"]
    default = plain.get("default")
    return ColumnDefinition(
        name=_name(plain["name"]),
        type=ColumnType(
            TypeKind(kind["kind"]),
            length=_count_or_none(kind.get("length")),
            precision=_count_or_none(kind.get("precision")),
            scale=_count_or_none(kind.get("scale")),
            bits=_count_or_none(kind.get("bits")),
            declared=_name_or_none(kind.get("declared")),
        ),
        nullable=not plain.get("not_null", False),
        default=None if default is None else _default(default),
        collation=_name_or_none(plain.get("collation")),
    )


def _default(plain: Any) -> Default:
    literal = plain.get("literal")
    if literal is not None and type(literal) not in (int, float, str, bytes):
        raise ValueError("a default is not a plain value")
    return Default(literal, _name_or_none(plain.get("expression")))


def _foreign_key(plain: Any) -> ForeignKey:
    columns, parent_columns = _names(plain["columns"]), _names(plain["parent_columns"])
    if len(columns) != len(parent_columns):
        raise ValueError("a foreign key with unequal columns")
    return ForeignKey(
        columns,
        _name(plain["parent"]),
        parent_columns,
        _name(plain.get("on_delete", "NO ACTION")),
        _name(plain.get("on_update", "NO ACTION")),
        _name_or_none(plain.get("name")),
        bool(plain.get("deferred", False)),
    )


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)) or len(value) > BOUNDS.columns:
        raise ValueError("a list is expected")
    return list(value)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > BOUNDS.name or "\x00" in value:
        raise ValueError("a name is expected")
    value.encode()  # a ValueError where it is not Unicode: no database has such a name
    return value


def _name_or_none(value: Any) -> str | None:
    return None if value is None else _name(value)


def _names(value: Any) -> tuple[str, ...]:
    return tuple(_name(name) for name in _list(value))


def _count_or_none(value: Any) -> int | None:
    if value is not None and (type(value) is not int or not -100_000 <= value <= 2**32):
        raise ValueError("a number is expected")
    return value


def table_to_plain(table: Table) -> dict[str, Any]:
    return _slim(
        id=table.id,
        area=table.area,
        policy=str(table.policy),
        definition=definition_to_plain(table.definition),
        version=[] if table.version == NOWHERE else list(table.version),
        columns=list(table.ids),
    )


def table_from_plain(plain: Any) -> Table:
    """Raises PeerFault."""
    try:
        number, area, policy = plain["id"], _name_or_none(plain.get("area")), Policy(plain.get("policy", Policy.HOST))
        if type(number) is not int or not 0 < number < 2**31:
            raise ValueError("a table number is expected")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PeerFault(f"a table is malformed ({error})") from error
    definition = definition_from_plain(plain.get("definition"))
    version, ids = _version(plain, definition)
    return Table(number, definition.name, definition, area, policy, version, ids)


def _version(plain: Any, definition: TableDefinition) -> tuple[Position, tuple[int, ...]]:
    try:
        first, second = _list(plain.get("version")) or NOWHERE
        ids = tuple(_list(plain.get("columns")))
        if any(type(number) is not int or not 0 <= number <= COUNT for number in (first, second)):
            raise ValueError("a version is expected")
        if ids and (len(ids) != len(definition.columns) or len(set(ids)) != len(ids)):
            raise ValueError("its columns have other numbers than one each")
        if any(type(number) is not int or not 0 < number <= COUNT for number in ids):
            raise ValueError("the number of a column is expected")
    except (TypeError, ValueError) as error:
        raise PeerFault(f"a table is malformed ({error})") from error
    return (first, second), ids
