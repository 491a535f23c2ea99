"""Types that differ from a definition: what fits on each server, what is refused, what is written otherwise."""

from __future__ import annotations

from typing import Any

from replicator.types import ColumnType, TypeKind

UUID = "11111111-2222-3333-4444-55555555555a"
DIGITS = UUID.replace("-", "")


def numeric(precision: int | None, scale: int | None = None, declared: str | None = None) -> ColumnType:
    return ColumnType(TypeKind.NUMERIC, precision=precision, scale=scale, declared=declared)


CARRIED: dict[str, list[tuple[ColumnType, str, Any, str]]] = {
    "postgresql": [
        (ColumnType(TypeKind.TEXT, length=32, declared="char(32)"), "uuid", DIGITS, UUID),
        (ColumnType(TypeKind.UUID), "char(32)", UUID, DIGITS),
        (ColumnType(TypeKind.UUID), "varchar(36)", UUID, UUID),
        (ColumnType(TypeKind.TIMESTAMP), "timestamptz", "2026-11-26 12:00:00.5", "2026-11-26 12:00:00.5+00"),
        (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "timestamp", "2026-11-26 12:00:00.5+00", "2026-11-26 12:00:00.5"),
        (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "timestamp", "infinity", "infinity"),
        (ColumnType(TypeKind.BOOLEAN, declared="bool"), "boolean", 1, "true"),
        (ColumnType(TypeKind.BOOLEAN), "smallint", 1, "1"),
        (ColumnType(TypeKind.TEXT, declared="text"), "jsonb", '{"a": 1}', '{"a": 1}'),
        (ColumnType(TypeKind.JSON), "text", '{"a":1}', '{"a":1}'),
        (ColumnType(TypeKind.TEXT, length=39, declared="char(39)"), "inet", "10.0.0.1", "10.0.0.1/32"),
        (ColumnType(TypeKind.INTEGER, declared="integer unsigned"), "integer", 7, "7"),
        (ColumnType(TypeKind.INTEGER, declared="INTEGER"), "bigint", 7, "7"),
        (numeric(None, declared="decimal"), "numeric(10,2)", 12.5, "12.50"),
        (numeric(20, 0), "numeric(20,0)", "18446744073709551615", "18446744073709551615"),
        (numeric(9, 0), "integer", 7, "7"),
        (ColumnType(TypeKind.TEXT, length=20, declared="varchar(20)"), "text", "x", "x"),
        (ColumnType(TypeKind.TEXT, length=20, declared="varchar(20)"), "varchar(30)", "x", "x"),
    ],
    "mariadb": [
        (ColumnType(TypeKind.TEXT, length=32, declared="char(32)"), "uuid", DIGITS, UUID),
        (ColumnType(TypeKind.UUID), "char(32)", UUID, DIGITS),
        (ColumnType(TypeKind.UUID), "varchar(36)", UUID, UUID),
        (ColumnType(TypeKind.UUID), "uuid", UUID, UUID),
        (ColumnType(TypeKind.TIMESTAMP), "timestamp(6) NULL", "2026-11-26 12:00:00.5", "2026-11-26 12:00:00.500000"),
        (
            ColumnType(TypeKind.TIMESTAMP_WITH_ZONE),
            "datetime(6)",
            "2026-11-26 12:00:00.5+00",
            "2026-11-26 12:00:00.500000",
        ),
        (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "datetime", "2050-11-26 12:00:00+00", "2050-11-26 12:00:00"),
        (ColumnType(TypeKind.BOOLEAN, declared="bool"), "tinyint(1)", 1, "1"),
        (ColumnType(TypeKind.BOOLEAN), "bit", 1, "\x01"),
        (ColumnType(TypeKind.TEXT, declared="text"), "longtext", '{"a": 1}', '{"a": 1}'),
        (ColumnType(TypeKind.JSON), "json", '{"a":1}', '{"a":1}'),
        (ColumnType(TypeKind.JSON), "longtext", '{"a":1}', '{"a":1}'),
        (ColumnType(TypeKind.TEXT, length=39, declared="char(39)"), "inet6", "2001:db8::1", "2001:db8::1"),
        (ColumnType(TypeKind.INTEGER, declared="integer unsigned"), "int unsigned", 7, "7"),
        (ColumnType(TypeKind.INTEGER, declared="INTEGER"), "bigint", 7, "7"),
        (ColumnType(TypeKind.INTEGER, bits=16, declared="smallint"), "smallint unsigned", 7, "7"),
        (ColumnType(TypeKind.INTEGER, bits=16, declared="tinyint(4)"), "tinyint", 7, "7"),
        (ColumnType(TypeKind.INTEGER, bits=32, declared="mediumint(9)"), "mediumint", 7, "7"),
        (ColumnType(TypeKind.INTEGER, bits=16, declared="year(4)"), "year", 2026, "2026"),
        (numeric(None, declared="decimal"), "decimal(10,2)", 12.5, "12.50"),
        (numeric(20, 0), "bigint unsigned", "18446744073709551615", "18446744073709551615"),
        (numeric(30, 10), "decimal(30,10)", "1.5000000000", "1.5000000000"),
        (numeric(None), "decimal(65,30)", "1.5", "1.500000000000000000000000000000"),
        (numeric(9, 0), "int", 7, "7"),
        (ColumnType(TypeKind.TEXT, length=20, declared="varchar(20)"), "text", "x", "x"),
        (ColumnType(TypeKind.TEXT, length=20, declared="varchar(20)"), "varchar(30)", "x", "x"),
        (ColumnType(TypeKind.INTERVAL), "varchar(100)", "P1D", "P1D"),
    ],
}
"""Type of the definition, type here, a value as it travels, and its text here."""
REFUSED: dict[str, list[tuple[ColumnType, str, str]]] = {
    "postgresql": [
        (ColumnType(TypeKind.INTEGER, declared="bigint"), "interval", "has the type interval, not bigint"),
        (ColumnType(TypeKind.INTERVAL), "bigint", "has the type bigint, not interval"),
        (ColumnType(TypeKind.INTEGER, bits=64), "integer", "not bigint"),
        (ColumnType(TypeKind.TEXT), "varchar(10)", "holds less than any number of characters"),
        (ColumnType(TypeKind.TEXT, length=20), "varchar(10)", "holds less than 20 characters"),
        (ColumnType(TypeKind.TEXT), "integer", "not text"),
        (ColumnType(TypeKind.TEXT), "char(200)", "pads with blanks"),
        (numeric(19, 2), "numeric(10,2)", "not numeric(19,2)"),
        (numeric(19, 2), "numeric(20,4)", "not numeric(19,2)"),
        (ColumnType(TypeKind.TIMESTAMP), "date", "has the type date, not timestamp"),
        (ColumnType(TypeKind.ANY, declared=""), "text", "values of any type"),
        (ColumnType(TypeKind.REAL), "real", "not double precision"),
    ],
    "mariadb": [
        (ColumnType(TypeKind.INTERVAL), "bigint", "has the type bigint(20), not varchar(100)"),
        (ColumnType(TypeKind.INTEGER, bits=64), "int", "has the type int(11), not bigint"),
        (ColumnType(TypeKind.INTEGER, bits=64, declared="bigint"), "int", "has the type int(11), not bigint"),
        (ColumnType(TypeKind.INTEGER, bits=32, declared="int(11)"), "mediumint", "mediumint(9), not int"),
        (ColumnType(TypeKind.INTEGER), "bigint unsigned", "holds no negative numbers"),
        (ColumnType(TypeKind.TEXT), "varchar(10)", "holds less than any number of characters"),
        (ColumnType(TypeKind.TEXT, length=20), "varchar(10)", "holds less than 20 characters"),
        (ColumnType(TypeKind.TEXT), "int", "not longtext"),
        (ColumnType(TypeKind.TEXT), "char(200)", "cuts blanks off"),
        (ColumnType(TypeKind.BLOB), "binary(20)", "pads with zeros"),
        (numeric(19, 2), "decimal(10,2)", "not decimal(19,2)"),
        (numeric(19, 2), "decimal(20,4)", "not decimal(19,2)"),
        (numeric(80, 2), "decimal(65,2)", "no numbers of 80 digits"),
        (ColumnType(TypeKind.TIMESTAMP), "date", "has the type date, not datetime(6)"),
        (ColumnType(TypeKind.ANY, declared=""), "longtext", "holds values of any"),
        (ColumnType(TypeKind.REAL), "float", "has the type float, not double"),
    ],
}
"""Type of the definition, type here, words of the refusal."""
WRITTEN_OTHERWISE: dict[str, list[tuple[str, Any, Any]]] = {
    "postgresql": [
        ("timestamp", "2026-11-26T12:00:00.500000", "2026-11-26 12:00:00.5"),
        ("timestamp(0)", "2026-11-26 12:00:00.6", "2026-11-26 12:00:01"),
        ("timestamptz", "2026-11-26 12:00:00+05:30", "2026-11-26 06:30:00+00"),
        ("time", "12:00", "12:00:00"),
        ("date", "20261126", "2026-11-26"),
        ("uuid", UUID.upper(), UUID),
        ("numeric(10,2)", "1.555", 1.56),
        ("numeric(10,2)", 3.0, 3),
        ("numeric(19,2)", "1.5", "1.50"),
        ("numeric", "1.50", "1.50"),
        ("boolean", "yes", 1),
        ("integer", "7", 7),
        ("double precision", 1, 1.0),
        ("char(5)", "ab  ", "ab"),
        ("jsonb", '{"b":1,"a":2}', '{"a": 2, "b": 1}'),
        ("json", 5, "5"),
        ("interval", "90 minutes", "PT1H30M"),
        ("inet", "10.0.0.1/32", "10.0.0.1"),
        ("integer[]", "{1, 2}", "{1,2}"),
        ("text", "1.50", "1.50"),
        ("bytea", b"\0", b"\0"),
    ],
    "mariadb": [
        ("datetime(6)", "2026-11-26T12:00:00.500000", "2026-11-26 12:00:00.5"),
        ("datetime", "2026-11-26 12:00:00.6", "2026-11-26 12:00:00"),
        ("datetime(3)", "2026-11-26", "2026-11-26 00:00:00"),
        ("timestamp NULL", "2026-11-26 12:00:00+05:30", "2026-11-26 06:30:00+00"),
        ("time", "12:00", "12:00:00"),
        ("time(2)", "-1:02:03.456", "-01:02:03.45"),
        ("date", "2026-11-26 00:00:00", "2026-11-26"),
        ("uuid", UUID.upper(), UUID),
        ("decimal(10,2)", "1.555", 1.56),
        ("decimal(10,2)", 0.1 + 0.2, 0.3),
        ("decimal(10,2)", 3.0, 3),
        ("decimal(19,2)", "1.5", "1.50"),
        ("decimal(65,2)", "-0.001", "0.00"),
        ("decimal(40,2)", 1e20, "100000000000000000000.00"),
        ("boolean", "1", 1),
        ("integer", "7", 7),
        ("integer", 7.0, 7),
        ("double", 1, 1.0),
        ("double", -0.0, 0.0),
        ("float", 0.1 + 0.2, 0.3),
        ("bit(4)", "11", "0011"),
        ("char(5)", "ab  ", "ab"),
        ("binary(3)", b"a", b"a\0\0"),
        ("json", 5, "5"),
        ("inet6", "2001:DB8:0::1", "2001:db8::1"),
        ("text", "1.50", "1.50"),
        ("text", 1.5, "1.5"),
        ("blob", "ä", "ä".encode()),
    ],
}
"""Type here, a value that comes, and what is read again."""
