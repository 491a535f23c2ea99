"""Transactions that draw their outbox ids early and commit late, and build on what others have committed meanwhile.

One driver with many connections takes one step at a time, by dice: many transactions are open at once, and the course
is the same each time. The driver knows who holds what and leaves that alone, so that nobody waits. Each captured change
draws one id, in the order of the steps: so the driver also knows whose id is whose.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

OPEN = 24
"""Transactions under way at once."""
COUNTERS, PARENTS, CHILDREN = 60, 80, 150
NAMES = [f"name {number}" for number in range(60)]
"""Keys and unique values are few: what one has freed another takes."""

TABLES = (
    "CREATE TABLE deeds (id integer PRIMARY KEY, amount integer NOT NULL)",
    "CREATE TABLE counters (id integer PRIMARY KEY, n integer NOT NULL)",
    "CREATE TABLE parents (id integer PRIMARY KEY, name varchar(40) UNIQUE)",
    "CREATE TABLE children (id integer PRIMARY KEY, parent integer NOT NULL REFERENCES parents (id))",
)
ROWS = tuple(f"INSERT INTO counters VALUES ({number}, 0)" for number in range(COUNTERS))

NEVER_WAIT = {"postgresql": "SET lock_timeout = '200ms'", "mariadb": "SET innodb_lock_wait_timeout = 0"}
"""InnoDB may lock what stands beside a row in an index as well: who would have to wait for that gives up."""

Item = tuple[str, object]
"""A row (table and key), or a unique value ("names" and itself)."""
T = TypeVar("T")


@dataclass
class Session:
    """A transaction and what it is going to do. `changes` are the rows that it has written, by table and key."""

    number: int
    amount: int
    plan: list[Deed]
    pace: float
    connection: Connection
    changes: Counter[tuple[str, int]] = field(default_factory=Counter)
    undo: list[Callable[[], None]] = field(default_factory=list)


class Driver:
    """`committed` has the rows that each transaction wrote, by its number; `drawn` the numbers, in the order of ids."""

    def __init__(self, url: str, seed: int, transactions: int) -> None:
        self.committed: dict[int, Counter[tuple[str, int]]] = {}
        self.drawn: list[int] = []
        self.undone = 0
        self.gave_up: Counter[str] = Counter()
        """At which table transactions met a lock."""
        self.dice = random.Random(seed)
        self.parents: dict[int, str | None] = {}
        self.children: dict[int, int] = {}
        """What stands, also of open transactions: those hold it."""
        self._holder: dict[Item, Session] = {}
        self._open: list[Session] = []
        self._numbers = iter(range(1, transactions + 1))
        self._at = ""
        self._engine = create_engine(url, poolclass=NullPool)

    def work(self) -> None:
        """All of them, from the first to the last."""
        with ExitStack() as stack:
            stack.callback(self._engine.dispose)
            for _ in range(OPEN):
                connection = stack.enter_context(self._engine.connect())
                connection.execute(text(NEVER_WAIT[self._engine.dialect.name]))
                connection.commit()
                self._begin(connection)
            while self._open:
                (session,) = self.dice.choices(self._open, [each.pace for each in self._open])
                if not self._goes_on(session):
                    self._open.remove(session)
                    self._holder = {item: holder for item, holder in self._holder.items() if holder is not session}
                    self._begin(session.connection)

    def _begin(self, connection: Connection) -> None:
        """The first id is drawn here. Some are slow: hundreds of others come and go until they end."""
        number = next(self._numbers, None)
        if number is None:
            return
        plan = [*self.dice.choices(DEEDS, k=self.dice.randrange(5)), _add]
        self.dice.shuffle(plan)
        session = Session(number, self.dice.randrange(1, 100), plan, self.dice.choice((0.02, 0.2, 1, 1)), connection)
        self._open.append(session)
        self.write(session, "INSERT INTO deeds VALUES (:id, :amount)", "deeds", number, amount=session.amount)

    def _goes_on(self, session: Session) -> bool:
        """A step. False: it has ended."""
        try:
            if session.plan:
                self._do(session, session.plan.pop())
                return True
            if self.dice.random() < 0.94:
                session.connection.commit()
                self.committed[session.number] = session.changes
                return False
            self.undone += 1
        except OperationalError:
            self.gave_up[self._at] += 1
        session.connection.rollback()
        _take_back(session)
        return False

    def _do(self, session: Session, deed: Deed) -> None:
        """One in ten is done in a savepoint and taken back: ids that were drawn for nothing."""
        if deed is _add or self.dice.random() < 0.9:
            deed(self, session)
            return
        changes, undo = session.changes.copy(), len(session.undo)
        savepoint = session.connection.begin_nested()
        deed(self, session)
        savepoint.rollback()
        session.changes = changes
        _take_back(session, undo)

    # --- for deeds ----------------------------------------------------------------------------------------------------

    def write(self, session: Session, statement: str, table: str, key: int, **values: object) -> None:
        """A statement that changes just this row."""
        self._at = table
        assert session.connection.execute(text(statement), {"id": key, **values}).rowcount == 1, statement
        self.drawn.append(session.number)
        session.changes[table, key] += 1

    def taken(self, session: Session, what: str, of: Iterable[T]) -> T | None:
        """One of these that nobody else holds, held from now on; None: there is none."""
        free = [each for each in of if self.is_free(session, what, each)]
        if not free:
            return None
        found = self.dice.choice(free)
        self.hold(session, what, found)
        return found

    def is_free(self, session: Session, what: str, which: object) -> bool:
        return self._holder.get((what, which), session) is session

    def hold(self, session: Session, what: str, which: object) -> None:
        if which is not None:
            self._holder[what, which] = session

    def stands(self, session: Session, rows: dict[int, T], key: int, value: T) -> None:
        """The row is so from now on, unless the session takes it back."""
        if key in rows:
            before = rows[key]
            session.undo.append(lambda: rows.update({key: before}))
        else:
            session.undo.append(lambda: rows.__delitem__(key))
        rows[key] = value

    def goes(self, session: Session, rows: dict[int, T], key: int) -> None:
        before = rows.pop(key)
        session.undo.append(lambda: rows.update({key: before}))

    def free_name(self, session: Session) -> str | None:
        """One that no row has; None: there is none."""
        used = set(self.parents.values())
        return self.taken(session, "names", [name for name in NAMES if name not in used])


def _take_back(session: Session, down_to: int = 0) -> None:
    while len(session.undo) > down_to:
        session.undo.pop()()


Deed = Callable[[Driver, Session], None]
"""What a transaction does at a step, with what is free just then; nothing where nothing is."""


def _add(driver: Driver, session: Session) -> None:
    """What the transaction is for: all amounts together are what all counters say."""
    counter = driver.taken(session, "counters", range(COUNTERS))
    assert counter is not None
    statement = "UPDATE counters SET n = n + :amount WHERE id = :id"
    driver.write(session, statement, "counters", counter, amount=session.amount)


def _new_parent(driver: Driver, session: Session) -> None:
    """Also with the key and the name of one that has gone."""
    key = driver.taken(session, "parents", [key for key in range(PARENTS) if key not in driver.parents])
    if key is None:
        return
    name = driver.free_name(session)
    driver.stands(session, driver.parents, key, name)
    driver.write(session, "INSERT INTO parents VALUES (:id, :name)", "parents", key, name=name)


def _rename(driver: Driver, session: Session) -> None:
    """The old name is free when this is committed."""
    movable = [key for key, name in driver.parents.items() if driver.is_free(session, "names", name)]
    key = driver.taken(session, "parents", movable)
    if key is None:
        return
    old, new = driver.parents[key], driver.free_name(session)
    if old == new:
        return
    driver.hold(session, "names", old)
    driver.stands(session, driver.parents, key, new)
    driver.write(session, "UPDATE parents SET name = :name WHERE id = :id", "parents", key, name=new)


def _drop_parent(driver: Driver, session: Session) -> None:
    """One that has no children; who takes a child away holds its parent."""
    childless = driver.parents.keys() - driver.children.values()
    removable = [key for key in sorted(childless) if driver.is_free(session, "names", driver.parents[key])]
    key = driver.taken(session, "parents", removable)
    if key is None:
        return
    driver.hold(session, "names", driver.parents[key])
    driver.goes(session, driver.parents, key)
    driver.write(session, "DELETE FROM parents WHERE id = :id", "parents", key)


def _new_child(driver: Driver, session: Session) -> None:
    parent = driver.taken(session, "parents", driver.parents)
    key = driver.taken(session, "children", [key for key in range(CHILDREN) if key not in driver.children])
    if parent is None or key is None:
        return
    driver.stands(session, driver.children, key, parent)
    driver.write(session, "INSERT INTO children VALUES (:id, :parent)", "children", key, parent=parent)


def _move_child(driver: Driver, session: Session) -> None:
    parent, key = driver.taken(session, "parents", driver.parents), _child(driver, session)
    if parent is None or key is None or driver.children[key] == parent:
        return
    driver.stands(session, driver.children, key, parent)
    driver.write(session, "UPDATE children SET parent = :parent WHERE id = :id", "children", key, parent=parent)


def _drop_child(driver: Driver, session: Session) -> None:
    key = _child(driver, session)
    if key is None:
        return
    driver.goes(session, driver.children, key)
    driver.write(session, "DELETE FROM children WHERE id = :id", "children", key)


def _child(driver: Driver, session: Session) -> int | None:
    """A child that is free as its parent is, both held from now on."""
    free = [key for key, parent in driver.children.items() if driver.is_free(session, "parents", parent)]
    key = driver.taken(session, "children", free)
    if key is not None:
        driver.hold(session, "parents", driver.children[key])
    return key


DEEDS: list[Deed] = [_new_parent, _rename, _drop_parent, _new_child, _move_child, _new_child, _drop_child]
