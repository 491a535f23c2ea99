"""What server and user must be, and what to say where they aren't."""

from __future__ import annotations

import re

from replicator.databases.mariadb.statements import Driver, fetch, scalar
from replicator.errors import ConfigurationError

OLDEST = (10, 11)
NEEDED = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "INDEX",
    "REFERENCES",
    "TRIGGER",
)
"""Privileges on the database."""

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")


def version_of(words: str) -> str:
    """'10.11.6' of '5.5.5-10.11.6-MariaDB-1'. It begins so where a server hides behind an old one's name."""
    match = _VERSION.search(words.removeprefix("5.5.5-"))
    return "0" if match is None else match[0]


def require_fit(raw: Driver, schema: str, where: str) -> None:
    """Raises ConfigurationError with what an administrator has to do."""
    version = str(scalar(raw, "SELECT VERSION()"))
    match = _VERSION.search(version.removeprefix("5.5.5-"))
    if match is None or (int(match[1]), int(match[2])) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise ConfigurationError(f"The server of {where} is MariaDB {version}: the replicator needs {wanted} or newer.")
    binary_log, form, trusted, page = fetch(
        raw, "SELECT @@log_bin, @@binlog_format, @@log_bin_trust_function_creators, @@innodb_page_size"
    )[0]
    granted = _granted(raw, schema)
    user = scalar(raw, "SELECT CURRENT_USER()")
    if missing := [each for each in NEEDED if each not in granted]:
        raise ConfigurationError(
            f"The user {user} of {where} lacks privileges. Let an administrator say: "
            f"GRANT {', '.join(missing)} ON `{schema}`.* TO {_account(user)}"
        )
    if binary_log and form == "STATEMENT":
        raise ConfigurationError(
            f"The server of {where} logs statements (binlog_format = STATEMENT), which can't be repeated with the "
            "numbers that capture draws: set binlog_format to MIXED or ROW."
        )
    if binary_log and not trusted and "SUPER" not in granted:
        raise ConfigurationError(
            f"The user {user} may make no triggers on the server of {where}, as it keeps a binary log. Let an "
            "administrator say: SET GLOBAL log_bin_trust_function_creators = ON, and write it into its settings"
        )
    if page < 16384:
        raise ConfigurationError(
            f"The server of {where} has pages of {page} bytes: the replicator needs 16384 or more."
        )


def _account(user: str) -> str:
    name, _, host = str(user).rpartition("@")
    return f"'{name}'@'{host}'"


def _granted(raw: Driver, schema: str) -> set[str]:
    """Privileges of this user, and of the role that it has taken, on the database."""
    user, role = fetch(raw, "SELECT CURRENT_USER(), CURRENT_ROLE()")[0]
    grantees = [_account(user), *([f"'{role}'@''", role] if role else [])]
    slots = ", ".join(["%s"] * len(grantees))
    found = fetch(
        raw,
        f"SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE IN ({slots}) UNION"
        f" SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE IN ({slots})"
        " AND %s LIKE TABLE_SCHEMA",
        [*grantees, *grantees, schema],
    )
    return {privilege for (privilege,) in found}
