"""Numbers that the database hands out for keys (identity columns, `serial`) beside numbers that come from elsewhere.

A row that comes brings its number along and no sequence knows of it: the application's next insert would be refused, as
its number is taken. So the sequence is moved on past numbers that come, as SQLite and MariaDB count on by themselves;
but not past one that lies far ahead, which is another place's own range. Keys that are drawn from blocks stay in them:
no other place has numbers of these, and how far they are is nobody else's business (numbers).
"""

from __future__ import annotations

from collections.abc import Sequence

from replicator.databases.postgresql.here import Here
from replicator.databases.postgresql.numbers import PREFIX
from replicator.databases.postgresql.statements import Driver, execute, fetch
from replicator.types import Image, TypeKind

NEAR = 10_000
"""Numbers that lie so far ahead of the last one handed out are of another range."""

# A sequence that our role may not use is left alone: that is no reason to refuse a row.
_SEQUENCE = """
SELECT s.oid::regclass::text FROM pg_get_serial_sequence(%s, %s) AS named (name)
JOIN pg_class s ON s.oid = named.name::regclass JOIN pg_sequence q ON q.seqrelid = s.oid
WHERE q.seqincrement = 1 AND has_sequence_privilege(s.oid, 'SELECT') AND has_sequence_privilege(s.oid, 'UPDATE')
AND NOT EXISTS (SELECT 1 FROM pg_trigger t JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr)
  WHERE t.tgrelid = to_regclass(%s) AND starts_with(t.tgname::text, %s) AND a.attname = %s)
"""


def pass_over(raw: Driver, here: Here, images: Sequence[Image]) -> None:
    """After these rows were written: the numbers of those near ahead are not handed out any more."""
    definition = here.definition
    key = definition.columns[definition.key_indexes[0]]
    if len(definition.primary_key) != 1 or key.type.kind is not TypeKind.INTEGER:
        return
    if here.sequence is None:
        found = fetch(raw, _SEQUENCE, (here.place, key.name, here.place, PREFIX, key.name))
        here.sequence = found[0][0] if found else ""
    if not here.sequence:
        return
    place = definition.key_indexes[0]
    ((last, used),) = fetch(raw, f"SELECT last_value, is_called FROM {here.sequence}")
    ahead = [image[place] for image in images if type(image[place]) is int and image[place] >= last]
    if not used and ahead:
        execute(raw, "SELECT setval(%s::regclass, %s)", (here.sequence, max(ahead)))
        return
    near = [number for number in ahead if last < number <= last + NEAR]
    if near:
        # Drawn one by one: setting it would take back what the application draws at this very moment.
        execute(raw, "SELECT max(nextval(%s::regclass)) FROM generate_series(1, %s)", (here.sequence, max(near) - last))
