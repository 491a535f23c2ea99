"""What must hold when all is at rest: all equal, nothing lost, everything applied once, nothing left over."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.servers.farm import USERS, MailFarm
from tests.servers.mailboxes import JUNK
from tests.servers.trial.applications import FIRST, Application, digest
from tests.servers.trial.places import Place
from tests.servers.trial.rounds import Trial, content


@dataclass
class Mails:
    """What Postfix took, by its log: repeated mails count each time."""

    count: int
    bytes: int
    largest: int


def prove(trial: Trial) -> None:
    """Raises AssertionError with what does not hold."""
    host, *stations = trial.places
    wanted = content(host)
    for station in stations:
        found = content(station)
        assert found.keys() == wanted.keys()
        for table, rows in wanted.items():
            assert found[table] == rows, f"{station.user} differs from the host in {table}"
    for application in trial.applications:
        _nothing_lost(host, application)
    for place in trial.places:
        _applied_once(place)
        _nothing_left(place)
    for user in USERS:
        for folder in ("", JUNK):
            assert trial.farm.mailboxes.contents(user, folder) == [], f"mail is left in the mailbox of {user}"
    assert trial.farm.queued() == 0


def _nothing_lost(host: Place, application: Application) -> None:
    """The rows of the application's own are as it left them."""
    first, user = application.number * FIRST, application.place.user
    between = (first, first + FIRST - 1)
    customers = {
        row: (name, changes)
        for row, name, changes in host.rows("SELECT * FROM customers WHERE id BETWEEN ? AND ?", *between)
    }
    assert customers == application.known.customers, f"customers of {user}"
    scans = host.rows("SELECT id, scan FROM documents WHERE id BETWEEN ? AND ?", *between)
    assert {row: digest(scan) for row, scan in scans} == application.known.documents, f"documents of {user}"


def _applied_once(place: Place) -> None:
    doubled = place.rows(
        "SELECT table_id, row_key, epoch, n, count(*) FROM audit_rows GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"
    )
    assert doubled == [], f"{place.user} gave a row one state twice: {doubled[:3]}"
    for peer, epoch in place.rows("SELECT DISTINCT peer, epoch FROM audit_batches"):
        steps = place.rows(
            "SELECT before, n FROM audit_batches WHERE peer = ? AND epoch = ? ORDER BY rowid", peer, epoch
        )
        # The first comes with its epoch, and so from whatever the epoch before had come to.
        numbers = [n for _, n in steps]
        assert numbers == list(range(1, len(numbers) + 1)), f"{place.user} applied the batches {numbers} of {peer}"
    judged = place.rows(
        "SELECT origin, origin_epoch, origin_n, count(*) FROM replicator_journal"
        " WHERE origin > 0 GROUP BY 1, 2, 3 HAVING count(*) > 1"
    )
    assert judged == [], f"{place.user} journalled a group twice: {judged[:3]}"


_WAITS = 3
"""Exit code of `status` when something waits for a person."""


def _nothing_left(place: Place) -> None:
    status: dict[str, Any] = json.loads(place.here("status", "--json", good=(0, _WAITS)))
    # That mail was not taken stands until mail passes again, and by now nothing is left to say.
    needs = place.rows(
        "SELECT kind, message FROM replicator_notice WHERE waiting <> 0"
        " AND kind NOT IN ('bounce', 'bounce-full', 'refused-full', 'refused-recipient')"
    )
    assert needs == [], f"{place.user}: {needs}"
    assert not status["changes_captured"]
    assert not status["groups_uncut"]
    for link in status["links"]:
        assert link["waiting_mails"] == link["parked_batches"] == link["unacknowledged_bytes"] == 0, link
        assert link["made"] == link["acknowledged"], link
    left = [path for path in (place.home / "spool").rglob("*") if path.is_file()]
    assert left == [], f"{place.user} has {len(left)} files left in its spool: {left[:3]}"
    aside = [message for (message,) in place.rows("SELECT message FROM replicator_notice WHERE kind = 'set-aside'")]
    assert aside == [], f"{place.user} has set mail aside: {aside}"


_TAKEN = re.compile(r"qmgr\[\d+\]: (?P<id>\w+): from=<[^>]*>, size=(?P<size>\d+),")


def mails(farm: MailFarm) -> Mails:
    log = (farm.folder / "postfix.log").read_text(errors="replace")
    sizes = {found["id"]: int(found["size"]) for found in _TAKEN.finditer(log)}
    return Mails(len(sizes), sum(sizes.values()), max(sizes.values(), default=0))
