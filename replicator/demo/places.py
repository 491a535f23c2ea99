"""The three places of the demonstration: real nodes, as the commands make them, with a clock that the story sets."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random

from replicator.demo import company
from replicator.demo.application import Application
from replicator.engine.session import Summary
from replicator.operations import node_setup, numbers_admin, rules_admin, stations, table_admin
from replicator.operations.numbers_admin import Wish
from replicator.operations.opening import open_node
from replicator.operations.running import Runs
from replicator.protocol.numbers import Empty, Form
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.transport.folder_files import directory_name
from replicator.types import Kinds, Role

HEAD_OFFICE, KOELN, LAPTOP = "Hamburg", "Köln", "laptop"

AREAS = {"Customers": ("customers",), "Articles": ("articles",), "Sales": ("offers", "orders", "invoices", "items")}

RULES: dict[str, tuple[tuple[str, Kinds, Kinds], ...]] = {
    KOELN: (("all", Kinds.ALL, Kinds.ALL),),
    LAPTOP: (
        ("all", Kinds.ALL, Kinds.ALL),
        ("articles", Kinds.ALL, Kinds.NEW),
        ("invoices", Kinds.NONE, Kinds.NONE),
    ),
}
"""Set in this order: (table, area or all; to remote; to host)."""

NOT_AT = {LAPTOP: ("invoices",)}
"""Tables that a place gets nothing of."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a table's numbers are drawn."""

    form: Form
    block: int


NUMBERED = {
    "customers": Numbering(Form.parse("C-{n:06}"), 10),
    "invoices": Numbering(Form.parse("I-{n:06}"), 20),
}
"""Tables whose numbers the database fills in, at all places that have the table."""


class Clock:
    """The story's clock: it stands where it is set, but for a millisecond at each look. Microseconds since 1970 UTC."""

    def __init__(self, day: date) -> None:
        self.day = day
        self._now = 0
        self.set(time(6, 30))

    def set(self, moment: time, *, next_day: bool = False) -> None:
        day = self.day + timedelta(days=int(next_day))
        # A zone's own time, as a person there reads it in `status`.
        self._now = int(datetime.combine(day, moment).astimezone().timestamp() * 1_000_000)

    def now(self) -> int:
        self._now += 1_000
        return self._now

    def __str__(self) -> str:
        return f"{datetime.fromtimestamp(self._now / 1_000_000):%H:%M}"


@dataclass(frozen=True)
class Place:
    """A node with its database and the application on it. Everything of it lies in `folder` under its file name."""

    folder: Path
    name: str
    number: int
    letter: str
    random: Random
    runtime: Runtime
    day: date

    @property
    def file_name(self) -> str:
        return {HEAD_OFFICE: "hamburg", KOELN: "koeln", LAPTOP: "laptop"}[self.name]

    @property
    def home(self) -> Home:
        return Home(self.folder / self.file_name, Files(self.runtime))

    @property
    def database(self) -> Path:
        return self.folder / f"{self.file_name}.db"

    @property
    def address(self) -> str:
        return f"{self.file_name}@example.com"

    def application(self) -> Application:
        return Application(self.database, self.number, self.letter, self.day, self.random)

    def run(self) -> Summary:
        """One `host-run` or `remote-run`."""
        role = Role.HOST if self.name == HEAD_OFFICE else Role.STATION
        return Runs(self.home, self.runtime, role).once().summary

    def mails(self) -> list[Path]:
        """What lies in this place's mailbox, oldest first."""
        return sorted((self.folder / "mail" / directory_name(self.address) / "new").iterdir())


@dataclass(frozen=True)
class Company:
    """All places, the head office first."""

    folder: Path
    clock: Clock
    places: tuple[Place, ...]

    @classmethod
    def at(cls, folder: Path, runtime: Runtime, seed: int) -> Company:
        """In an empty folder. The day of the story is the day before yesterday, so that no clock runs ahead."""
        clock = Clock(datetime.fromtimestamp(runtime.now() / 1_000_000).date() - timedelta(days=2))
        told = Runtime(clock.now, runtime.random, runtime.reached)
        places = tuple(
            Place(folder, name, number, letter, Random(f"{seed} {name}"), told, clock.day)
            for number, (name, letter) in enumerate(((HEAD_OFFICE, "H"), (KOELN, "K"), (LAPTOP, "L")))
        )
        return cls(folder, clock, places)

    @property
    def head_office(self) -> Place:
        return self.places[0]

    def set_up(self, seed: int) -> None:
        """The application's database, the host, its stations with their rules, and both stations' computers."""
        (self.folder / "mail").mkdir()
        host = self.head_office
        connection = sqlite3.connect(host.database)
        company.fill(connection, Random(seed), self.clock.day, company.Sizes())
        connection.close()
        mailbox = f"folder:{self.folder / 'mail'}"
        node_setup.host_init(
            host.home,
            host.runtime,
            database=f"sqlite:///{host.database}",
            address=host.address,
            mailbox=mailbox,
            name=host.name,
        )
        with open_node(host.home, host.runtime) as node:
            for area, tables in AREAS.items():
                table_admin.add_tables(node, tables, area=area)
            for place in self.places[1:]:
                invitation = self.folder / f"{place.file_name}.invitation"
                stations.add_station(node, place.name, place.address, out=invitation)
                for what, to_remote, to_host in RULES[place.name]:
                    rules_admin.set_rule(node, place.name, what, to_remote=to_remote, to_host=to_host)
            for place in self.places:
                for table, numbering in NUMBERED.items():
                    if table not in NOT_AT.get(place.name, ()):
                        wish = Wish(numbering.block, fill=Empty.TEXT, form=numbering.form)
                        numbers_admin.set_numbers(node, place.name, table, "number", wish)
        for place in self.places[1:]:
            node_setup.remote_init(
                place.home,
                place.runtime,
                self.folder / f"{place.file_name}.invitation",
                passphrase=None,
                database=f"sqlite:///{place.database}",
                mailbox=mailbox,
            )


def lose(mail: Path) -> None:
    """A mail that never arrives."""
    mail.unlink()


def double(mail: Path) -> None:
    """A mail that some server delivers twice."""
    shutil.copy(mail, mail.with_name(f"{mail.stem}-again.eml"))
