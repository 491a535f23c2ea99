"""The company's places: a node each, at the test's mail servers, set up as a person does it; and the week's clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from replicator.engine.session import Summary
from replicator.engine.session import run as run_session
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.servers.farm import MailFarm
from tests.week.tables import AREAS, ROWS, TABLES
from tests.week.work import Staff

HOST, STATIONS = "office", ("koeln", "bonn", "ulm")
DATABASES = {"office": "postgresql", "koeln": "sqlite", "bonn": "mariadb", "ulm": "postgresql"}
ACCOUNTS = {
    "office": ("server", "imaps", "smtps"),
    "koeln": ("remote1", "pop3s", "smtp"),
    "bonn": ("remote2", "imap", "smtps"),
    "ulm": ("remote3", "imaps", "smtp"),
}
"""The farm's user, and how each fetches and sends: two of the farm's ports."""
RULES = {
    "koeln": {"Sales": ("all", "all"), "Range": ("all", "none"), "Field": ("none", "new"), "Staff": ("none", "none")},
    "bonn": {"Sales": ("all", "all"), "Range": ("all", "none"), "Field": ("all", "all"), "Staff": ("none", "none")},
    "ulm": {"Sales": ("all", "all"), "Range": ("all", "all"), "Field": ("none", "none"), "Staff": ("all", "none")},
}
"""By area: what goes to the station, and what to the host."""
SHARED = {
    name: [table for area, (down, _) in rules.items() if down == "all" for table in AREAS[area]]
    for name, rules in RULES.items()
}
"""Tables that a station has as the host has them."""


class Clock:
    """The week's: microseconds since 1970 UTC, a little more each time somebody looks."""

    def __init__(self) -> None:
        # The monday after now, as all that is set up is older than the week.
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.monday = today + timedelta(days=7 - today.weekday())
        self._now = 0

    def set(self, moment: datetime) -> None:
        self._now = int(moment.timestamp() * 1_000_000)

    def __call__(self) -> int:
        self._now += 1
        return self._now


@dataclass
class Branch:
    """A place of the company: its computer (`command_line.Place`) and its people."""

    place: Any
    user: str
    staff: Staff
    runs: list[Summary] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.staff.name

    def mail(self, farm: MailFarm, clock: Clock) -> Summary:
        """A run; what it sends has arrived when this returns."""
        runtime = Runtime(now=clock)
        with open_node(Home(self.place.home, Files(runtime)), runtime) as node:
            summary = run_session(node)
        if summary.sent.mails:
            farm.settle()
        self.runs.append(summary)
        return summary


def found(farm: MailFarm, folder: Path, new_place: Callable[[str, str], Any]) -> dict[str, Branch]:
    """The host and its stations, by name; nothing has been mailed. `new_place(database, name)` makes a computer."""
    made = {name: new_place(kind, name) for name, kind in DATABASES.items()}
    office = made[HOST]
    for statement in (*TABLES, *ROWS):
        office.sql(statement)
    database = office.options[:2]
    office.done("host-init", *database, "--address", farm.address("server"), *_account(farm, folder, HOST))
    for area, tables in AREAS.items():
        office.done("table", "add", *tables, "--area", area)
    for name in STATIONS:
        invitation = folder / f"{name}.invitation"
        office.done("station", "add", name, "--address", farm.address(ACCOUNTS[name][0]), "--out", invitation)
        for area, (down, up) in RULES[name].items():
            office.done("rule", "set", name, area, "--to-remote", down, "--to-host", up)
        made[name].done("remote-init", invitation, *made[name].options[:2], *_account(farm, folder, name))
    return {
        name: Branch(place, ACCOUNTS[name][0], Staff(place.application_url, name, number))
        for number, (name, place) in enumerate(made.items())
    }


def _account(farm: MailFarm, folder: Path, name: str) -> list[str]:
    user, fetches, sends = ACCOUNTS[name]
    password = folder / f"{user}.password"
    password.touch(mode=0o600)
    password.write_text(farm.password(user), encoding="utf-8")
    return [
        *("--mailbox", farm.url(fetches, user), "--send", farm.url(sends, user)),
        *("--ca", str(farm.authority), "--password-file", str(password)),
    ]
