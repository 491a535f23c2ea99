"""What a replay of the journal is to build: up to which group, and which tables there were."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from replicator.engine import points
from replicator.errors import UnknownName, WrongUse
from replicator.operations.opening import View, require_host
from replicator.store import bases, journal
from replicator.store.bases import Base
from replicator.types import Position


@dataclass(frozen=True, slots=True)
class Plan:
    """A replay up to the group `n`."""

    n: int
    chosen: list[Base]
    remarks: list[str]
    """Which tables are left out and why, a sentence each."""


def plan_of(view: View, until: str | None, names: Sequence[str]) -> Plan:
    """Raises WrongUse and UnknownName, see `journal_replay.replay_into`."""
    require_host(view, "the journal is replayed")
    kept = [base for base in bases.load(view.connection) if base.complete]
    _require_known(view, kept, names)
    n = _place(view, until, kept)
    chosen: dict[str, Base] = {}
    left_out: dict[str, str] = {}
    early = []
    # A table that was changed, or taken out and added again, comes twice, the later one last.
    for base in kept:
        if names and base.name not in names:
            continue
        if n < base.begun_n:
            left_out[base.name] = f"what is known of it begins with {named(view, base.begun_n)}"
        elif base.ended_n and n > base.ended_n:
            left_out[base.name] = f"its replication ended with {named(view, base.ended_n)}"
        elif n < base.reach_n:
            early.append(base)
        else:
            chosen[base.name] = base
    remarks = [f"Table {name} is left out: {why}." for name, why in left_out.items() if name not in chosen]
    if early:
        reach = max(base.reach_n for base in early)
        when = datetime.fromtimestamp(max(base.at for base in early) / 1_000_000).astimezone()
        raise WrongUse(
            f"the journal reaches back to {named(view, reach)} ({when:%Y-%m-%d %H:%M:%S}); what was before has been "
            f"purged: give a later place"
        )
    if not chosen:
        raise WrongUse(remarks[0].rstrip(".") if remarks else nothing_kept(view))
    return Plan(n, list(chosen.values()), remarks)


def nothing_kept(view: View) -> str:
    if not view.configuration.run.journal_base:
        return "no bases are kept here (journal_base in replicator.toml), so the journal can't be replayed"
    return "no table has a base yet, from which the journal could be replayed; a run makes them: replicator host-run"


def _require_known(view: View, kept: Sequence[Base], names: Collection[str]) -> None:
    if not kept:
        raise WrongUse(nothing_kept(view))
    there = {base.name for base in kept}
    for name in names:
        if name not in there:
            raise UnknownName(f"the journal tells of no table {name}; see: replicator table list")


def _place(view: View, until: str | None, kept: Sequence[Base]) -> int:
    if until is None:
        return points.last_whole(view.node)
    position = position_in(until)
    if position is not None:
        return points.checked(view.connection, view.node, position)
    definitions = {base.table: base.definition for base in kept}
    return points.at(view.connection, view.node, moment_in(until), view.now, definitions)


def named(view: View, n: int) -> str:
    group = journal.group(view.connection, n)
    return f"{view.node.host_epoch if group is None else group.host_epoch}.{n}"


def position_in(text: str) -> Position | None:
    """'2.417' or '417' (then the epoch is 0); None: it is no position."""
    epoch, point, n = text.strip().partition(".")
    numbers = (epoch, n) if point else ("0", epoch)
    if not all(number.isascii() and number.isdigit() and len(number) <= 18 for number in numbers):
        return None
    return int(numbers[0]), int(numbers[1])


def moment_in(text: str) -> int:
    """Microseconds since 1970 UTC. Raises WrongUse."""
    try:
        found = datetime.fromisoformat(text.strip()).astimezone()
        return round(found.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        raise WrongUse(
            f"'{text}' is neither a position (2.417, as replicator journal list prints it) nor a time "
            f"(2026-11-27 14:03:22)"
        ) from None
