"""Eight processes draw from one range at once and roll back as they like: no number twice, none missing."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
from typing import Any

import pytest
from each_database import Place
from number_places import Numbered, numbered

from replicator.protocol.numbers import Empty, NumberRange, Way

PROCESSES, TRANSACTIONS = 8, 25


def connect(kind: str, where: dict[str, Any]) -> Any:
    if kind == "sqlite":
        return sqlite3.connect(where["path"], isolation_level=None, timeout=600)
    if kind == "postgresql":
        import psycopg

        return psycopg.connect(**where, autocommit=True)
    import pymysql

    return pymysql.connect(**where, autocommit=True)


def where(place: Any) -> dict[str, Any]:
    if place.database.name == "sqlite":
        return {"path": str(place.path)}
    name = "dbname" if place.database.name == "postgresql" else "database"
    return {
        "host": "127.0.0.1",
        "port": place.server.port,
        "user": "application",
        "password": "application",
        name: place.name,
    }


def application(kind: str, place: dict[str, Any], number: int) -> None:
    """Transactions of one to three invoices; a third of them is rolled back."""
    dice, connection = random.Random(number), connect(kind, place)
    cursor = connection.cursor()
    for transaction in range(TRANSACTIONS):
        cursor.execute("BEGIN IMMEDIATE" if kind == "sqlite" else "BEGIN")
        for line in range(dice.randint(1, 3)):
            cursor.execute(f"INSERT INTO invoices (id) VALUES ({number * 10_000 + transaction * 10 + line})")
        cursor.execute("ROLLBACK" if dice.random() < 1 / 3 else "COMMIT")
    connection.close()


@pytest.fixture
def filled(each_place: Place) -> Numbered:
    return numbered(
        each_place,
        "CREATE TABLE invoices (id integer PRIMARY KEY, number integer UNIQUE, note varchar(20))",
        NumberRange(1, 1, "number", Way.FILLED, Empty.NULL, 1),
    )


def test_no_number_twice_and_none_missing(filled: Numbered) -> None:
    filled.give(*((lowest, lowest + 6) for lowest in range(1, 1000, 7)))
    kind, place = filled.place.database.name, where(filled.place)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=application, args=(kind, place, number)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    drawn = sorted(number for (number,) in filled.all("number"))
    assert drawn == list(range(1, len(drawn) + 1))
    assert len(drawn) > PROCESSES * TRANSACTIONS
