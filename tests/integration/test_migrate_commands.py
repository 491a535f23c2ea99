"""Revisions of a node: tables are replicated step by step, as files that a person reads and edits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import Place, enrol, exchange

NewPlace = Callable[[str, str], Any]

SCHEMA = (
    "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL)",
    "CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customers (id), note text)",
    "INSERT INTO customers VALUES (1, 'Ahlers'), (2, 'Brandt')",
    "INSERT INTO orders VALUES (1, 1, 'first')",
)


def office_on(new_place: NewPlace, kind: str) -> Any:
    office = new_place(kind, "office")
    for statement in SCHEMA:
        office.sql(statement)
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    return office


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def office(request: pytest.FixtureRequest, new_place: NewPlace) -> Any:
    return office_on(new_place, request.param)


@pytest.fixture
def alone(new_place: NewPlace) -> Any:
    """On SQLite only."""
    return office_on(new_place, "sqlite")


def files(place: Place) -> list[Path]:
    return sorted((place.home / "revisions").glob("*.py"))


def states(place: Place) -> list[tuple[str, bool]]:
    return [(each["number"], each["applied"]) for each in place.done("migrate", "status", "--json").json["revisions"]]


def findings(place: Place) -> dict[str, list[str]]:
    result = place.call("migrate", "check", "--json")
    assert result.code == (3 if result.json else 0)
    found: dict[str, list[str]] = {}
    for each in result.json:
        found.setdefault(each["kind"], []).append(each["subject"])
    return found


def test_a_table_is_replicated_by_a_revision(office: Any, new_place: NewPlace) -> None:
    koeln = new_place("sqlite", "koeln")
    office.done("table", "add", "customers")
    enrol(office, koeln)
    exchange(office, koeln)
    assert findings(office) == {"table": ["orders"]}
    office.done("migrate", "new-table", "orders", "--area", "Sales", "--station", "koeln", "--to-host", "new,deleted")
    (path,) = files(office)
    assert path.name == "0001_orders.py"
    text = path.read_text(encoding="utf-8")
    assert "refers to customers by customer" in text
    assert 'rules={"koeln": ("all", "new,deleted")}' in text
    assert states(office) == [("0001", False)]
    assert findings(office) == {"revision": ["0001"], "table": ["orders"]}
    assert [each["name"] for each in office.done("table", "list", "--json").json] == ["customers"]
    told = office.done("migrate", "upgrade").out
    assert "Carried out: revision 0001, Replicate orders." in told
    assert states(office) == [("0001", True)]
    assert findings(office) == {}
    assert "Nothing to do" in office.done("migrate", "upgrade").out
    exchange(office, koeln)
    assert koeln.sql("SELECT id, note FROM orders") == [(1, "first")]
    office.sql("UPDATE orders SET note = 'changed' WHERE id = 1")
    koeln.sql("INSERT INTO orders VALUES (7, 2, 'of Köln')")
    exchange(office, koeln)
    expected = [(1, "changed"), (7, "of Köln")]
    assert office.sql("SELECT id, note FROM orders ORDER BY id") == expected
    assert koeln.sql("SELECT id, note FROM orders ORDER BY id") == expected
    assert "host" in koeln.refused("migrate", "new-table", "orders")
    assert koeln.done("migrate", "status", "--json").json == {"revisions": [], "requests": []}
    assert "Nothing to do" in koeln.done("migrate", "upgrade").out
    assert findings(koeln) == {}


def test_a_revision_that_fails_leaves_nothing_and_may_be_tried_again(office: Any) -> None:
    office.done("migrate", "new-table", "customers", "orders")
    (path,) = files(office)
    assert path.name == "0001_customers_orders.py"
    text = path.read_text(encoding="utf-8")
    assert text.index('op.replicate_table("customers"') < text.index('op.replicate_table("orders"')
    path.write_text(text + '    op.replicate_table("orders", rules={"Kiel": "all"})\n', encoding="utf-8")
    assert "no station named Kiel" in office.refused("migrate", "upgrade")
    assert states(office) == [("0001", False)]
    listed = office.done("table", "list", "--json").json
    if type(office).__name__ != "MariadbPlace":
        assert listed == [], "one transaction: all of it or nothing"
    path.write_text(text, encoding="utf-8")
    office.done("migrate", "upgrade")
    assert states(office) == [("0001", True)]
    office.done("table", "check")
    office.done("host-run")
    assert findings(office) == {}


def test_revisions_are_carried_out_in_their_order(alone: Place) -> None:
    alone.done("migrate", "new-table", "customers")
    alone.done("table", "add", "customers")  # by somebody who was impatient
    alone.done("migrate", "new-table", "orders", "--policy", "merge")
    _, second = files(alone)
    assert 'down_revision = "0001"' in second.read_text(encoding="utf-8")
    assert "no revision 0007" in alone.refused("migrate", "upgrade", "0007")
    alone.done("migrate", "upgrade", "0001")
    assert states(alone) == [("0001", True), ("0002", False)]
    alone.done("migrate", "upgrade")
    policies = {each["name"]: each["policy"] for each in alone.done("table", "list", "--json").json}
    assert policies == {"customers": "host", "orders": "merge"}
    second.rename(alone.folder / "away.py")
    assert "its file is gone" in alone.refused("migrate", "upgrade")


def test_what_can_not_be_written_or_run(alone: Place) -> None:
    assert "no table 'nothing'" in alone.refused("migrate", "new-table", "nothing")
    assert "refers to customers" in alone.refused("migrate", "new-table", "orders")
    assert "no station named Kiel" in alone.refused("migrate", "new-table", "customers", "--station", "Kiel")
    assert files(alone) == []
    assert "no revision 0001" in alone.refused("migrate", "upgrade", "0001")
    alone.done("migrate", "new-table", "customers")
    (path,) = files(alone)
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "    nonsense\n", encoding="utf-8")
    assert "NameError" in alone.refused("migrate", "upgrade")
    path.write_text(text.replace('"customers"', '"customers", policy="best"', 1), encoding="utf-8")
    path.write_text(text + "  nonsense\n", encoding="utf-8")
    assert "can't be" in alone.refused("migrate", "status")
    path.write_text(text, encoding="utf-8")
    alone.sql("ALTER TABLE customers ADD COLUMN secret TEXT")
    told = alone.refused("migrate", "upgrade")
    assert "secret is new" in told
    assert alone.done("table", "list", "--json").json == []


def test_excluded_tables_are_not_asked_about(alone: Place) -> None:
    for name in ("sessions", "tmp_1", "alembic_version"):
        alone.sql(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)")
    alone.done("table", "add", "customers", "orders")
    assert findings(alone) == {"table": ["sessions", "tmp_1"]}
    file = alone.home / "replicator.toml"
    text = file.read_text(encoding="utf-8")
    assert "# excluded = []" in text
    file.write_text(text.replace("# excluded = []", 'excluded = ["sessions", "tmp_*"]'), encoding="utf-8")
    assert findings(alone) == {}
    alone.sql("DROP TRIGGER replicator_capture_insert_orders")
    assert findings(alone) == {"capture": ["orders"]}


def ask(place: Place, **step: Any) -> None:
    place.sql("INSERT INTO replicator_request (body) VALUES (?)", json.dumps(step))


def test_what_a_migration_asked_for_is_done_by_the_next_run(alone: Place) -> None:
    ask(alone, do="replicate", tables=["customers"], area=None, policy=None, rules={}, columns=[], replace_cascades=0)
    ask(alone, do="replicate", tables=["lorries"], area=None, policy=None, rules={}, columns=[], replace_cascades=0)
    ask(alone, do="refresh", tables=["lorries"], renamed=None)
    ask(alone, do="sing")
    status = alone.done("migrate", "status", "--json").json
    assert [each["text"] for each in status["requests"]][:2] == ["replicate customers", "replicate lorries"]
    result = alone.call("host-run")
    assert result.code == 3
    assert "a migration asked to replicate customers: done" in result.out
    waiting = alone.done("migrate", "status", "--json").json["requests"]
    assert [(each["id"], each["error"] is None) for each in waiting] == [(2, False), (3, True), (4, False)]
    assert "no table 'lorries'" in waiting[0]["error"]
    needs = alone.call("status", "--json").json["needs"]
    assert len(needs) == 2
    assert "migrate upgrade --forget 2" in needs[1]["message"]
    assert findings(alone) == {"request": ["2", "3", "4"], "table": ["orders"]}
    alone.sql("CREATE TABLE lorries (id INTEGER PRIMARY KEY)")
    alone.done("migrate", "upgrade", "--forget", "4")
    assert alone.done("migrate", "status", "--json").json["requests"] == []
    assert alone.done("status", "--json").json["needs"] == []
    assert "no migration's request 9" in alone.refused("migrate", "upgrade", "--forget", "9")


def test_a_table_that_is_given_up_takes_what_was_asked_of_it_along(alone: Place) -> None:
    ask(alone, do="replicate", tables=["lorries"], area=None, policy=None, rules={}, columns=[], replace_cascades=0)
    alone.call("host-run")
    ask(alone, do="stop", tables=["lorries"])
    alone.done("host-run")
    assert alone.done("migrate", "status", "--json").json["requests"] == []
    assert alone.done("status", "--json").json["needs"] == []
