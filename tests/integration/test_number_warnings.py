"""`status` says it beforehand where numbers run out, at the station and at the host, and which block would do."""

from __future__ import annotations

import time

from replicator.operations.opening import open_view
from replicator.operations.status import status_of
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, enrol
from tests.integration.conftest import NewPlace

INVOICES = "CREATE TABLE invoices (id INTEGER PRIMARY KEY, number INTEGER)"
HOUR = 3600


class Days:
    """A host and a station that meet twice a day."""

    def __init__(self, new_place: NewPlace, block: int) -> None:
        self.office, self.koeln = new_place("sqlite", "office"), new_place("sqlite", "koeln")
        self.office.sql(INVOICES)
        self.office.done("host-init", *self.office.options, "--address", "office@example.com", "--name", "Zentrale")
        self.office.done("table", "add", "invoices")
        enrol(self.office, self.koeln)
        self.office.done("numbers", "set", "koeln", "invoices", "--column", "number", "--block", str(block))
        self.hour = 0
        for _ in range(3):
            self.meet()

    def meet(self) -> None:
        for step, place in enumerate((self.koeln, self.office, self.koeln)):
            place.run(later=self.hour * HOUR + 60 * step)

    def draw(self, count: int) -> None:
        rows = ", ".join(["(NULL)"] * count)
        self.koeln.sql(f"INSERT INTO invoices (number) VALUES {rows}")

    def work(self, days: int, count: int) -> None:
        """So many numbers a day, in two halves."""
        for _ in range(2 * days):
            self.draw(count // 2)
            self.hour += 12
            self.meet()

    def warnings(self, place: Place, *, later: int = 0) -> list[str]:
        now = time.time_ns() // 1000 + (self.hour + later) * HOUR * 1_000_000
        runtime = Runtime(now=lambda: now)
        with open_view(Home(place.home, Files(runtime)), runtime) as view:
            return [need.message for need in status_of(view).needs if need.kind == "numbers"]


def test_a_block_that_is_too_small_is_told_with_the_one_that_would_do(new_place: NewPlace) -> None:
    days = Days(new_place, block=25)
    days.work(days=1, count=30)
    assert days.warnings(days.koeln) == days.warnings(days.office) == [], "hardly any past"
    days.work(days=3, count=30)
    [part] = days.koeln.done("numbers", "list", "--json").json
    days.draw(part["left"] - 5)
    (here,) = days.warnings(days.koeln, later=6)
    assert here.startswith("invoices.number: the ")
    assert "numbers set koeln invoices --column number --block 4" in here
    assert days.warnings(days.office, later=6) == [], "it does not know that more than usual were drawn"
    (there,) = days.warnings(days.office, later=30)
    assert there.startswith("invoices.number at koeln: about ")
    assert "let koeln run the replicator" in there


def test_a_block_that_is_large_enough_is_not_told_of(new_place: NewPlace) -> None:
    days = Days(new_place, block=50)
    for _ in range(10):
        days.work(days=1, count=30)
        for later in (0, 6, 11):
            assert days.warnings(days.koeln, later=later) == []
            assert days.warnings(days.office, later=later) == []
