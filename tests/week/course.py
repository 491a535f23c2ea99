"""The course of the week: who works and mails when, and where two places change the same without knowing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from tests.servers.farm import MailFarm
from tests.week.company import Branch, Clock
from tests.week.tables import Row

WORKING_DAYS = 5
MAILED = {"office": (8, 10, 12, 15, 18), "koeln": (9, 17), "bonn": (8, 13, 16), "ulm": (11, 14, 18)}
"""About at these hours, on working days."""
AWAY, AWAY_DAYS = "koeln", (2, 3)
"""On Wednesday and Thursday this place has no mail, and works on."""
WEEKEND = (("office", 5, 10), ("bonn", 5, 11), ("office", 6, 9), ("ulm", 6, 20))
"""Name, day, hour of the few runs on Saturday and Sunday."""

Step = tuple[datetime, str, Callable[[], object]]
"""When, what for people, and what is done then."""
RENAMED = "K-4711"
"""A number that two places give at once."""
CONFLICTS: set[tuple[str, Row]] = {*(("customers", (number,)) for number in (1, 2, 3, 4)), ("orders", (1,))}
"""Rows that two places change on purpose; one more is a customer whose number was taken."""


class Week:
    def __init__(self, farm: MailFarm, branches: dict[str, Branch], seed: int) -> None:
        self.farm, self.branches, self.clock = farm, branches, Clock()
        self._dice = random.Random(seed)
        for branch in branches.values():
            branch.staff.sit_down(random.Random(self._dice.random()))

    def begin(self) -> None:
        """The Friday before: everybody gets what there is."""
        for hour in range(3):
            self._mail_all(self.clock.monday - timedelta(hours=12 - hour))

    def live(self) -> None:
        for moment, _, step in sorted(self._steps(), key=lambda each: each[0]):
            self.clock.set(moment)
            step()

    def end(self) -> None:
        """Sunday night: until nobody has anything to say."""
        for hour in range(4):
            self._mail_all(self.clock.monday + timedelta(days=6, hours=21, minutes=30 * hour))

    def _mail_all(self, moment: datetime) -> None:
        for branch in self.branches.values():
            self.clock.set(moment)
            branch.mail(self.farm, self.clock)

    def _steps(self) -> Iterator[Step]:
        for name, branch in self.branches.items():
            for day in range(WORKING_DAYS):
                for hour in range(8, 18):
                    for _ in range(self._dice.randrange(1, 4)):
                        yield self._working(branch, self._at(day, hour))
                if (name, day) not in {(AWAY, each) for each in AWAY_DAYS}:
                    for hour in MAILED[name]:
                        yield self._mailing(branch, self._at(day, hour))
        for name, day, hour in WEEKEND:
            yield self._working(self.branches[name], self._at(day, hour - 1))
            yield self._mailing(self.branches[name], self._at(day, hour))
        yield from self._clashes()

    def _at(self, day: int, hour: int) -> datetime:
        """Some moment of that hour."""
        return self.clock.monday + timedelta(days=day, hours=hour, seconds=self._dice.randrange(3600))

    def _working(self, branch: Branch, moment: datetime) -> Step:
        return moment, f"{branch.name} works", lambda: branch.staff.work(moment.replace(tzinfo=None))

    def _mailing(self, branch: Branch, moment: datetime) -> Step:
        return moment, f"{branch.name} mails", lambda: branch.mail(self.farm, self.clock)

    def _clashes(self) -> Iterator[Step]:
        """What two places write before they have heard of each other."""

        def writing(name: str, *statements: str) -> Callable[[], None]:
            return lambda: self.branches[name].staff.write(*statements)

        city = "UPDATE customers SET city = '{}' WHERE id IN (1, 2, 3)"
        for name in ("bonn", "office"):
            yield self._at(1, 9), "the same customers", writing(name, city.format(name))
        note = "UPDATE customers SET note = '{}', credit = 1.5 WHERE id = 4"
        yield self._at(2, 9), "while it is away", writing(AWAY, note.format(AWAY))
        yield self._at(3, 9), "while another is away", writing("office", note.format("office"))
        moment = self._at(2, 12)
        yield moment, "an order goes", writing("bonn", "DELETE FROM orders WHERE id = 1")
        yield moment, "and grows", writing("office", "INSERT INTO items VALUES (1, 9, 1, 1, 5)")
        moment = self._at(3, 13)
        for number, name in enumerate(("bonn", "ulm"), start=1):
            new = f"INSERT INTO customers (id, number, name) VALUES ({900 + number}, '{RENAMED}', '{name}')"
            yield moment, "a number twice", writing(name, new)
