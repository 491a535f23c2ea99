"""After a fire: a backup station becomes the host (design.md 8; docs/restoring.md).

Side file, database, key and configuration change one after the other, so that it can be said again after a crash at any
moment: the node halts first and goes on last, and the database tells by its role whether it has changed already.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from replicator import config
from replicator.config import Configuration
from replicator.engine import promoting
from replicator.engine.apply import apply_ready
from replicator.engine.mailboxes import TROUBLE
from replicator.engine.node import Node
from replicator.engine.progress import Silent
from replicator.engine.receive import receive
from replicator.errors import WrongUse
from replicator.operations import account_login, account_options
from replicator.operations.account_options import NOTHING, LoginOptions
from replicator.operations.database_login import open_of
from replicator.operations.opening import open_node
from replicator.operations.promotion_report import report
from replicator.protocol.link import DAY, MINUTE
from replicator.runtime import Runtime
from replicator.store import machine, migrate, state, succession
from replicator.store.home import Home
from replicator.store.identity import Identity
from replicator.store.side_file import SideState
from replicator.store.state import NodeState
from replicator.types import HOST_PEER, Role

UNDER_WAY = "this backup station is being made the host; say the same once more: replicator host-init --from-backup"
SILENCE = DAY
"""So long the host should not have been heard of, in microseconds."""
LONGEST_ADDRESS = 180
"""It stands at the head of each mail to the stations."""


@dataclass(frozen=True, slots=True)
class NewHost:
    """The backup station is the host now."""

    name: str
    address: str
    former: str
    """Its name as a station."""
    told: list[str]
    """As of when it is, and what could not be recovered, a sentence each."""


def promote(
    home: Home,
    runtime: Runtime,
    *,
    address: str | None = None,
    mailbox: str | None = None,
    send: str | None = None,
    title: str = "",
    login: LoginOptions = NOTHING,
    sure: bool = False,
) -> NewHost:
    """Make the backup station in this folder the host, with its own mail account or with the one that is given.

    Raises WrongUse (no backup station, or the host was heard of a short while ago and nobody is `sure`),
    ConfigurationError, AlreadyRunning, DatabaseTrouble, StorageTrouble, MailboxTrouble.
    """
    present = home.load_configuration()
    side = home.side_file.read()
    if present.role is Role.HOST and (side is None or side.halted != UNDER_WAY):
        raise WrongUse(f"{home.path} is a host already: {present.name}")
    if address is None and (mailbox is not None or send is not None or title or login != NOTHING):
        raise WrongUse("a mailbox, servers and logins belong to an address: give --address too, or leave them all out")
    wanted = None
    if address is not None:
        wanted = account_options.section(address, mailbox, send, title, login)
    account = wanted or present.account.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if len(str(account["address"])) > LONGEST_ADDRESS:
        raise WrongUse(f"the address has more than {LONGEST_ADDRESS} characters; choose a shorter one")
    known = _in_database(home, runtime, present)
    if known.node.role is Role.HOST:
        if known.node.address != str(account["address"]):
            raise WrongUse(f"this was begun with the address {known.node.address}: give the same options once more")
        return _finish(home, present, account, known)
    trial = _configuration(present, present.name, account)
    account_login.open_account(trial.account, home, runtime).close()
    _change_database(home, runtime, str(account["address"]), sure)
    return _finish(home, present, account, _in_database(home, runtime, present))


class _InDatabase(NamedTuple):
    """What a node's database says of it, which is the host's once that has changed."""

    node: NodeState
    former: str
    """Its name as a station, by which the former host knew it; empty before."""
    told: str
    """The report that was made with the change, a sentence a line; empty before."""


def _in_database(home: Home, runtime: Runtime, present: Configuration) -> _InDatabase:
    with (
        home.lock(),
        closing(open_of(present, runtime)) as database,
        database.transaction(write=False) as connection,
    ):
        migrate.check(connection)
        names = [each.own_name for each in succession.former_hosts(connection)]
        return _InDatabase(state.load_node(connection), names[-1] if names else "", promoting.kept_report(connection))


def _finish(home: Home, present: Configuration, account: dict[str, Any], known: _InDatabase) -> NewHost:
    """What comes behind the database. The last step lets the node go on."""
    with home.lock():
        side = home.side_file.read()
        identity = home.identity.read()
        home.identity.write(Identity(identity.private_key))
        node = known.node
        home.save_configuration(_configuration(present, node.name, account))
        marks = {} if side is None else side.number_high_water
        here = machine.fingerprint(node.name)
        home.side_file.write(SideState(node.name, node.run, node.host_epoch, marks, machine=here))
    return NewHost(node.name, node.address, known.former, known.told.splitlines())


def _configuration(present: Configuration, name: str, account: dict[str, Any]) -> Configuration:
    """All as it was but for role, name and, where one was given, mail account."""
    content = present.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    content.pop("REMOTE", None)
    return config.make({**content, "role": Role.HOST.value, "name": name, "SERVER": account})


def _change_database(home: Home, runtime: Runtime, address: str, sure: bool) -> None:
    with open_node(home, runtime) as node:
        with node.database.transaction(write=False) as connection:
            promoting.require_ready(connection)
        trouble = _take_what_lies_there(node)
        with node.database.transaction(write=False) as connection:
            promoting.require_ready(connection)
            name = promoting.host_name(connection)
            heard_at = state.load_peers(connection)[HOST_PEER].heard_at
        _require_silence(node, name, heard_at, sure)
        side = node.side_file.read() or SideState(node.name, 0, 0)
        node.side_file.write(replace(side, halted=UNDER_WAY))
        promoting.become_host(node, address, side.epoch, side.run, lambda told: report(told, trouble))


def _take_what_lies_there(node: Node) -> str | None:
    """The former host's last mails may still lie in the mailbox. Why they could not be taken, if so."""
    trouble = None
    try:
        receive(node)
    except TROUBLE as fault:
        trouble = str(fault)
    apply_ready(node, Silent())
    return trouble


def _require_silence(node: Node, host: str, heard_at: int | None, sure: bool) -> None:
    now = node.runtime.now()
    if sure or heard_at is None or now - heard_at >= SILENCE:
        return
    minutes = max(now - heard_at, 0) // MINUTE
    ago = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
    raise WrongUse(
        f"{host} was heard of {ago} ago, by mail that may have lain in the mailbox. If it still works, two hosts would "
        f"go on apart from each other, and what is written at the old one would be lost. If it is lost for good, or "
        f"switched off and to stay so, say --yes"
    )
