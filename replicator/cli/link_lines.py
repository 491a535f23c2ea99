"""What is said of a link in a sentence; of a backup station whether it could become the host, as of when, and who would
accept it."""

from __future__ import annotations

from replicator.cli.console import human_size, moment
from replicator.cli.formats import position_text
from replicator.operations.status import LinkStatus, Status


def held_back(link: LinkStatus) -> str:
    """What of the journal is kept for it; '' where there is nothing."""
    since = _at(link.holds_since)
    return f"{human_size(link.holds_bytes)} of the journal since {since}" if since else ""


def full_mailbox(link: LinkStatus) -> str:
    """'' where it is not known to be full."""
    since = _at(link.full_since)
    return f"mailbox of {link.name} is full since {since}" if since else ""


def of_this_station(found: Status) -> list[str]:
    """At a backup station, a sentence each."""
    backup = found.backup
    if backup is None:
        return []
    if not backup.complete:
        return [
            "This backup station could not become the host yet: it has not been told all that a host needs to know. "
            "Run it, and the host"
        ]
    applied = f", which came on {_at(backup.applied_at)}" if backup.applied_at else ""
    lines = [f"This backup station could become the host, as of {position_text(backup.position)}{applied}"]
    if backup.not_accepting:
        lines.append(f"Not known to accept it: {', '.join(backup.not_accepting)}")
    return lines


def of_station(link: LinkStatus) -> list[str]:
    """At the host, of one of its backup stations, a sentence each."""
    name, backup = link.name, link.backup
    if backup is None:
        return []
    if not backup.complete:
        return [
            f"{name} could not become the host yet: it has not confirmed all that a host needs to know. Run it, and "
            f"this host"
        ]
    if backup.up_to_date:
        lines = [f"{name} could become the host, and has confirmed everything"]
    else:
        lacks = f"was written since {_at(backup.lacks_since)}" if backup.lacks_since else "the next run has to pack"
        lines = [f"{name} could become the host, but has not confirmed what {lacks}"]
    if backup.not_accepting:
        lines.append(f"Not known to accept {name} as the host: {', '.join(backup.not_accepting)}")
    return lines


def _at(microseconds: int | None) -> str:
    at = moment(microseconds)
    return f"{at.astimezone():%Y-%m-%d %H:%M}" if at else ""
