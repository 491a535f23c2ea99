"""A simulated week of a company on three databases, through real mail: see tests/week. REPLICATOR_WEEKS=5 for five."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.farm import USERS, MailFarm
from tests.servers.mailboxes import JUNK
from tests.week.company import HOST, SHARED, STATIONS, Branch, found
from tests.week.course import CONFLICTS, RENAMED, Week
from tests.week.tables import AREAS, CUSTOMERS, PRODUCTS
from tests.week.work import Ledger

WEEKS = int(os.environ.get("REPLICATOR_WEEKS", "1"))


@pytest.fixture
def branches(clean_mail_farm: MailFarm, new_place: Callable[[str, str], Any], tmp_path: Path) -> dict[str, Branch]:
    return found(clean_mail_farm, tmp_path, new_place)


@pytest.mark.parametrize("seed", range(WEEKS))
def test_a_week_of_a_mixed_company(branches: dict[str, Branch], clean_mail_farm: MailFarm, seed: int) -> None:
    farm = clean_mail_farm
    week = Week(farm, branches, seed)
    week.begin()
    week.live()
    week.end()
    _all_equal(branches)
    _nothing_lost(branches)
    _conflicts_on_record(branches)
    for branch in branches.values():
        _nothing_left(branch)
    assert farm.queued() == 0
    assert [farm.mailboxes.contents(user, folder) for user in USERS for folder in ("", JUNK)] == [[]] * len(USERS) * 2
    staff = [branch.staff for branch in branches.values()]
    print(f"{sum(each.transactions for each in staff)} transactions, {sum(len(each.ledger) for each in staff)} rows;")
    print(f"{sum(len(branch.runs) for branch in branches.values())} runs")


def _all_equal(branches: dict[str, Branch]) -> None:
    """What a station shares is as the host has it; what rules keep from it is not there."""
    host = branches[HOST].staff
    for name in STATIONS:
        staff = branches[name].staff
        for table in SHARED[name]:
            assert staff.rows(table) == host.rows(table), f"{name} differs from the host in {table}"
    own = {key: row for (table, key), row in branches["koeln"].staff.ledger.items() if table == "visits"}
    assert branches["koeln"].staff.rows("visits") == own
    assert own.items() <= host.rows("visits").items()
    for name, table in (("koeln", "salaries"), ("bonn", "salaries"), ("ulm", "visits")):
        with pytest.raises(Exception, match=table):
            branches[name].staff.rows(table)


def _nothing_lost(branches: dict[str, Branch]) -> None:
    """Each place's own rows are at the host as it left them, and no others but the first ones and those of clashes."""
    written: Ledger = {}
    for branch in branches.values():
        written |= branch.staff.ledger
    host = branches[HOST].staff
    there = {
        (table, key): row for tables in AREAS.values() for table in tables for key, row in host.rows(table).items()
    }
    assert {place: row for place, row in there.items() if place in written} == written
    # Of the order that was deleted and grew, what it grew by is left.
    first = {"customers": CUSTOMERS, "products": PRODUCTS, "orders": 1, "items": 1, "salaries": 1}
    others = [table for table, key in there.keys() - written.keys() if key not in ((901,), (902,))]
    assert {table: others.count(table) for table in first} == first
    assert len(others) == sum(first.values())


def _conflicts_on_record(branches: dict[str, Branch]) -> None:
    office = branches[HOST]
    listed = office.place.done("conflict", "list", "--limit", "1000", "--json").json
    kinds = {(each["table"], tuple(each["key"])): each["kind"] for each in listed}
    customers = office.staff.rows("customers")
    (newcomer,) = (place for place, kind in kinds.items() if kind in ("unique-renamed", "unique-refused"))
    assert kinds.keys() == {*CONFLICTS, newcomer}, kinds
    assert newcomer in {("customers", (901,)), ("customers", (902,))}
    assert [row[1] for row in customers.values()].count(RENAMED) == 1
    assert [customers[number,][3] for number in (1, 2, 3)] == ["office"] * 3
    assert customers[4,][6] == "office"
    assert (1, 9) in office.staff.rows("items")
    assert (1,) in office.staff.rows("orders")


def _nothing_left(branch: Branch) -> None:
    assert not any(run.received.set_aside or run.warnings or run.away or run.applied.waiting for run in branch.runs)
    last = branch.runs[-1]
    assert (last.sent.mails, last.received.mails, last.collected) == (0, 0, 0), "it has come to rest"
    status: dict[str, Any] = json.loads(branch.place.done("status", "--json").out)
    assert not status["changes_captured"]
    assert not status["groups_uncut"]
    for link in status["links"]:
        assert link["waiting_mails"] == link["parked_batches"] == link["unacknowledged_bytes"] == 0, link
        assert link["made"] == link["acknowledged"], link
    for folder in ("spool", "aside"):
        assert [path for path in (branch.place.home / folder).rglob("*") if path.is_file()] == []
