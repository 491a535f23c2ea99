"""Connections to a MariaDB database: one kept, a reader, further ones; whatever matters is pinned on each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.pool import NullPool

from replicator.databases.mariadb.errors import REFUSED, number_of, translated
from replicator.databases.mariadb.statements import Driver, driver, execute
from replicator.errors import ConfigurationError, DatabaseWantsPassword

_PINNED = {
    # Strict, or values would be cut silently; a key of 0 is a key; zero dates are taken where the application has them.
    "sql_mode": "'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
    "time_zone": "'+00:00'",
    # READ COMMITTED: after a lock is taken, the next statement sees what its former holder wrote (protocol.md 7.3),
    # and no gaps are locked.
    "tx_isolation": "'READ-COMMITTED'",
    # We never wait in the server for the application's locks, so no circle of waiting goes through us, and the
    # application is never the one that a deadlock rolls back (`transactions.patiently` asks again).
    "innodb_lock_wait_timeout": "0",
    "lock_wait_timeout": "1",
    "max_statement_time": "0",
    "idle_transaction_timeout": "0",
    "wait_timeout": "86400",
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "check_constraint_checks": "1",
    "sql_safe_updates": "0",
    "sql_select_limit": "18446744073709551615",
    "sql_big_selects": "1",
    "completion_type": "'NO_CHAIN'",
    # A long IN list is to stay what it is: as a table it would lose the column's collation.
    "in_predicate_conversion_threshold": "0",
    "explicit_defaults_for_timestamp": "1",
}

_OPTIONS = {
    *("unix_socket", "connect_timeout", "read_timeout", "write_timeout"),
    *("ssl_ca", "ssl_cert", "ssl_key", "ssl_capath", "ssl_cipher", "ssl_check_hostname"),
}
"""Of a URL, after its question mark."""

_TIMES = (FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE, FIELD_TYPE.TIME, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP)


def _number(text: str) -> int | Decimal:
    """Sums of whole numbers are whole numbers."""
    return Decimal(text) if "." in text else int(text)


_CONVERSIONS = {
    **{key: value for key, value in conversions.items() if key not in _TIMES},
    FIELD_TYPE.DECIMAL: _number,
    FIELD_TYPE.NEWDECIMAL: _number,
}
"""The driver's, but dates and times stay the text that the server sends."""


class Opener:
    """Opens connections to the database of a URL."""

    def __init__(self, url: URL) -> None:
        if not url.database:
            raise ConfigurationError("The database URL names no database: write mariadb://USER@HOST/DATABASE.")
        self.where = describe(url)
        self.database = url.database
        """Name of the database: the application's tables stand there, and ours."""
        self.largest_packet = 0
        """Bytes of one statement that the server takes. Known once a connection has been made."""
        self.may_repeat = False
        """A statement that finds a lock undoes only itself: innodb_rollback_on_timeout is off. Known then, too."""
        if unknown := sorted(set(url.query) - _OPTIONS):
            raise ConfigurationError(
                f"The database URL has an option {unknown[0]}, which isn't known: take one of "
                f"{', '.join(sorted(_OPTIONS))}."
            )
        # As MariaDB's own programs find it.
        self._password = str(url.password or os.environ.get("MYSQL_PWD", ""))
        with _options_usable():
            self._engine = self._make_engine(url)
        event.listen(self._engine, "connect", self._pin)
        self._kept: Connection | None = None

    def _make_engine(self, url: URL) -> Engine:
        return create_engine(
            url.set(drivername="mariadb+pymysql"),
            poolclass=NullPool,
            # FOUND_ROWS: an UPDATE counts the rows that it finds. No implicit transaction is left by autocommit off:
            # a statement that defines something ends the transaction, and the next one begins another.
            connect_args={
                **_unless_told(url),
                # The driver would write a text as Latin-1.
                "password": self._password.encode(),
                "charset": "utf8mb4",
                "client_flag": CLIENT.FOUND_ROWS,
                "conv": _CONVERSIONS,
                "autocommit": False,
                "program_name": "replicator",
                "local_infile": False,
            },
        )

    def kept(self) -> Connection:
        """The one connection for all transactions; made anew when it is closed or broken."""
        if self._kept is not None:
            if driver(self._kept).open:
                return self._kept
            self.close()
        self._kept = self.another()
        return self._kept

    def another(self) -> Connection:
        """Raises DatabaseTrouble, ConfigurationError."""
        with translated(self.where), _options_usable():
            try:
                return self._engine.connect()
            except DBAPIError as error:
                if number_of(error) in REFUSED and not self._password:
                    raise DatabaseWantsPassword(self.where) from error
                raise
            except InvalidRequestError as error:
                raise ConfigurationError(
                    f"The server of {self.where} is not MariaDB: the replicator does not know MySQL."
                ) from error

    def close(self) -> None:
        if self._kept is not None:
            # A broken connection can't be given back in order.
            self._kept.invalidate()
            self._kept.close()
            self._kept = None

    def _pin(self, raw: Driver, _record: object) -> None:
        execute(raw, "SET NAMES utf8mb4 COLLATE utf8mb4_bin")
        execute(raw, "SET " + ", ".join(f"SESSION {name} = {value}" for name, value in _PINNED.items()))
        row: Any = execute(raw, "SELECT @@max_allowed_packet, @@innodb_rollback_on_timeout").fetchone()
        self.largest_packet, self.may_repeat = int(row[0]), not row[1]
        execute(raw, "COMMIT")


@contextmanager
def _options_usable() -> Iterator[None]:
    """Within: a number that is none, or a file of a certificate that can't be read, is the URL's fault."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The options of the database URL can't be used: {error}.") from error


def _unless_told(url: URL) -> dict[str, Any]:
    """What holds as long as the URL says nothing else."""
    found: dict[str, Any] = {
        # A server behind a wall, or without power, says nothing at all. No statement of ours takes so many seconds.
        "read_timeout": 1800,
        "write_timeout": 600,
    }
    if url.host in (None, "localhost", "127.0.0.1", "::1"):
        # On this computer nobody listens in, and to make ready for TLS costs more than all else of connecting.
        found["ssl_disabled"] = True
    if any(name.startswith("ssl") for name in url.query):
        found.pop("ssl_disabled", None)
    return {name: value for name, value in found.items() if name not in url.query}


def describe(url: URL) -> str:
    """The database for a person: never with a password."""
    host = f" on {url.host}" if url.host else ""
    port = f":{url.port}" if url.port else ""
    return f"{url.database}{host}{port}"
