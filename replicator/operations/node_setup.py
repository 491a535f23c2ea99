"""Setting up a node (design.md 3 and 8, Enrolment).

A set-up can be run again after a crash at any moment: `setting-up` in the home folder says when this set-up began, the
database's node row carries the same moment, and the configuration is written last: from then on there is a node here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacl.public import PrivateKey, PublicKey
from sqlalchemy import Connection, inspect

from replicator import config
from replicator.config import Configuration
from replicator.databases import absolute_url
from replicator.databases.base import Database
from replicator.errors import ConfigurationError, WrongUse
from replicator.operations import account_login, account_options
from replicator.operations.account_options import NOTHING, LoginOptions
from replicator.operations.database_login import open_of
from replicator.protocol.link import InboundStream, Link, OutboundStream
from replicator.runtime import Runtime
from replicator.store import invitation as invitations
from replicator.store import migrate, sql, state, succession
from replicator.store.home import Home
from replicator.store.identity import Identity, new_private_key
from replicator.store.invitation import Invitation
from replicator.store.side_file import SideState
from replicator.store.state import LinkState, NodeState, Peer
from replicator.types import HOST_PEER, NOWHERE, Role

HOST_EPOCH = 1
"""Of a new host; a station's own epoch comes from its invitation."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """A node that stands now."""

    role: Role
    name: str
    address: str
    home: Path
    database: str
    host: str | None
    """Station: the name of its host."""
    sentences: tuple[str, ...]
    """What was changed in the database that its owner should know."""


@dataclass(frozen=True, slots=True)
class _Plan:
    configuration: Configuration
    identity: Identity
    epoch: int
    fill: Callable[[Connection, int], None]
    """Writes the rows of node, peers and links; gets the moment at which the set-up began."""
    may_create_database: bool


@dataclass(frozen=True, slots=True)
class _Account:
    """What was given of the mail account."""

    address: str
    mailbox: str | None
    send: str | None
    title: str
    login: LoginOptions

    def content(self) -> dict[str, Any]:
        return account_options.section(self.address, self.mailbox, self.send, self.title, self.login)


def host_init(
    home: Home,
    runtime: Runtime,
    *,
    database: str,
    address: str,
    mailbox: str | None = None,
    send: str | None = None,
    name: str = "host",
    title: str = "",
    login: LoginOptions = NOTHING,
    database_password_file: Path | None = None,
) -> SetUp:
    """Make a host of the folder, the application's database and the mailbox: of the address's provider, if not given.

    Raises ConfigurationError (an option, or a node lives here), WrongUse (the database belongs to another node),
    DatabaseTrouble, MailboxTrouble, StorageTrouble.
    """
    account = _Account(address, mailbox, send, title, login)
    configuration = _configuration(Role.HOST, name, database, account, database_password_file)

    def fill(connection: Connection, began: int) -> None:
        state.insert_node(connection, _new_node(configuration, HOST_EPOCH, began))

    identity = Identity(new_private_key(runtime))
    return _set_up(home, runtime, _Plan(configuration, identity, HOST_EPOCH, fill, may_create_database=False))


def remote_init(
    home: Home,
    runtime: Runtime,
    invitation_file: Path,
    *,
    passphrase: str | None,
    database: str,
    mailbox: str | None = None,
    send: str | None = None,
    title: str = "",
    login: LoginOptions = NOTHING,
    database_password_file: Path | None = None,
) -> SetUp:
    """Make a station of the folder, its database (made where it is missing) and the mailbox, by the host's invitation.

    Raises InvitationError (damaged, used, passphrase missing or wrong, newer) and all that `host_init` raises.
    """
    invitation = invitations.read(invitations.read_file(invitation_file, home.files), passphrase)
    account = _Account(invitation.station_address, mailbox, send, title, login)
    configuration = _configuration(Role.STATION, invitation.station, database, account, database_password_file)

    def fill(connection: Connection, began: int) -> None:
        state.insert_node(connection, _new_node(configuration, 0, began))
        _insert_host(connection, invitation, began)

    identity = Identity(
        private_key=new_private_key(runtime),
        bootstrap_key=PrivateKey(invitation.bootstrap_secret),
        host_public_key=PublicKey(invitation.host_public_key),
    )
    plan = _Plan(configuration, identity, invitation.epoch, fill, may_create_database=True)
    done = _set_up(home, runtime, plan, host=invitation.host_name)
    # After the configuration: a crash before this leaves a node that stands, and the host takes no second use anyway.
    invitations.mark_used(invitation_file, invitation, home.files, runtime.now())
    return done


def passphrase_needed(home: Home, invitation_file: Path) -> bool:
    """Whether `remote_init` wants one. Raises InvitationError, StorageTrouble."""
    return invitations.needs_passphrase(invitations.read_file(invitation_file, home.files))


def _configuration(
    role: Role, name: str, database: str, account: _Account, password_file: Path | None
) -> Configuration:
    section = "SERVER" if role is Role.HOST else "REMOTE"
    content: dict[str, Any] = {"role": role.value, "name": name, "database": database, section: account.content()}
    if password_file is not None:
        content["database_password_file"] = str(password_file.expanduser().absolute())
    checked = config.make(content)
    return config.make({**content, "database": absolute_url(checked.database)})


def _new_node(configuration: Configuration, host_epoch: int, began: int) -> NodeState:
    return NodeState(
        role=configuration.role,
        name=configuration.name,
        address=configuration.account.address,
        run=0,
        host_epoch=host_epoch,
        last_n=0,
        open_group=0,
        open_through=0,
        next_table=1,
        next_peer=1,
        created_at=began,
    )


def _insert_host(connection: Connection, invitation: Invitation, began: int) -> None:
    """A station's one peer. Its stream starts where the host expects it: in the epoch that the invitation names."""
    host = Peer(
        id=HOST_PEER,
        name=invitation.host_name,
        title=None,
        address=invitation.host_address,
        enabled=True,
        public_key=invitation.host_public_key,
        bootstrap_key=None,
        invitation=invitation.invitation_id.hex(),
        created_at=began,
        heard_at=None,
        sent_at=None,
    )
    state.insert_peer(connection, host)
    succession.replace_successors(connection, invitation.successors)
    streams = Link(Role.STATION, OutboundStream((0, invitation.epoch)), InboundStream(NOWHERE))
    state.insert_link(connection, LinkState(HOST_PEER, streams))


# --- the steps, in an order that a crash can't spoil ------------------------------------------------------------------


def _set_up(home: Home, runtime: Runtime, plan: _Plan, host: str | None = None) -> SetUp:
    configuration = plan.configuration
    home.create()
    with home.lock():
        began = _began(home, runtime)
        account = configuration.account
        account_login.open_account(account, home, runtime).close()
        opened = open_of(configuration, runtime, create=plan.may_create_database)
        with closing(opened) as database:
            # This makes a database that is missing, for a station. One that turns out another node's is ready already.
            sentences = database.prepare()
            _refuse_foreign_node(database, began)
            home.identity.write(plan.identity)
            home.side_file.write(SideState(node=configuration.name, run=0, epoch=plan.epoch))
            with database.transaction() as connection:
                with database.migrating(connection) as in_part:
                    migrate.upgrade(connection, in_part=in_part)
                database.allow_requests(connection)
                # What stands there is of an attempt of ours that did not come to its end: nothing ever ran on it.
                for table in ("node", "peer", "link"):
                    sql.run(connection, f"DELETE FROM replicator_{table}")
                plan.fill(connection, began)
        home.save_configuration(configuration)
        home.files.delete(_note(home))
    return SetUp(
        role=configuration.role,
        name=configuration.name,
        address=account.address,
        home=home.path,
        database=configuration.database,
        host=host,
        sentences=tuple(sentences),
    )


def _note(home: Home) -> Path:
    return home.path / "setting-up"


def _began(home: Home, runtime: Runtime) -> int:
    """When this set-up began, in microseconds: by this the database's half-made node is known as ours."""
    if home.holds_node():  # somebody was faster than our lock
        raise ConfigurationError(f"{home.path} holds a node already; choose another folder with --home")
    note = home.files.read(_note(home), 1000)
    if note is not None:
        try:
            return int(json.loads(note)["began"])
        except (ValueError, KeyError, TypeError):
            pass  # half a note can't be: but whatever it is, nothing relies on it yet
    elif home.identity.path.exists():
        raise ConfigurationError(
            f"{home.path} holds the key of a node, but its replicator.toml is missing; bring that back from a backup, "
            f"or choose another folder with --home"
        )
    began = runtime.now()
    home.files.write(_note(home), json.dumps({"began": began}).encode())
    return began


def _refuse_foreign_node(database: Database, began: int) -> None:
    with database.transaction(write=False) as connection:
        if not inspect(connection).has_table("replicator_node"):
            return
        found = sql.one(
            connection,
            "SELECT role, name, created_at = ? AND run = 0 AND last_n = 0 AND next_table = 1 AND next_peer = 1"
            " FROM replicator_node",
            (began,),
        )
    if found is None:
        return
    role, name, is_ours_and_unused = found
    if not is_ours_and_unused:
        raise WrongUse(
            f"this database belongs to the {role} {name} already; name that node's folder with --home, or give the "
            f"new node a database of its own (on PostgreSQL, a schema: …?schema=NAME at the end of the URL)"
        )
