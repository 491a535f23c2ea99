"""What the replicator's own tables have in common."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData

metadata = MetaData()


def position(name: str) -> list[Column[int]]:
    return [
        Column(f"{name}_epoch", BigInteger, nullable=False, server_default="0"),
        Column(f"{name}_n", BigInteger, nullable=False, server_default="0"),
    ]


def count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")
