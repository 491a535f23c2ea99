"""Fixtures for tests that need real servers: they are skipped, visibly, where the servers can't be had.

`REPLICATOR_REQUIRE=mail,postgresql,mariadb` (or some of them) makes that a failure instead: where everything is
installed on purpose, as in CI, nothing may be left out unnoticed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.farm import MailFarm
from tests.servers.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from tests.servers.mariadb import MariadbServer
    from tests.servers.postgresql import PostgresqlServer

_DAEMONS = (
    "/usr/sbin/dovecot",
    "/usr/lib/postfix/sbin/master",
    "/usr/lib/dovecot/imap",
    "/usr/lib/dovecot/pop3",
    "/usr/lib/dovecot/lmtp",
    "/usr/lib/dovecot/quota-status",
)
PACKAGES = "postfix dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-sieve"


def missing() -> str | None:
    """What hinders a farm; None: nothing."""
    if absent := [each for each in _DAEMONS if not Path(each).exists()]:
        return f"mail servers are missing ({', '.join(absent)}); install {PACKAGES}"
    return "Postfix can be started by root only" if os.getuid() != 0 else None


def is_required(what: str) -> bool:
    return what in os.environ.get("REPLICATOR_REQUIRE", "").split(",")


def missing_postgresql() -> str | None:
    """What hinders a PostgreSQL server; None: nothing."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "PostgreSQL is missing; install postgresql"
    return None if find_spec("psycopg") else "PostgreSQL's driver is missing; install replicator[postgresql]"


def missing_mariadb() -> str | None:
    """What hinders a MariaDB server; None: nothing."""
    if absent := [each for each in ("/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db") if not Path(each).exists()]:
        return f"MariaDB is missing ({', '.join(absent)}); install mariadb-server"
    return None if find_spec("pymysql") else "MariaDB's driver is missing; install replicator[mariadb]"


def leave_out(what: str, reason: str | None) -> None:
    """Skip the test if there is a reason; fail it where `what` is required."""
    if reason:
        (pytest.fail if is_required(what) else pytest.skip)(reason)


@pytest.fixture(scope="session")
def mail_farm() -> Iterator[MailFarm]:
    """One farm for all tests of this process. A test that uses it takes `clean_mail_farm`, as a rule."""
    leave_out("mail", missing())
    with MailFarm() as farm:
        yield farm


@pytest.fixture
def clean_mail_farm(mail_farm: MailFarm) -> MailFarm:
    """The farm as new: both servers run, nobody objects to a mail, and the mailboxes are empty."""
    mail_farm.reset()
    return mail_farm


# The drivers are imported only where a test needs them: they take longer than most tests.


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """One server for all tests of this process. A test that uses it makes databases of its own there."""
    leave_out("postgresql", missing_postgresql())
    from tests.servers.postgresql import PostgresqlServer

    with PostgresqlServer() as server:
        yield server


@pytest.fixture
def postgresql_database(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """Name of an empty database of the test's own. A server that the last test left stopped is started."""
    if not postgresql_server.server.is_running:
        postgresql_server.start()
    name = postgresql_server.create_database()
    yield name
    if postgresql_server.server.is_running:
        postgresql_server.drop_database(name)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """One server for all tests of this process. A test that uses it makes databases of its own there."""
    leave_out("mariadb", missing_mariadb())
    from tests.servers.mariadb import MariadbServer

    with MariadbServer() as server:
        yield server


@pytest.fixture
def mariadb_database(mariadb_server: MariadbServer) -> Iterator[str]:
    """Name of an empty database of the test's own. A server that the last test left stopped is started."""
    if not mariadb_server.server.is_running:
        mariadb_server.start()
    name = mariadb_server.create_database()
    yield name
    if mariadb_server.server.is_running:
        mariadb_server.drop_database(name)


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[int], FaultProxy]]:
    """`fault_proxy(port)` stands before a port of 127.0.0.1 until the test ends."""
    made: list[FaultProxy] = []

    def before(port: int) -> FaultProxy:
        made.append(FaultProxy(port))
        return made[-1]

    yield before
    for proxy in made:
        proxy.close()
