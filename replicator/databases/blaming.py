"""Who keeps us from what we need, told with the error."""

from __future__ import annotations

from replicator.errors import DatabaseBusy


def naming(busy: DatabaseBusy, who: str | None) -> DatabaseBusy:
    """The error with a few words on who it is; as it is where nobody is to be seen."""
    return busy if who is None else DatabaseBusy(f"{str(busy).removesuffix(': try again.')}: {who}; try again.")
