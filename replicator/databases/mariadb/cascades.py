"""Foreign keys that delete or empty their children: MariaDB does that without firing the children's triggers.

What a cascade does would not be captured (protocol.md 7.2). So a replicated table may not have one; in a table that we
make, a trigger of the parent does the same in statements that fire triggers: `replicator_children_N_…` deletes or
empties the rows of child table that refer to the row, before that goes. Changes of a parent's key don't cascade: they
are refused as long as there are children.
"""

from __future__ import annotations

from hashlib import blake2b

from replicator.databases.mariadb.catalogue import LocalForeignKey
from replicator.databases.mariadb.limits import REPLACED
from replicator.databases.mariadb.statements import APPLYING, OURS, Driver, fetch, quoted
from replicator.errors import UnfitTable
from replicator.types import ForeignKey, TableDefinition

_PREFIX = f"{OURS}children_"


def require_none(table: str, key: LocalForeignKey) -> None:
    """Raises UnfitTable where the key does what triggers don't see."""
    for event, action in (("DELETE", key.on_delete), ("UPDATE", key.on_update)):
        if action != "NO ACTION":
            raise UnfitTable(
                f"The foreign key {key.name} of table {table} has ON {event} {action}, which MariaDB does without "
                "firing triggers, so it would not be noticed here: make it RESTRICT, and let the application do it, or "
                f"a BEFORE {event} trigger of table {key.parent}."
            )


def trigger_name(child: str, key: ForeignKey) -> str:
    text = "\0".join([child, *key.columns, "", key.parent, *key.parent_columns])
    return f"{_PREFIX}{blake2b(text.encode(), digest_size=8).hexdigest()}"


def statements(schema: str, definition: TableDefinition) -> list[str]:
    """Triggers that do what the definition's foreign keys do on delete. One that refers to itself has none (limits)."""
    made = []
    for key in definition.foreign_keys:
        if key.on_delete not in REPLACED:
            continue
        made.append(
            f"CREATE OR REPLACE TRIGGER {quoted(schema)}.{quoted(trigger_name(definition.name, key))} BEFORE DELETE ON"
            f" {quoted(schema)}.{quoted(key.parent)} FOR EACH ROW {body(schema, definition.name, key)}"
        )
    return made


def body(schema: str, child: str, key: ForeignKey) -> str:
    table = f"{quoted(schema)}.{quoted(child)}"
    pairs = zip(key.columns, key.parent_columns, strict=True)
    which = " AND ".join(f"{quoted(own)} = OLD.{quoted(theirs)}" for own, theirs in pairs)
    if key.on_delete == "CASCADE":
        what = f"DELETE FROM {table} WHERE {which}"
    else:
        what = f"UPDATE {table} SET {', '.join(f'{quoted(own)} = NULL' for own in key.columns)} WHERE {which}"
    return f"IF {APPLYING} IS NULL THEN {what}; END IF"


def action_of(standing: dict[str, str], schema: str, child: str, key: LocalForeignKey) -> str:
    """What happens to the rows of `child` when their parent is deleted: by the key, or by our trigger instead."""
    for action in sorted(REPLACED):
        wanted = ForeignKey(key.columns, key.parent, key.parent_columns, action)
        if standing.get(trigger_name(child, wanted)) == body(schema, child, wanted):
            return action
    return key.on_delete


def standing(raw: Driver, schema: str) -> dict[str, str]:
    """Bodies of such triggers by name."""
    found = fetch(
        raw,
        "SELECT TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s"
        " AND TRIGGER_NAME LIKE %s",
        (schema, _PREFIX.replace("_", "\\_") + "%"),
    )
    return dict(found)
