"""The form of each portable kind, and what is equal though written otherwise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.databases import portable
from replicator.databases.sqlite.converting import forms
from replicator.types import ColumnDefinition, ColumnType, TableDefinition, TypeKind


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.00", 12),
        ("12.50", 12.5),
        ("-0.010", -0.01),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", "9223372036854775808"),
        ("9999999999999.99", 9999999999999.99),
        ("0.123456789012345", 0.123456789012345),
        ("1234567890123.456", "1234567890123.456"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        (None, None),
    ],
)
def test_numbers(text: str | None, value: Any) -> None:
    found = portable.number(text)
    assert (type(found), found) == (type(value), value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20))
def test_a_number_says_what_its_text_says(number: Decimal) -> None:
    found = portable.number(f"{number:f}")
    assert Decimal(repr(found) if isinstance(found, float) else found) == number


def test_trimmed() -> None:
    assert [portable.trimmed(text) for text in ("1.50", "1.00", "100", "-0.10", "NaN", None)] == [
        "1.5", "1", "100", "-0.1", "NaN", None,
    ]  # fmt: skip


@given(st.uuids())
def test_a_uuid_of_32_digits_goes_there_and_back(uuid: Any) -> None:
    assert portable.with_dashes(uuid.hex) == str(uuid)
    assert portable.without_dashes(str(uuid)) == uuid.hex


@given(st.text(alphabet="0123456789abcdefABCDEF-+: .TZ", max_size=40))
def test_forms_undo_each_other(text: str) -> None:
    for wanted, declared in (
        (ColumnType(TypeKind.UUID), "char(32)"),
        (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "datetime"),
    ):
        both = forms(wanted, declared)
        assert both is not None
        assert both[1](both[0](text)) == text


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        (TypeKind.TIMESTAMP, "2026-11-26 12:00:00.000000", "2026-11-26 12:00:00", True),
        (TypeKind.TIMESTAMP, "2026-11-26T12:00", "2026-11-26 12:00:00", True),
        (TypeKind.TIMESTAMP, "2026-11-26 12:00:00.1", "2026-11-26 12:00:00", False),
        (TypeKind.TIMESTAMP_WITH_ZONE, "2026-11-26T17:30:00.50+05:30", "2026-11-26 12:00:00.5+00", True),
        (TypeKind.TIMESTAMP_WITH_ZONE, "2026-11-26 12:00:00Z", "2026-11-26 12:00:00+00", True),
        (TypeKind.TIMESTAMP_WITH_ZONE, "0001-01-01 00:00:00+05:30", "0001-01-01 00:00:00+00", False),
        (TypeKind.TIME, "12:00", "12:00:00.000", True),
        (TypeKind.UUID, "{11111111-2222-3333-4444-55555555555A}", "11111111-2222-3333-4444-55555555555a", True),
        (TypeKind.NUMERIC, "1.50", 1.5, True),
        (TypeKind.NUMERIC, "1.51", 1.5, False),
        (TypeKind.NUMERIC, None, 0, False),
        (TypeKind.REAL, -0.0, 0.0, True),
        (TypeKind.REAL, float("nan"), "NaN", True),
        (TypeKind.REAL, 1.5, 1.25, False),
        (TypeKind.TEXT, "a", "A", False),
    ],
)
def test_what_is_only_written_otherwise_is_alike(kind: TypeKind, one: Any, other: Any, same: bool) -> None:
    columns = (ColumnDefinition("id", ColumnType(TypeKind.INTEGER)), ColumnDefinition("value", ColumnType(kind)))
    alike = portable.alike(TableDefinition("things", columns, ("id",)))
    if alike is None:
        assert not same
        return
    assert alike((1, one), (1, other)) is same
    assert not alike((1, one), (2, other))
