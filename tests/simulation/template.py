"""A host and its stations, set up once by the real operations and copied for each seed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from random import Random

from replicator.operations.node_setup import host_init, remote_init
from replicator.operations.opening import open_node
from replicator.operations.rules_admin import set_rule
from replicator.operations.stations import add_station
from replicator.operations.table_admin import add_tables
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.types import Kinds
from tests.simulation.clockwork import START
from tests.simulation.post import address
from tests.simulation.schema import SPECS, TABLES, TRIGGER
from tests.simulation.simnode import HOST


def scratch_folder() -> Path:
    """In memory where that can be had."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="replicator-simulation-", dir=memory if os.access(memory, os.W_OK) else None))


def station_names(count: int) -> list[str]:
    return [f"S{number}" for number in range(count)]


def build(folder: Path, stations: int) -> Path:
    """Nodes that have never exchanged a mail. S0's database is empty: the replicator is to make its tables."""
    dice = Random(stations)
    runtime = Runtime(lambda: START, dice.randbytes)
    files = Files(runtime, durable=False)
    mail = folder / "mail"
    mail.mkdir(parents=True)
    (folder / HOST).mkdir()
    create(folder / HOST / "app.db", tables=True)
    home = Home(folder / HOST / "home", files)
    host_init(home, runtime, database=_url(folder, HOST), address=address(HOST), mailbox=f"folder:{mail}", name=HOST)
    with open_node(home, runtime) as node:
        add_tables(node, list(SPECS))
        for name in station_names(stations):
            add_station(node, name, address(name), out=folder / f"{name}.invitation")
            set_rule(node, name, "all", to_remote=Kinds.ALL, to_host=Kinds.ALL)
    for number, name in enumerate(station_names(stations)):
        (folder / name).mkdir()
        create(folder / name / "app.db", tables=number > 0)
        remote_init(
            Home(folder / name / "home", files),
            runtime,
            folder / f"{name}.invitation",
            passphrase=None,
            database=_url(folder, name),
            mailbox=f"folder:{mail}",
        )
    return folder


def copy(template: Path, target: Path) -> None:
    shutil.copytree(template, target, copy_function=shutil.copyfile)
    for name in os.listdir(target):
        key = target / name / "home" / "identity.key"
        if key.exists():
            key.chmod(0o600)


def _url(folder: Path, name: str) -> str:
    return f"sqlite:///{folder / name / 'app.db'}"


def create(path: Path, *, tables: bool) -> None:
    raw = sqlite3.connect(path)
    if tables:
        raw.executescript(TABLES)
        raw.executescript(TRIGGER)
    raw.close()
