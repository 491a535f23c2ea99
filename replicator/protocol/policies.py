"""Who wins a conflict, per table: one function a policy (protocol.md 5.7 step 3)."""

from __future__ import annotations

from collections.abc import Callable

from replicator.protocol.proposals import Proposal
from replicator.types import Image

Policy = Callable[[Image | None, Proposal], Image | None]
"""(the host's row or None, the station's change) to the row that stands afterwards."""


def host(current: Image | None, _proposal: Proposal) -> Image | None:
    """The host's row stays as it is: present, changed or deleted."""
    return current


POLICIES: dict[str, Policy] = {"host": host}
