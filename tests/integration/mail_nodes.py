"""Nodes that mail by the test servers, set up as a person does it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from command_line import SCHEMA
from processes import Computer

from tests.servers.farm import MailFarm

Way = tuple[str, str]
"""How a node fetches and sends: two of the farm's ports."""


def mail_options(farm: MailFarm, folder: Path, user: str, way: Way) -> list[str]:
    password = folder / f"{user}.password"
    password.touch(mode=0o600)
    password.write_text(farm.password(user), encoding="utf-8")
    return [
        *("--mailbox", farm.url(way[0], user), "--send", farm.url(way[1], user)),
        *("--ca", str(farm.authority), "--password-file", str(password)),
    ]


def new_host(farm: MailFarm, folder: Path, way: Way) -> Computer:
    office = Computer(folder, "office")
    office.script(SCHEMA)
    office.here(
        *("host-init", "--database", f"sqlite:///{office.database_file}", "--address", farm.address("server")),
        *mail_options(farm, folder, "server", way),
    )
    office.here("table", "add", "orders", "customers")
    return office


def new_station(farm: MailFarm, office: Computer, user: str, way: Way) -> Computer:
    station = Computer(office.folder, user)
    invitation = office.folder / f"{user}.invitation"
    office.here("station", "add", user, "--address", farm.address(user), "--out", invitation)
    office.here("rule", "set", user, "all", "--to-remote", "all", "--to-host", "all")
    station.here(
        *("remote-init", invitation, "--database", f"sqlite:///{station.database_file}"),
        *mail_options(farm, office.folder, user, way),
    )
    return station


def settled(farm: MailFarm, *computers: Computer, rounds: int = 3) -> None:
    for _ in range(rounds):
        for computer in computers:
            computer.here(computer.run_command)
            farm.settle()


def add_customers(computer: Computer, first: int, count: int = 20) -> None:
    with closing(sqlite3.connect(computer.database_file)) as connection, connection:
        connection.executemany(
            "INSERT INTO customers (id, name) VALUES (?, ?)",
            [(number, f"customer {number} of {computer.name}") for number in range(first, first + count)],
        )


def customers_of(computer: Computer) -> set[int]:
    """The numbers that `add_customers` gave."""
    return {row[0] for row in computer.rows("customers") if row[0] >= 100}
