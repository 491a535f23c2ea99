"""The two schemas that a node works in: one has the application's tables, the other one has ours.

`?schema=sales` at the end of the URL names the application's; ours is `replicator_sales` then, and so several nodes
have room in one database. Without it ours is `replicator`, and the application's is the one in which our captures
stand. While there are none yet, it is the first of the search path that the role is given: a path that is changed later
must not lead a node to other tables of the same names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from sqlalchemy import URL

from replicator.databases.postgresql.statements import Driver, quoted, scalar
from replicator.errors import ConfigurationError

PARAMETER = "schema"
_DEFAULT = "replicator"
_LONGEST = 63
"""Bytes of a name; PostgreSQL cuts off the rest."""
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)

_CAPTURED = """
SELECT n.nspname::text FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE starts_with(t.tgname::text, '!replicator_') AND f.pronamespace = to_regnamespace(%s)
GROUP BY n.nspname ORDER BY count(*) DESC, n.nspname LIMIT 1
"""

# Schemas of other nodes' own tables may be on the path as well: by "$user", where the role is named like one of them.
_FIRST = """
SELECT u.name::text FROM unnest(%s::text[]) WITH ORDINALITY u (name, place)
WHERE u.name <> %s
  AND NOT (u.name ~ '^replicator(_|$)' AND to_regclass(format('%%I.change_id', u.name)) IS NOT NULL)
ORDER BY u.place LIMIT 1
"""


class Schemas(NamedTuple):
    application: str
    """Name of the one that the application's tables stand in."""
    ours: str

    @property
    def lock(self) -> int:
        """Key of the advisory lock that every writing transaction of ours holds; a bigint of the node's own."""
        return int.from_bytes(blake2b(self.ours.encode(), digest_size=8).digest(), signed=True)

    @property
    def ours_sql(self) -> str:
        return self.ours if _PLAIN.fullmatch(self.ours) else quoted(self.ours)

    def own(self, name: str) -> str:
        """A table, sequence or function of ours, as SQL."""
        return f"{self.ours_sql}.{name}"

    def table(self, name: str) -> str:
        """A table of the application, as SQL."""
        return f"{quoted(self.application)}.{quoted(name)}"


def named_in(url: URL) -> str | None:
    """The application's schema, where the URL names it. Raises ConfigurationError."""
    found = url.query.get(PARAMETER)
    if found is None:
        return None
    if not isinstance(found, str) or not found or not found.isprintable():
        raise ConfigurationError("The database URL's parameter 'schema' must name one schema: …?schema=sales")
    if len(f"{_DEFAULT}_{found}".encode()) > _LONGEST:
        raise ConfigurationError(
            f"The schema {found} has too long a name: ours would be {_DEFAULT}_{found}, of more than {_LONGEST} bytes."
        )
    return found


def ours_beside(application: str | None) -> str:
    """Name of our schema, for an application's schema that the URL names or not."""
    return _DEFAULT if application is None else f"{_DEFAULT}_{application}"


def find(raw: Driver, named: str | None, path: Sequence[str]) -> Schemas:
    """Both, by the search path that the role was given."""
    schemas = Schemas(named or "public", ours_beside(named))
    if named is not None:
        return schemas
    application = scalar(raw, _CAPTURED, (schemas.ours_sql,)) or scalar(raw, _FIRST, (list(path), schemas.ours))
    return schemas if application is None else schemas._replace(application=application)
