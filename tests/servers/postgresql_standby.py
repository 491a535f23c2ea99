"""`PostgresqlStandby`: a physical replica of a PostgreSQL server, which may be promoted when that one is gone."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

from tests.servers.postgresql import ADMINISTRATOR, USER, PostgresqlServer
from tests.servers.processes import identity_of, wait_until


class PostgresqlStandby(PostgresqlServer):
    """Follows `primary` from when it is made, and knows its databases and roles."""

    def __init__(self, primary: PostgresqlServer) -> None:
        self._primary = primary
        super().__init__()

    def _make(self, programs: Path, settings: str) -> None:
        self.folder.chmod(0o777)  # the program makes the folder for its data, under another user
        login = {"host": "127.0.0.1", "port": self._primary.port, "user": ADMINISTRATOR, "password": ADMINISTRATOR}
        dbname = " ".join(f"{name}={value}" for name, value in login.items())
        command = [f"{programs}/pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        subprocess.run(
            [*command, f"--dbname={dbname}", f"--pgdata={self._data}"],
            check=True,
            capture_output=True,
            cwd="/",
            **identity_of(USER),
        )

    def _make_roles(self) -> None:
        """They come with the data."""

    def wait_for(self, position: str) -> None:
        """Until it has all that the primary had written at this position (`pg_current_wal_lsn`)."""
        with closing(self.connect()) as connection:
            question = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            wait_until(lambda: connection.execute(question, (position,)).fetchone() == (True,), "the replica follows")

    def promote(self) -> None:
        with closing(self.connect()) as connection:
            connection.execute("SELECT pg_promote()")
            question = "SELECT pg_is_in_recovery()"
            wait_until(lambda: connection.execute(question).fetchone() == (False,), "the replica is promoted")
