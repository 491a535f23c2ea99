"""Write, then look: what another writer did between our look at a row and our write of it (protocol.md 7.3).

Where the application may write meanwhile, rows are decided on as they stood when they were read, then written, which
locks them, and then looked at once more: an un-collected change of such a row was committed before our lock, so the
decision did not know it. All is rolled back then, and the batch is decided anew behind a collect. What comes later
waits for our lock and finds our row. That needs no lock before the decision and is as safe: nothing of it is seen by
anybody until the commit.

Parents of written rows are held from the moment they are looked up (`find_keys`, `hold`). Children of deleted rows can
come only before the delete: they are counted again after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.engine.node import Unit
from replicator.errors import ChangedMeanwhile
from replicator.protocol.working_set import TableState
from replicator.types import Image, Key


@dataclass(frozen=True, slots=True)
class Written:
    """What one flush writes of a table. Made before it is written."""

    state: TableState
    keys: list[Key]
    gone: list[Image]
    """Rows that are deleted, as far as others may refer to them."""

    @classmethod
    def of(cls, unit: Unit, state: TableState) -> Written:
        keys = list(state.dirty_rows)
        gone: list[Image] = []
        if state.children:
            deleted = [key for key in keys if key not in state.rows]
            gone = list(unit.database.read_images(unit.connection, state.table, deleted).values())
        return cls(state, keys, gone)

    def require_unchanged(self, unit: Unit) -> None:
        """Raises ChangedMeanwhile."""
        if unit.database.pending_keys(unit.connection, self.state.table, self.keys):
            raise ChangedMeanwhile(
                f"The application has just changed rows of table {self.state.table.name}: try again."
            )
        for count in self.state.children if self.gone else ():
            wanted = {
                values
                for image in self.gone
                if None not in (values := tuple(image[index] for index in count.parent_indexes))
            }
            columns = count.foreign_key.columns
            found = unit.database.count_rows(unit.connection, count.child, columns, wanted)
            as_child = unit.database.comparable(count.child, columns)
            for values in wanted:
                value = count.comparable(values)
                if found.get(as_child(values), 0) > (0 if value is None else count.counts.get(value, 0)):
                    raise ChangedMeanwhile(
                        f"The application has just added rows of table {count.child.name} to a row that is deleted: "
                        "try again."
                    )
