"""The filters of the journal as options, the same for every command that takes them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from replicator.cli.session import Session
from replicator.cli.times import instant
from replicator.operations.journal_filters import Filter, Spot

Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most.")]
TableName = Annotated[str | None, typer.Option("--table", metavar="NAME", help="Of this table only.")]
KeyTexts: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="VALUE", help="With --table: of this row; once for each column of its key."),
]
StationName = Annotated[
    str | None, typer.Option("--station", metavar="NAME", help="Made by this station, or by the host.")
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Not before: a time, or 2h for so long ago.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Not later.")]
AtPosition = Annotated[str | None, typer.Option("--position", metavar="POSITION", help="Of this group, or this entry.")]
Transaction = Annotated[
    str | None,
    typer.Option("--transaction", metavar="NUMBER", help="That its station numbered so, or its 32 digits."),
]
VerdictName = Annotated[
    str | None,
    typer.Option(
        "--verdict",
        metavar="VERDICT",
        help="At the host: accepted, altered or returned; at a station: pending or judged.",
    ),
]
After = Annotated[str | None, typer.Option("--after", metavar="POSITION", help="Those behind this position.")]
Before = Annotated[str | None, typer.Option("--before", metavar="POSITION", help="Those before this position.")]


def filter_of(
    session: Session,
    *,
    table: str | None,
    key: list[str] | None,
    station: str | None,
    since: str | None,
    until: str | None,
    position: str | None,
    transaction: str | None,
    verdict: str | None,
    after: str | None = None,
    before: str | None = None,
) -> Filter:
    """What the options say. Raises WrongUse."""
    now = session.runtime.now()
    return Filter(
        table=table,
        key=tuple(key or ()),
        station=station,
        since=None if since is None else instant(since, now),
        until=None if until is None else instant(until, now, ending=True),
        position=None if position is None else Spot.of(position),
        transaction=transaction,
        verdict=verdict,
        after=None if after is None else Spot.of(after),
        before=None if before is None else Spot.of(before),
    )
