"""A database on a PostgreSQL server of the benchmark's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg

from bench.data import Row, Work
from bench.sites import NewSite, ProbedSite
from tests.servers.postgresql import PostgresqlServer

_AS_IT_COMES = """
shared_buffers = 128MB
max_wal_size = 1GB
"""
"""The tests' servers are smaller."""


class PostgresqlSite(ProbedSite):
    def __init__(self, server: PostgresqlServer) -> None:
        self.server = server
        self.database = server.create_database()
        self.administrator = server.connect(self.database)
        for statement in (
            "GRANT SET ON PARAMETER session_replication_role TO replicator",
            "GRANT SET ON PARAMETER commit_delay TO application",
            f'GRANT CREATE ON DATABASE "{self.database}" TO replicator',
            "ALTER SCHEMA public OWNER TO application",
            "GRANT application TO replicator",
        ):
            self.administrator.execute(statement.encode())
        self.application = self.connect()
        self.copied: set[str] = set()
        """Tables whose changes the application itself writes down."""
        self.url = f"postgresql+psycopg://replicator@127.0.0.1:{server.port}/{self.database}"

    def make(self, schema: str) -> None:
        self.application.execute(schema.replace(" REAL", " DOUBLE PRECISION").encode())

    def connect(self) -> Any:
        return self.server.connect(self.database, "application")

    def ready(self, work: Work) -> None:
        table = work.table
        self.execute(f"CREATE TABLE new_{table} AS TABLE {table} WITH NO DATA")
        self.execute(f"CREATE TABLE changed_{table} AS SELECT {', '.join(work.changed)}, id FROM {table} WITH NO DATA")
        for name, rows in ((f"new_{table}", work.rows), (f"changed_{table}", work.updates)):
            with self.application.cursor().copy(f"COPY {name} FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
            self.execute(f"VACUUM ANALYZE {name}")

    def text(self, sql: str, parameters: Sequence[Any]) -> str:
        return psycopg.ClientCursor(self.application).mogrify(sql.encode(), parameters)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self.application.execute(sql.encode(), parameters or None)

    def fetch(self, sql: str) -> list[Row]:
        return self.application.execute(sql.encode()).fetchall()

    def update(self, work: Work) -> None:
        settings = ", ".join(f"{name} = c.{name}" for name in work.changed)
        self.execute(f"UPDATE {work.table} t SET {settings} FROM changed_{work.table} c WHERE c.id = t.id")

    def copy_changes(self, work: Work) -> None:
        self.execute("CREATE SEQUENCE IF NOT EXISTS copy_id")
        self.execute(
            f"CREATE TABLE copied_{work.table} AS SELECT nextval('copy_id') AS copy, pg_current_xact_id() AS txid,"
            f" 'I'::\"char\" AS op, now() AS at, t.* FROM {work.table} t WITH NO DATA"
        )
        self.copied.add(work.table)

    def insert_one(self, work: Work) -> str:
        return self._with_copy(work, super().insert_one(work), "I")

    def update_one(self, work: Work) -> str:
        return self._with_copy(work, super().update_one(work), "U")

    def _with_copy(self, work: Work, change: str, op: str) -> str:
        if work.table not in self.copied:
            return change
        row = f"nextval('copy_id'), pg_current_xact_id(), '{op}', clock_timestamp(), changed.*"
        return f"WITH changed AS ({change} RETURNING *) INSERT INTO copied_{work.table} SELECT {row} FROM changed"

    def delay_commits(self, microseconds: int) -> None:
        self.execute(f"SET commit_siblings = {0 if microseconds else 5}")
        self.execute(f"SET commit_delay = {microseconds}")

    def transaction(self) -> AbstractContextManager[object]:
        return self.application.transaction()

    def empty(self, table: str) -> None:
        """Triggers are silent meanwhile."""
        captured = self.administrator.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname = 'replicator' AND tablename ~ '^change_[0-9]+$'"
        ).fetchall()
        copied = [f"public.copied_{table}"] if table in self.copied else []
        listed = ", ".join([f"public.{table}", *copied, *(name for (name,) in captured)])
        self.administrator.execute("SET session_replication_role = replica")
        self.administrator.execute(f"TRUNCATE {listed}".encode())
        self.administrator.execute("RESET session_replication_role")

    def rest(self) -> None:
        self.administrator.execute("CHECKPOINT")

    def flush(self) -> None:
        """A checkpoint does it."""

    def close(self) -> None:
        self.application.close()
        self.administrator.close()
        self.server.drop_database(self.database)


@contextmanager
def started(settings: str) -> Iterator[NewSite]:
    with PostgresqlServer(_AS_IT_COMES + settings) as server:
        yield lambda: PostgresqlSite(server)
