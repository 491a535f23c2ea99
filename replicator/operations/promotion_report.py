"""What is said when a backup station has become the host: as of when it is, and what could not be recovered.

It is stored with the change itself, so that it can be said though the process that made it has died.
"""

from __future__ import annotations

from replicator.engine.promoting import Promoted
from replicator.operations.writing import moment, position_text


def report(told: Promoted, mailbox_trouble: str | None) -> str:
    """A sentence a line. `mailbox_trouble`: why its mailbox could not be emptied before; what lay in it is not used."""
    return "\n".join([*_known(told, mailbox_trouble), *_not_recovered(told)])


def _known(told: Promoted, mailbox_trouble: str | None) -> list[str]:
    position = position_text(told.position)
    lines = [
        f"The former host was {_heard(told.heard_at)}; its log is known here up to {position}.",
        "What it wrote behind that comes back from the stations that have it; the rest is lost: enter it again.",
    ]
    if mailbox_trouble is not None:
        lines.append(
            f"The mailbox could not be emptied before, so that mail of the host may lie there: {mailbox_trouble}"
        )
    if told.partly:
        lines.append("What of the former host's mail had come in part only is not used.")
    return lines


def _not_recovered(told: Promoted) -> list[str]:
    local = told.local
    lines = ["Not recovered: the former host's conflicts on record, its quarantine and its journal of the past."]
    if local.count:
        lines.append(
            f"What was written here is the host's now: {local.new} new, {local.changed} changed, {local.deleted} "
            f"deleted rows."
        )
    if told.refused:
        rows = "1 row" if told.refused == 1 else f"{told.refused} rows"
        lines.append(f"Not stored here, of what the former host sent: {rows}; see 'replicator conflict list'.")
    if told.missing:
        lines.append(f"Not here, and no longer replicated: {', '.join(sorted(told.missing))}.")
    if told.untold:
        tables = ", ".join(told.untold)
        lines.append(f"Not replicated any more, as the former host had not told all of them: {tables}; add them again.")
    if told.lost_numbers:
        numbers = "1 number" if told.lost_numbers == 1 else f"{told.lost_numbers} numbers"
        lines.append(f"Of {numbers} nobody knows whether they were used: lost, so that none comes twice.")
    if told.unaware:
        lines.append(
            f"Not known to accept this host: {', '.join(told.unaware)}. If mail of theirs does not come, invite them "
            f"anew: replicator station invite NAME"
        )
    return lines


def _heard(microseconds: int | None) -> str:
    at = moment(microseconds)
    return "never heard of" if at is None else f"heard of last on {at.astimezone():%Y-%m-%d %H:%M}"
