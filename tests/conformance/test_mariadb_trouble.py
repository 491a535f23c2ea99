"""Trouble with the server: each is one clear sentence, and the next transaction goes on where it can."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from database_places import fail_after, told

pytest.importorskip("pymysql")

import pymysql
from sqlalchemy import make_url

from replicator.databases import Database
from replicator.databases.mariadb.database import MariadbDatabase
from replicator.databases.mariadb.errors import translate
from replicator.errors import ConfigurationError, ConstraintViolation, DatabaseBusy, DatabaseTrouble, ReplicatorError
from replicator.protocol.keys import pack_key
from replicator.runtime import Runtime
from replicator.types import Table
from tests.integration.disks import room, small_disk
from tests.servers.fixtures import leave_out
from tests.servers.mariadb import USER

if TYPE_CHECKING:
    from mariadb_places import MariadbPlace

    from tests.servers.mariadb import MariadbServer

CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL, note longtext)"


@pytest.fixture
def place(mariadb_server: MariadbServer, mariadb_database: str) -> Iterator[MariadbPlace]:
    from mariadb_places import MariadbPlace

    made = MariadbPlace(mariadb_server, mariadb_database)
    yield made
    made.close()


@contextmanager
def administrator(server: MariadbServer, *statements: str, afterwards: tuple[str, ...] = ()) -> Iterator[Any]:
    with closing(server.connect()) as connection:
        try:
            for statement in statements:
                connection.query(statement)
            yield connection
        finally:
            for statement in afterwards:
                connection.query(statement)


def kill_ours(server: MariadbServer) -> None:
    with administrator(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'replicator'")
        for (session,) in cursor.fetchall():
            cursor.execute(f"KILL HARD {session}")


def write(
    place: MariadbPlace, table: Table, *images: tuple[Any, ...], meanwhile: Callable[[], None] | None = None
) -> None:
    with place.database.transaction() as connection, place.database.replaying(connection, [table]):
        place.database.write_images(connection, table, images)
        if meanwhile is not None:
            meanwhile()
            place.database.write_images(connection, table, images)


def collect_in_part(place: MariadbPlace, meanwhile: Callable[[], None]) -> None:
    with place.database.transaction() as connection:
        assert next(place.database.read_outbox(connection, place.tables))
        meanwhile()
        place.database.clear_outbox(connection)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (1021, DatabaseTrouble, "The disk of the database here is full"),
        (1114, DatabaseTrouble, "The disk of the database here is full"),
        (1041, DatabaseTrouble, "not enough memory"),
        (1030, DatabaseTrouble, "The disk of the database here reports a fault (text)"),
        (1040, DatabaseTrouble, "no connection left"),
        (1290, DatabaseTrouble, "read-only: run again once it takes writes"),
        (1792, DatabaseTrouble, "read-only"),
        (2013, DatabaseTrouble, "The connection to here broke"),
        (1927, DatabaseTrouble, "The connection to here broke"),
        (2003, DatabaseTrouble, "There is no connection to here"),
        (1130, DatabaseTrouble, "lets nobody in from this computer"),
        (1045, DatabaseTrouble, "refuses the log-in"),
        (1044, DatabaseTrouble, "may not use the database here"),
        (1049, DatabaseTrouble, "There is no here"),
        (1142, DatabaseTrouble, "does not permit this"),
        (1153, DatabaseTrouble, "raise max_allowed_packet"),
        (1969, DatabaseBusy, "cancelled"),
        (1205, DatabaseBusy, "holds what we need"),
        (1213, DatabaseBusy, "waited for each other"),
        (1062, ConstraintViolation, "refuses a row"),
        (1406, ConstraintViolation, "refuses a row"),
        (1146, DatabaseTrouble, "refused a statement"),
    ],
)
def test_each_number_has_its_sentence(number: int, kind: type[ReplicatorError], words: str) -> None:
    found = translate(pymysql.err.OperationalError(number, "text"), "here")
    assert type(found) is kind
    assert words in str(found)
    assert "\n" not in str(found)


def test_settings_of_the_server_do_not_reach_us(place: MariadbPlace) -> None:
    place.make("CREATE TABLE days (id integer PRIMARY KEY, day date, text text)")
    (table,) = place.replicate("days")
    before = {
        "max_statement_time": "0",
        "wait_timeout": "28800",
        "idle_transaction_timeout": "0",
        "tx_isolation": "'REPEATABLE-READ'",
        "sql_mode": "'STRICT_TRANS_TABLES'",
        "sql_select_limit": "DEFAULT",
        "autocommit": "1",
    }
    strange = {
        "max_statement_time": "0.01",
        "wait_timeout": "1",
        "idle_transaction_timeout": "1",
        "tx_isolation": "'SERIALIZABLE'",
        "sql_mode": "'ANSI,NO_BACKSLASH_ESCAPES,ORACLE'",
        "sql_select_limit": "1",
        "autocommit": "0",
    }
    undo = tuple(f"SET GLOBAL {name} = {value}" for name, value in before.items())
    limit = "ALTER USER replicator@'127.0.0.1' WITH MAX_STATEMENT_TIME"
    with administrator(
        place.server,
        *(f"SET GLOBAL {name} = {value}" for name, value in strange.items()),
        f"{limit} 0.01",
        afterwards=(*undo, f"{limit} 0"),
    ):
        database = place.open()
        with database.transaction() as connection, database.replaying(connection, [table]):
            connection.exec_driver_sql("SELECT sleep(0.1)")
            database.write_images(connection, table, [(1, "2026-11-26", "\\'"), (2, None, '"')])
            # Longer than the server has patience with a session that says nothing.
            subprocess.run(["sleep", "1.3"], check=True)
            assert next(iter(database.scan(connection, table))) == [(1, "2026-11-26", "\\'"), (2, None, '"')]
        assert database.comparable(table, ["text"])(("a",)) is not None
        database.close()
    assert place.run("SELECT text FROM days ORDER BY id") == [("\\'",), ('"',)]


def test_a_connection_that_was_ended_is_told_and_made_anew(place: MariadbPlace) -> None:
    place.make(CUSTOMERS + " COLLATE utf8mb4_general_ci")
    (table,) = place.replicate("customers")
    database = place.database
    place.run("INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', NULL)")
    with pytest.raises(DatabaseTrouble, match=r"connection to .* broke: see that the server runs"):
        write(place, table, (3, "c", None), meanwhile=lambda: kill_ours(place.server))
    assert place.run("SELECT count(*) FROM customers") == [(2,)]
    with pytest.raises(DatabaseTrouble, match="broke"):
        collect_in_part(place, lambda: kill_ours(place.server))
    # Between two transactions nobody notices: neither writer, nor reader, nor who asks for collations.
    kill_ours(place.server)
    assert database.comparable(table, ["name"])(["ä"]) == database.comparable(table, ["name"])(["Ä"])
    assert len(place.collect()) == 2
    with database.watch() as waits:
        assert not waits()
        kill_ours(place.server)
        place.run("INSERT INTO customers VALUES (5, 'e', NULL)")
        assert [waits(), waits()][1]


def test_a_server_that_was_restarted_is_worked_with_again(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    with pytest.raises(DatabaseTrouble, match="see that the server runs"):
        collect_in_part(place, place.server.server.kill)
    with pytest.raises(DatabaseTrouble, match="There is no connection to"), place.database.transaction():
        pass
    place.server.start()
    place.application = place.another()
    assert told(place.collect()) == [("I", (1, "a", None), 0b111, None)]
    write(place, table, (2, "b", None))
    # Ids go on rising: what was drawn is kept by the server.
    place.run("INSERT INTO customers VALUES (3, 'c', NULL)")
    assert len(place.collect()) == 1


def test_a_read_only_server_is_told_and_nothing_is_lost(place: MariadbPlace) -> None:
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    with administrator(place.server, "SET GLOBAL read_only = 1", afterwards=("SET GLOBAL read_only = 0",)):
        for step in (lambda: place.collect(), lambda: write(place, table, (2, "b", None))):
            with pytest.raises(DatabaseTrouble, match="is read-only: run again once it takes writes"):
                step()
        with pytest.raises(DatabaseTrouble, match="is read-only"), place.database.transaction() as connection:
            place.database.install_capture(connection, table)
        with place.database.transaction(write=False) as connection:
            assert place.database.count(connection, table) == 1
    assert len(place.collect()) == 1
    write(place, table, (2, "b", None))


def test_who_holds_what_we_need_is_named_where_the_privilege_allows_it(place: MariadbPlace) -> None:
    place.make(CUSTOMERS, "INSERT INTO customers VALUES (1, 'a', NULL)")
    (table,) = place.replicate("customers")
    with closing(place.another()) as looking, closing(place.another()) as other:
        looking.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        other.query("BEGIN")
        other.query("UPDATE customers SET name = 'b'")
        with pytest.raises(DatabaseBusy, match="the privilege PROCESS would let us see by whom; try again"):
            write(place, table, (1, "c", None))
        grant = ("GRANT PROCESS ON *.* TO replicator@'127.0.0.1'", "REVOKE PROCESS ON *.* FROM replicator@'127.0.0.1'")
        with administrator(place.server, grant[0], afterwards=grant[1:]):
            words = rf"session {other.thread_id()} of user application from 127.0.0.1:\d+ has a transaction open since"
            database = place.open()
            with (
                pytest.raises(DatabaseBusy, match=words),
                database.transaction() as connection,
                database.replaying(connection, [table]),
            ):
                database.write_images(connection, table, [(1, "c", None)])
            with pytest.raises(DatabaseBusy, match="has a transaction open"), database.transaction() as connection:
                database.install_capture(connection, table)
            database.close()
        other.query("COMMIT")
    write(place, table, (1, "c", None))
    assert place.run("SELECT name FROM customers") == [("c",)]


def test_load_data_and_replace_are_captured(place: MariadbPlace, tmp_path: Path) -> None:
    place.make(CUSTOMERS, "CREATE TABLE keyed (id integer PRIMARY KEY, code varchar(9) UNIQUE)")
    place.replicate("customers", "keyed")
    file = tmp_path / "rows.csv"
    file.write_text("".join(f"{number},name {number},\\N\n" for number in range(3000)))
    with closing(
        pymysql.connect(
            host="127.0.0.1",
            port=place.server.port,
            user="application",
            password="application",
            database=place.name,
            local_infile=True,
            autocommit=True,
        )
    ) as loading:
        loading.query(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE customers FIELDS TERMINATED BY ','")
        found = place.collect()
        assert [change.image for change in found] == [(number, f"name {number}", None) for number in range(3000)]
        file.write_text("0,zero,x\n1,one,x\n3000,new,x\n")
        loading.query(f"LOAD DATA LOCAL INFILE '{file}' REPLACE INTO TABLE customers FIELDS TERMINATED BY ','")
        assert [change.operation.value for change in place.collect()] == ["D", "I", "D", "I", "I"]
    place.run("INSERT INTO keyed VALUES (1, 'a'), (2, 'b')")
    place.collect()
    place.run("REPLACE INTO keyed VALUES (1, 'b')")
    gone = [change.before for change in place.collect() if change.operation.value == "D"]
    assert sorted(gone, key=str) == [(1, "a"), (2, "b")]
    assert place.run("SELECT * FROM keyed") == [(1, "b")]


def test_a_binary_log_of_rows_or_mixed_is_worked_with_and_one_of_statements_refused() -> None:
    from mariadb_places import MariadbPlace

    from tests.servers.fixtures import missing_mariadb
    from tests.servers.mariadb import MariadbServer

    leave_out("mariadb", missing_mariadb())
    with MariadbServer("log-bin\nserver-id = 1\nbinlog-format = STATEMENT\ninnodb-rollback-on-timeout\n") as server:
        name = server.create_database()
        with administrator(server) as root:
            with pytest.raises(ConfigurationError, match="set binlog_format to MIXED or ROW"):
                MariadbPlace(server, name)
            root.query("SET GLOBAL binlog_format = MIXED")
            with pytest.raises(ConfigurationError, match="SET GLOBAL log_bin_trust_function_creators = ON"):
                MariadbPlace(server, name)
            root.query("SET GLOBAL log_bin_trust_function_creators = ON")
            for number, form in enumerate(("MIXED", "ROW")):
                root.query(f"SET GLOBAL binlog_format = {form}")
                place = MariadbPlace(server, name)
                place.make(CUSTOMERS.replace("customers", form.lower()))
                (table,) = place.replicate(form.lower())
                place.run(f"INSERT INTO {form.lower()} VALUES (1, 'a', NULL), (2, 'b', NULL)")
                place.run(f"UPDATE {form.lower()} SET note = uuid()")
                assert len(place.collect()) == 4, number
                write(place, table, (3, "c", None))
                with place.database.transaction() as connection, place.database.replaying(connection, [table]):
                    place.database.delete_keys(connection, table, [pack_key((1,))])
                assert place.collect() == []
                _nothing_is_half_done_where_a_lock_undoes_all(place, table)
                with place.database.transaction() as connection:
                    place.database.remove_capture(connection, table)
                    place.database.prepare()
                place.close()


def _nothing_is_half_done_where_a_lock_undoes_all(place: MariadbPlace, table: Table) -> None:
    """innodb_rollback_on_timeout: a statement may not be repeated as if what went before still stood."""
    with closing(place.another()) as other:
        other.query("BEGIN")
        other.query(f"UPDATE {table.name} SET note = 'held' WHERE id = 2")
        url = make_url(place.server.url(place.name, "replicator"))
        database = MariadbDatabase(url, Runtime(pause=lambda _seconds: other.query("COMMIT")))
        with pytest.raises(DatabaseBusy):
            _write_in_two_steps(database, table)
        other.query("COMMIT")
        assert place.run(f"SELECT id FROM {table.name} WHERE id > 3") == []
        _write_in_two_steps(database, table)
        database.close()
    assert place.run(f"SELECT id, note FROM {table.name} WHERE id <> 3 ORDER BY id") == [(2, "b"), (4, "a")]
    place.collect()


def _write_in_two_steps(database: Database, table: Table) -> None:
    with database.transaction() as connection, database.replaying(connection, [table]):
        database.write_images(connection, table, [(4, "new", "a")])
        database.write_images(connection, table, [(2, "held", "b")])


@pytest.fixture
def database_on_a_small_disk(mariadb_server: MariadbServer, mariadb_database: str) -> Iterator[tuple[str, Path]]:
    """An empty database, and its folder, which is a disk of 12 MB."""
    name = mariadb_server.create_database()
    folder = mariadb_server.folder / "data" / name.replace(" ", "@0020")
    shutil.rmtree(folder)
    with small_disk(folder, 12):
        shutil.chown(folder, USER, USER)
        yield name, folder
        with pytest.raises(pymysql.err.OperationalError, match="1010"):  # the folder itself can't go
            mariadb_server.drop_database(name)
    mariadb_server.drop_database(name)


def test_a_full_disk_is_told_and_all_goes_on_once_there_is_room(
    mariadb_server: MariadbServer, database_on_a_small_disk: tuple[str, Path]
) -> None:
    from mariadb_places import MariadbPlace

    name, folder = database_on_a_small_disk
    place = MariadbPlace(mariadb_server, name)
    place.make(CUSTOMERS)
    (table,) = place.replicate("customers")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    # Of short values: where a long one finds no room, MariaDB 10.11 itself dies.
    large = [(number, "x" * 80, "x" * 1000) for number in range(10, 2000)]
    full = r"disk of the database .* is full: make room and run again"
    with room(folder, 0), pytest.raises(DatabaseTrouble, match=full):
        write(place, table, *large)
    assert place.run("SELECT id FROM customers") == [(1,)]
    write(place, table, *large)
    assert len(place.collect()) == 1
    place.close()


def change_tables(place: MariadbPlace) -> list[str]:
    found = place.run(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
        " AND TABLE_NAME REGEXP '^replicator_change_[0-9]' ORDER BY TABLE_NAME"
    )
    return [name for (name,) in found]


def test_what_waits_keeps_its_types_when_the_table_is_changed(place: MariadbPlace) -> None:
    place.make("CREATE TABLE things (id int PRIMARY KEY, n varchar(20), d decimal(30,5))")
    (table,) = place.replicate("things")
    place.run("INSERT INTO things VALUES (1, 'no number', 1.5), (2, '7', 2.5)")
    place.make("DELETE FROM things WHERE id = 1", "ALTER TABLE things MODIFY n int, MODIFY d double")
    place.run("INSERT INTO things VALUES (3, 9, 0.1)")
    with place.database.transaction() as connection:
        place.database.install_capture(connection, table)
        assert place.database.capture_faults(connection, table) == []
        keys = [pack_key((number,)) for number in range(5)]
        assert place.database.pending_keys(connection, table, keys) == set(keys[1:4])
    place.run("INSERT INTO things VALUES (4, 10, 0.25)")
    assert change_tables(place) == ["replicator_change_1", "replicator_change_1_2"]
    found = [change.image or change.before for change in place.collect()]
    assert found[:3] == [(1, "no number", "1.50000"), (2, "7", "2.50000"), (1, "no number", "1.50000")]
    assert [image[0] for image in found[3:] if image] == [3, 4]
    assert change_tables(place) == ["replicator_change_1_2"]


def test_change_tables_of_tables_that_left_go_and_so_does_what_was_not_added_in_the_end(place: MariadbPlace) -> None:
    place.make(CUSTOMERS, "CREATE TABLE others (id int PRIMARY KEY, name varchar(80), note longtext)")
    (customers,) = place.replicate("customers")
    with place.database.transaction() as connection:
        failed = Table(2, "others", place.database.inspect(connection, "others"))
    with pytest.raises(ZeroDivisionError), place.database.transaction() as connection:
        fail_after(place.database.install_capture, connection, failed)
    place.run("INSERT INTO others VALUES (1, 'never', NULL)")
    place.run("INSERT INTO customers VALUES (1, 'a', NULL)")
    assert change_tables(place) == ["replicator_change_1", "replicator_change_2"]
    # Its number goes to another table, which what was captured has nothing to do with.
    place.make("CREATE TABLE third (id int PRIMARY KEY, name varchar(80), note longtext)")
    place.replicate("third")
    place.run("INSERT INTO third VALUES (7, 'b', NULL)")
    assert [change.image for change in place.collect()] == [(1, "a", None), (7, "b", None)]
    place.collect()
    assert change_tables(place) == ["replicator_change_1", "replicator_change_2_2"]
    # An attempt that left nothing but its triggers.
    with pytest.raises(ZeroDivisionError), place.database.transaction() as connection:
        fail_after(place.database.install_capture, connection, Table(3, "others", failed.definition))
    assert len(place.run("SHOW TRIGGERS LIKE 'others'")) == 3
    place.run("INSERT INTO others VALUES (2, 'never', NULL)")
    place.collect()
    assert place.run("SHOW TRIGGERS LIKE 'others'") == []
    assert change_tables(place) == ["replicator_change_1", "replicator_change_2_2"]
    with place.database.transaction() as connection:
        place.database.remove_capture(connection, customers)
    del place.tables[1]
    place.collect()
    assert change_tables(place) == ["replicator_change_2_2"]
    place.run("INSERT INTO third VALUES (8, 'c', NULL)")
    assert [change.image for change in place.collect()] == [(8, "c", None)]


def test_a_table_that_is_being_altered_is_seen_whole(place: MariadbPlace) -> None:
    """The server leaves it out of its catalogue just then, with a warning only, for whoever holds a lock."""
    place.make(CUSTOMERS, "CREATE TABLE other (id integer PRIMARY KEY)", "INSERT INTO other VALUES (1)")
    with place.database.transaction() as connection:
        expected = place.database.inspect(connection, "customers")
    done = Event()

    def alter(session: Any) -> None:
        while not done.is_set():
            trigger = (
                "BEFORE INSERT ON customers FOR EACH ROW IF @replicator_applying IS NULL THEN SET NEW.note = 1; END IF"
            )
            place.do(session, f"CREATE OR REPLACE TRIGGER theirs {trigger}")
            time.sleep(0.1)

    with closing(place.another()) as session, ThreadPoolExecutor(1) as others:
        altering = others.submit(alter, session)
        try:
            with place.database.transaction() as connection:
                connection.exec_driver_sql("SELECT * FROM other FOR UPDATE")
                found = [place.database.inspect(connection, "customers") for _ in range(20)]
        finally:
            done.set()
        altering.result()
    assert found == [expected] * 20
