"""A copy of a station becomes a station of its own, by an invitation for it (protocol.md 5.13).

Side file, database, key and configuration change one after the other, so it can be said again after a crash at any
moment: the node halts first and goes on last, and the database tells by the invitation whether it has changed already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from nacl.public import PrivateKey, PublicKey

from replicator import config
from replicator.config import Configuration
from replicator.engine import twin
from replicator.engine.twin import NewName
from replicator.errors import WrongUse
from replicator.operations import account_login, account_options, journal_pages
from replicator.operations.account_options import NOTHING, LoginOptions
from replicator.operations.database_login import open_of
from replicator.operations.journal_lines import JournalGroup
from replicator.operations.opening import open_node, open_view
from replicator.runtime import Runtime
from replicator.store import invitation as invitations
from replicator.store import machine, migrate, state, succession
from replicator.store.home import Home
from replicator.store.identity import Identity, new_private_key
from replicator.store.invitation import Invitation
from replicator.store.side_file import SideState
from replicator.types import HOST_PEER, Role

UNDER_WAY = "this copy is being made a station of its own; say the same once more: replicator copy INVITATION"


@dataclass(frozen=True, slots=True)
class Copied:
    """The copy is a station of its own now."""

    former: str
    name: str
    address: str
    brings: int
    """Changes that the host had not acknowledged under the old name."""


def unknown_to_host(home: Home, runtime: Runtime) -> Iterator[JournalGroup]:
    """What was written here and the host has not acknowledged, group by group. Raises WrongUse at a host."""
    with open_node(home, runtime) as node:
        _require_station(node.role)
        known = twin.number_unsent(node)
    with open_view(home, runtime) as view:
        for n in range(known + 1, view.node.last_n + 1):
            yield journal_pages.show_group(view, n, limit=journal_pages.ALL)


def become_station(
    home: Home,
    runtime: Runtime,
    invitation_file: Path,
    *,
    passphrase: str | None,
    mailbox: str | None = None,
    send: str | None = None,
    title: str = "",
    login: LoginOptions = NOTHING,
) -> Copied:
    """The node goes on as the station that the invitation names, with the database it has.

    Raises InvitationError, WrongUse (of another host, or for a copy of another station; a host), ConfigurationError,
    AlreadyRunning, DatabaseTrouble, StorageTrouble, MailboxTrouble.
    """
    invitation = invitations.read(invitations.read_file(invitation_file, home.files), passphrase)
    configuration = home.load_configuration()
    _require_station(configuration.role)
    side = home.side_file.read()
    if configuration.name == invitation.station and (side is None or side.halted != UNDER_WAY):
        raise WrongUse(f"this node is the station {invitation.station} already")
    former = configuration.name if configuration.name != invitation.station else invitation.copy_of or ""
    _check(invitation, former, _accepted_hosts(home, runtime, configuration))
    account = account_options.section(invitation.station_address, mailbox, send, title, login)
    wanted = _configuration(configuration, invitation.station, account)
    account_login.open_account(wanted.account, home, runtime).close()
    new = NewName(
        invitation.station,
        invitation.station_address,
        invitation.invitation_id.hex(),
        invitation.epoch,
        invitation.host_public_key,
        invitation.host_address,
    )
    brings = _change_database(home, runtime, configuration, new)
    home.identity.write(
        Identity(
            private_key=new_private_key(runtime),
            bootstrap_key=PrivateKey(invitation.bootstrap_secret),
            host_public_key=PublicKey(invitation.host_public_key),
        )
    )
    home.save_configuration(wanted)
    side = home.side_file.read()
    run = 0 if side is None else side.run
    # Last: until here the node has halted, and nothing has left it under the new name.
    home.side_file.write(SideState(new.station, run, new.epoch, machine=machine.fingerprint(new.station)))
    invitations.mark_used(invitation_file, invitation, home.files, runtime.now())
    return Copied(former, new.station, new.address, brings)


def passphrase_needed(home: Home, invitation_file: Path) -> bool:
    """Raises InvitationError, StorageTrouble."""
    return invitations.needs_passphrase(invitations.read_file(invitation_file, home.files))


def _require_station(role: Role) -> None:
    if role is not Role.STATION:
        raise WrongUse(
            "this is a host, and a copy of a host can't be a station: leave it switched off, or if it is to take the "
            "host's place, say: replicator moved"
        )


def _check(invitation: Invitation, former: str, accepted: set[bytes]) -> None:
    if invitation.host_public_key not in accepted:
        raise WrongUse(
            f"this invitation is of another host; make one at the host of {former}: "
            f"replicator station add NAME --address ADDRESS --copy-of {former}"
        )
    if invitation.copy_of != former:
        raise WrongUse(
            f"this invitation is not for a copy of {former}; make one at the host: "
            f"replicator station add NAME --address ADDRESS --copy-of {former}"
        )


def _configuration(present: Configuration, name: str, account: dict[str, object]) -> Configuration:
    """All as it was but for name and mail account; further mailboxes belong to the station that this was."""
    content = present.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"further"})
    return config.make({**content, "role": present.role.value, "name": name, "REMOTE": account})


def _change_database(home: Home, runtime: Runtime, configuration: Configuration, new: NewName) -> int:
    """Unless it was done before; gives how many changes the copy brings along."""
    if _has_changed(home, runtime, configuration, new):
        return 0
    with open_node(home, runtime) as node:
        side = node.side_file.read()
        if side is None:
            side = SideState(node.name, 0, 0)
        node.side_file.write(replace(side, halted=UNDER_WAY))
        return twin.become(node, new, side.run)


def _accepted_hosts(home: Home, runtime: Runtime, configuration: Configuration) -> set[bytes]:
    """Public keys of the host that this node exchanges with and of those that may have taken its place.

    That one has done so the copy may not know: mail for the name that two of them have comes to one of them only.
    """
    with (
        home.lock(),
        closing(open_of(configuration, runtime)) as database,
        database.transaction(write=False) as connection,
    ):
        migrate.check(connection)
        keys = {each.public_key for each in succession.successors(connection)}
        present = state.load_peers(connection)[HOST_PEER].public_key
        return keys if present is None else keys | {present}


def _has_changed(home: Home, runtime: Runtime, configuration: Configuration, new: NewName) -> bool:
    with (
        home.lock(),
        closing(open_of(configuration, runtime)) as database,
        database.transaction(write=False) as connection,
    ):
        migrate.check(connection)
        node = state.load_node(connection)
        return node.name == new.station and state.load_peers(connection)[HOST_PEER].invitation == new.invitation
