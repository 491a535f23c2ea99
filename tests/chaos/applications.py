"""The firm's application: sessions, each a thread with a connection, that do their day's work.

Accounts are the head office's alone: transfers between them keep their sum. Customers and orders are written by
everybody, the tally of a customer by the head office only; a log is written by everybody and never changed.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

ACCOUNTS = 12
BALANCE = 1000
CUSTOMERS = 15
SESSIONS = 4
DEEDS = 60
"""Transactions of a session."""
OWN_NUMBERS = 1_000_000
"""Of each node: its customers, orders and log lines."""

TABLES = (
    "CREATE TABLE accounts (id integer PRIMARY KEY, balance integer NOT NULL)",
    "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, city varchar(80),"
    " tally integer NOT NULL)",
    "CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customers (id),"
    " amount integer NOT NULL)",
    "CREATE TABLE log_lines (id integer PRIMARY KEY, words varchar(200) NOT NULL)",
)
ROWS = (
    *(f"INSERT INTO accounts VALUES ({number}, {BALANCE})" for number in range(ACCOUNTS)),
    *(f"INSERT INTO customers VALUES ({number}, 'customer {number}', 'Bremen', 0)" for number in range(CUSTOMERS)),
)


class Undone(Exception):
    """The application changes its mind."""


class Application:
    """One node's sessions. `written` are the log lines, `tallied` the tallies, of which a commit was confirmed."""

    def __init__(self, url: str, number: int, seed: str, *, alone: bool) -> None:
        """`alone`: whoever writes keeps all others from writing, so there is one session, which never dawdles."""
        self.number = number
        self._alone = alone
        self.written: set[int] = set()
        self.tallied: Counter[int] = Counter()
        self.committed = self.refused = 0
        self._engine = create_engine(url, poolclass=NullPool)
        self._numbers = iter(range(OWN_NUMBERS * (number + 1), OWN_NUMBERS * (number + 2)))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._work, args=(random.Random(f"{seed} {number} {session}"),), daemon=True)
            for session in range(1 if alone else SESSIONS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def is_at_work(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Let all sessions end, early if need be. Raises what went wrong in one."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._engine.dispose()
        if self._failures:
            raise self._failures[0]

    def _work(self, dice: random.Random) -> None:
        deeds: list[Deed] = [
            _customer,
            _order,
            _edit,
            _delete,
            _line,
            _long,
            *([_transfer, _tally] * (not self.number)),
        ]
        try:
            for _ in range(DEEDS * (SESSIONS if self._alone else 1)):
                self._try(dice.choice(deeds), dice)
                if self._stop.wait(dice.random() * (0.03 if self._alone else 0.1)):
                    break
        except BaseException as error:  # noqa: BLE001 - told by `stop`
            self._failures.append(error)

    def _try(self, deed: Deed, dice: random.Random) -> None:
        """One transaction. The database may refuse it: a deadlock, a key that is taken, a parent that has gone."""
        done: list[Callable[[], None]] = []
        try:
            with self._engine.connect() as connection, connection.begin():
                deed(self, connection, dice, done)
        except (DBAPIError, Undone):
            with self._lock:
                self.refused += 1
            return
        with self._lock:
            self.committed += 1
            for note in done:
                note()

    def pause(self, dice: random.Random) -> None:
        """In the middle of a transaction."""
        if not self._alone:
            self._stop.wait(dice.random() * 0.05)

    def next_number(self) -> int:
        with self._lock:
            return next(self._numbers)


Deed = Callable[[Application, Connection, random.Random, list[Callable[[], None]]], None]
"""What a transaction does; it leaves behind what is to be noted once it is committed."""


def _do(connection: Connection, statement: str, **values: object) -> int:
    return connection.execute(text(statement), values).rowcount


def _transfer(application: Application, connection: Connection, dice: random.Random, done: object) -> None:
    """Its first change is captured early, its last one after others have come and gone."""
    one, other = dice.sample(range(ACCOUNTS), 2)
    _do(connection, "UPDATE accounts SET balance = balance - :n WHERE id = :id", n=dice.randrange(50), id=one)
    application.pause(dice)
    taken = BALANCE * ACCOUNTS - _sum(connection)
    _do(connection, "UPDATE accounts SET balance = balance + :n WHERE id = :id", n=taken, id=other)


def _sum(connection: Connection) -> int:
    return int(connection.execute(text("SELECT sum(balance) FROM accounts")).scalar_one())


def _customer(application: Application, connection: Connection, dice: random.Random, done: object) -> None:
    number = application.next_number()
    values = {"id": number, "name": f"customer {number}", "city": f"city {dice.randrange(9)}"}
    _do(connection, "INSERT INTO customers VALUES (:id, :name, :city, 0)", **values)
    if dice.random() < 0.5:
        order = application.next_number()
        _do(
            connection, "INSERT INTO orders VALUES (:id, :customer, :n)", id=order, customer=number, n=dice.randrange(9)
        )


def _order(application: Application, connection: Connection, dice: random.Random, done: object) -> None:
    order, customer = application.next_number(), dice.randrange(CUSTOMERS)
    _do(connection, "INSERT INTO orders VALUES (:id, :customer, :n)", id=order, customer=customer, n=dice.randrange(9))


def _edit(application: Application, connection: Connection, dice: random.Random, done: object) -> None:
    city = f"city {dice.randrange(10**6)} of {application.number}"
    _do(connection, "UPDATE customers SET city = :city WHERE id = :id", city=city, id=dice.randrange(CUSTOMERS))
    if dice.random() < 0.3:
        # Many rows in one statement.
        _do(connection, "UPDATE orders SET amount = amount + 1 WHERE customer = :id", id=dice.randrange(CUSTOMERS))


def _delete(application: Application, connection: Connection, dice: random.Random, done: object) -> None:
    customer = dice.randrange(CUSTOMERS // 2)
    _do(connection, "DELETE FROM orders WHERE customer = :id AND amount > 3", id=customer)


def _tally(
    application: Application, connection: Connection, dice: random.Random, done: list[Callable[[], None]]
) -> None:
    number = dice.randrange(CUSTOMERS)
    if _do(connection, "UPDATE customers SET tally = tally + 1 WHERE id = :id", id=number):
        done.append(lambda: application.tallied.update([number]))


def _line(
    application: Application, connection: Connection, dice: random.Random, done: list[Callable[[], None]]
) -> None:
    """Savepoints, of which one is rolled back; now and then all is."""
    number = application.next_number()
    savepoint = connection.begin_nested()
    _do(connection, "INSERT INTO log_lines VALUES (:id, 'never seen')", id=application.next_number())
    savepoint.rollback()
    with connection.begin_nested():
        _do(connection, "INSERT INTO log_lines VALUES (:id, :words)", id=number, words=f"Grüße {dice.randrange(10**9)}")
    if dice.random() < 0.2:
        raise Undone
    done.append(lambda: application.written.add(number))


def _long(
    application: Application, connection: Connection, dice: random.Random, done: list[Callable[[], None]]
) -> None:
    numbers = [application.next_number() for _ in range(4)]
    for number in numbers:
        _do(connection, "INSERT INTO log_lines VALUES (:id, 'long')", id=number)
        application.pause(dice)
    done.append(lambda: application.written.update(numbers))
