"""`status` says at both ends whether a backup station could become the host, as of when, and who would accept it."""

from __future__ import annotations

from typing import Any

from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace
from tests.integration.test_several_backup_stations import new_backup


def said(place: Place, *arguments: str) -> str:
    return " ".join(place.done(*(arguments or ("status",))).out.split())


def of_link(office: Place) -> Any:
    return next(link["backup"] for link in office.done("status", "--json").json["links"] if link["name"] == "archiv")


def of_node(place: Place) -> Any:
    return place.done("status", "--json").json["backup"]


def test_from_the_invitation_to_the_last_change(new_place: NewPlace) -> None:
    office, archive, koeln = (new_place("sqlite", name) for name in ("office", "archiv", "koeln"))
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    office.done("host-init", *office.options, "--address", "office@example.com")
    office.done("table", "add", "customers")
    enrol(office, koeln)
    exchange(office, koeln)
    new_backup(office, archive)
    office.run()
    found = of_link(office)
    assert (found["complete"], found["up_to_date"], found["not_accepting"]) == (False, False, ["koeln"])
    assert "archiv could not become the host yet" in said(office)
    assert "archiv could not become the host yet" in said(office, "station", "show", "archiv")
    assert "joined, backup" not in said(office, "station", "list")
    assert of_node(archive) is None
    assert "once it has been told what a host needs to know" in archive.refused(
        "host-init", "--from-backup", archive.home
    )

    exchange(archive, office, rounds=2)
    found = of_node(archive)
    assert (found["complete"], found["not_accepting"]) == (True, ["koeln"])
    assert "Not known to accept it: koeln" in said(archive)
    assert "Not known to accept archiv as the host: koeln" in said(office)
    assert "joined, backup" in said(office, "station", "list")

    exchange(koeln, office, archive)
    exchange(office, archive, rounds=1)
    assert of_link(office) == {"complete": True, "up_to_date": True, "lacks_since": None, "not_accepting": []}
    assert "archiv could become the host, and has confirmed everything" in said(office)
    found, host = of_node(archive), office.done("status", "--json").json
    assert (found["complete"], found["position"], found["not_accepting"]) == (True, host["position"], [])
    assert found["heard_at"] <= found["applied_at"]
    assert "This backup station could become the host, as of 1." in said(archive)

    office.sql("INSERT INTO customers VALUES (1, 'Ahlers')")
    assert "has not confirmed what the next run has to pack" in said(office)
    office.run()
    assert "has not confirmed what was written since 20" in said(office)
    found = of_link(office)
    assert (found["complete"], found["up_to_date"], found["lacks_since"][:2]) == (True, False, "20")
    assert koeln.done("status", "--json").json["backup"] is None
    office.done("station", "reload", "archiv")
    office.run()
    assert "archiv could not become the host yet" in said(office), "it is told everything anew"
    exchange(archive, office, rounds=2)
    assert of_link(office)["up_to_date"] is True
    office.done("station", "disable", "archiv")
    assert of_link(office)["not_accepting"] == ["koeln"]


def test_a_backup_station_that_is_told_anew(new_place: NewPlace) -> None:
    """Its stream began anew, and the host's state has not come behind it."""
    office, archive = (new_place("sqlite", name) for name in ("office", "archiv"))
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    office.done("host-init", *office.options, "--address", "office@example.com")
    office.done("table", "add", "customers")
    new_backup(office, archive)
    exchange(office, archive)
    archive.sql("DELETE FROM replicator_host_state WHERE kind = 'complete'")
    assert "This backup station could not become the host yet" in said(archive)
    told = archive.refused("host-init", "--from-backup", archive.home, "--yes")
    assert "run 'replicator remote-run' once more" in told
