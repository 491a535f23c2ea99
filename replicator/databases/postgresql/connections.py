"""Connections to a PostgreSQL database: one kept, further ones for snapshots; whatever matters is pinned on each."""

from __future__ import annotations

from difflib import get_close_matches

import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.pool import NullPool

from replicator.databases.postgresql import arrays
from replicator.databases.postgresql import schemas as places
from replicator.databases.postgresql.errors import translated
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import driver, execute, scalar
from replicator.errors import ConfigurationError

LOCK_TIMEOUT = 300
"""Milliseconds that we wait for a lock of the application's: less than deadlock_timeout, so that mostly we give way."""

_PINNED = {
    # How values are written as text: exactly, and the same whatever the server, the database or the role is set to.
    "client_encoding": "UTF8",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "xmloption": "content",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    # A commit that a mail speaks of must outlast a power cut (protocol.md 7.1).
    "synchronous_commit": "on",
    "lock_timeout": f"{LOCK_TIMEOUT}ms",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    # Rows that a policy hides from us would seem to be deleted: an error is better.
    "row_security": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    # Our statements are short and many; compiling them would cost more than it gains.
    "jit": "off",
}


_PATIENCE = {
    # A server behind a wall, or without power, says nothing at all. Who knows better writes it in the URL.
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
_PINNED_SINCE = {170000: {"transaction_timeout": "0"}}
"""By the version that brought the setting."""


class _Flag(Dumper):
    """Truth as a literal without a type: it fits our flags, which are small integers, as well as a boolean."""

    oid = 0

    def dump(self, obj: bool) -> Buffer:
        return b"1" if obj else b"0"


class Opener:
    """Opens connections to the database of a URL."""

    def __init__(self, url: URL) -> None:
        self.where = describe(url)
        _require_known_options(url)
        self._named = places.named_in(url)
        url = url.difference_update_query([places.PARAMETER])
        self._engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            use_native_hstore=False,
            # The application may alter its tables at any time; a prepared statement would fail once then.
            connect_args={
                **_PATIENCE,
                **url.query,
                "autocommit": True,
                "application_name": "replicator",
                "prepare_threshold": None,
            },
        )
        event.listen(self._engine, "connect", self._pin)
        self._kept: Connection | None = None
        self.schemas = Schemas("", places.ours_beside(self._named))
        """The application's is known once a connection has been made."""

    def kept(self) -> Connection:
        """The one connection for all transactions; made anew when it is closed or broken."""
        if self._kept is not None:
            if not driver(self._kept).closed:
                return self._kept
            self.close()
        self._kept = self.another()
        return self._kept

    def another(self) -> Connection:
        with translated(self.where):
            return self._engine.connect()

    def close(self) -> None:
        if self._kept is not None:
            # A broken connection can't be given back in order.
            self._kept.invalidate()
            self._kept.close()
            self._kept = None

    def make_schema(self) -> bool:
        """Make the schema that our tables stand in; False: it is there."""
        with translated(self.where):
            raw = driver(self.kept())
            if scalar(raw, "SELECT to_regnamespace(%s)", (self.schemas.ours_sql,)) is not None:
                return False
            execute(raw, f"CREATE SCHEMA {self.schemas.ours_sql}")
            return True

    def _pin(self, raw: psycopg.Connection[tuple[object, ...]], _record: object) -> None:
        pinned = pinned_settings(raw)
        # Names of the application are always written with their schema.
        pinned["search_path"] = self.schemas.ours_sql
        listed = ", ".join(["pg_catalog.set_config(%s, %s, false)"] * len(pinned))
        words = [word for setting in pinned.items() for word in setting]
        path = scalar(raw, f"SELECT pg_catalog.current_schemas(false), {listed}", words)
        if self._kept is None:
            self.schemas = places.find(raw, self._named, path)
        fit_adapters(raw)


def pinned_settings(raw: psycopg.Connection[tuple[object, ...]]) -> dict[str, str]:
    """What every connection of ours is told, as this server knows it."""
    pinned = dict(_PINNED)
    for version, settings in _PINNED_SINCE.items():
        if raw.info.server_version >= version:
            pinned |= settings
    return pinned


def fit_adapters(raw: psycopg.Connection[tuple[object, ...]]) -> None:
    """How values of ours are written."""
    raw.adapters.register_dumper(bool, _Flag)
    arrays.register(raw)


def _require_known_options(url: URL) -> None:
    """Raises ConfigurationError. libpq would tell only when a connection is made, and as an error of the program."""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {places.PARAMETER}
    for name in sorted(set(url.query) - known):
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "take it out."
        raise ConfigurationError(f"The database URL has an option {name}, which PostgreSQL doesn't know: {hint}")


def describe(url: URL) -> str:
    """The database for a person: never with a password."""
    schema = f" (schema {url.query[places.PARAMETER]})" if places.PARAMETER in url.query else ""
    host = f" on {url.host}" if url.host else ""
    port = f":{url.port}" if url.port else ""
    return f"{url.database or url.username or 'postgres'}{schema}{host}{port}"
