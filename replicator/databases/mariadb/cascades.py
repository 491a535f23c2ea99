"""Foreign keys that delete or empty their children: MariaDB does that without firing the children's triggers.

What a cascade does would not be captured (protocol.md 7.2). So a replicated table may not have one. In its place a
trigger of the parent, `replicator_children_N…`, does the same in statements that fire triggers: it deletes or empties
the rows of the child table that refer to the row, before that goes. Tables that we make get it, others where their
owner consents (replacing.py). Changes of a parent's key don't cascade: they are refused as long as there are children.

What the key did stands in the trigger itself, so that the two are there together or not at all, and in a form that
dumps keep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import quote, unquote

from replicator.databases.mariadb.catalogue import LocalForeignKey, LocalTrigger
from replicator.databases.mariadb.limits import REPLACED
from replicator.databases.mariadb.statements import APPLYING, Driver, look_up, quoted
from replicator.databases.own_names import OURS
from replicator.errors import UnfitTable
from replicator.types import ForeignKey

_PREFIX = f"{OURS}children_"
_RECORD = re.compile(r"BEGIN DECLARE in_place_of TEXT DEFAULT '([^']*)'; ")


class Original(NamedTuple):
    """The foreign key that a trigger of ours stands for."""

    child: str
    constraint: str
    """Its name."""
    on_delete: str
    on_update: str


class Standing(NamedTuple):
    """A trigger of ours as it is there."""

    name: str
    parent: str
    body: str
    original: Original | None
    """None: somebody has changed it."""


def require_none(table: str, key: LocalForeignKey) -> None:
    """Raises UnfitTable where the key does what triggers don't see."""
    for event, action in (("DELETE", key.on_delete), ("UPDATE", key.on_update)):
        if action != "NO ACTION":
            raise UnfitTable(
                f"The foreign key {key.name} of table {table} has ON {event} {action}, which MariaDB does without "
                "firing triggers, so it would not be noticed here: have it done by a trigger, with "
                f"'replicator table add {table} --replace-cascades' at the host, or make it RESTRICT."
            )


def trigger_name(child: str, key: ForeignKey | LocalForeignKey) -> str:
    text = "\0".join([child, *key.columns, "", key.parent, *key.parent_columns])
    return f"{_PREFIX}{blake2b(text.encode(), digest_size=8).hexdigest()}"


def statement(key: ForeignKey | LocalForeignKey, original: Original, follows: str | None = None) -> str:
    """The trigger. `follows`: the application's last one, which may want to see the children."""
    after = f" FOLLOWS {quoted(follows)}" if follows else ""
    return (
        f"CREATE OR REPLACE TRIGGER {quoted(trigger_name(original.child, key))} BEFORE DELETE ON"
        f" {quoted(key.parent)} FOR EACH ROW{after} {body(key, original)}"
    )


def drop_statement(schema: str, name: str) -> str:
    return f"DROP TRIGGER IF EXISTS {quoted(schema)}.{quoted(name)}"


def body(key: ForeignKey | LocalForeignKey, original: Original) -> str:
    """Without the database's name: the trigger is right in a copy of another name, too."""
    table = quoted(original.child)
    pairs = zip(key.columns, key.parent_columns, strict=True)
    which = " AND ".join(f"{quoted(own)} = OLD.{quoted(theirs)}" for own, theirs in pairs)
    empty = ", ".join(f"{quoted(own)} = NULL" for own in key.columns)
    does = {"CASCADE": f"DELETE FROM {table} WHERE {which}", "SET NULL": f"UPDATE {table} SET {empty} WHERE {which}"}
    what = does.get(original.on_delete)
    # No quotes and no backslashes: the catalogue shows literals otherwise than they were written.
    record = "; ".join(quote(text, safe=" ") for text in original)
    acts = f"IF {APPLYING} IS NULL THEN {what}; END IF; " if what else ""
    return f"BEGIN DECLARE in_place_of TEXT DEFAULT '{record}'; {acts}END"


def last_before_delete(triggers: Iterable[LocalTrigger]) -> str | None:
    """The application's trigger of a parent that fires last before a row goes."""
    others = [each.name for each in triggers if each.event == "DELETE" and each.timing == "BEFORE" and not each.is_ours]
    return others[-1] if others else None


def refuse_itself(table: str, key: LocalForeignKey) -> None:
    if key.parent == table:
        action = f"ON DELETE {key.on_delete}" if key.on_delete in REPLACED else f"ON UPDATE {key.on_update}"
        raise UnfitTable(
            f"Table {table} refers to itself with {action}, which MariaDB does without firing triggers, and which no "
            "trigger can do instead, as none may write to its own table: make it RESTRICT."
        )


# --- what is there ----------------------------------------------------------------------------------------------------


def standing(raw: Driver, schema: str) -> dict[str, Standing]:
    """Such triggers by name."""
    found = look_up(
        raw,
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS"
        " WHERE TRIGGER_SCHEMA = %s AND TRIGGER_NAME LIKE %s",
        (schema, _PREFIX.replace("_", "\\_") + "%"),
    )
    return {name: Standing(name, parent, body, _recorded(body)) for name, parent, body in found}


def _recorded(body: str) -> Original | None:
    match = _RECORD.match(body)
    if match is None:
        return None
    texts = [unquote(text) for text in match[1].split("; ")]
    return Original(*texts) if len(texts) == len(Original._fields) else None


def original_of(triggers: dict[str, Standing], child: str, key: LocalForeignKey) -> Original | None:
    """What the key did before a trigger took its place; None: none has, or it is no longer as we made it."""
    found = triggers.get(trigger_name(child, key))
    if found is None or found.original is None or found.parent != key.parent:
        return None
    return found.original if found.body == body(key, found.original) else None


def action_of(triggers: dict[str, Standing], child: str, key: LocalForeignKey) -> str:
    """What happens to the rows of `child` when their parent is deleted: by the key, or by our trigger instead."""
    original = original_of(triggers, child, key)
    return key.on_delete if original is None or key.on_delete != "NO ACTION" else original.on_delete
