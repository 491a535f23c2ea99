"""The journal as it grows: what is new since the last look, group by group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace

from replicator.errors import DatabaseBusy
from replicator.operations.database_login import open_of
from replicator.operations.journal_filters import Filter, Spot, gone, search_of
from replicator.operations.journal_lines import Describing
from replicator.operations.journal_pages import Found, Looking
from replicator.operations.opening import View, view_of
from replicator.runtime import Runtime
from replicator.store import purging
from replicator.store.home import Home

Take = Callable[[Describing, Found], None]
"""What is done with each entry that is found."""
Tell = Callable[[str], None]

PAGE = 1_000
"""Entries looked for at a time."""


@contextmanager
def following(home: Home, runtime: Runtime, chosen: Filter) -> Iterator[Following]:
    """The node's journal, to be looked at again and again; its database stays open in between."""
    configuration = home.load_configuration()
    with closing(open_of(configuration, runtime)) as database:

        @contextmanager
        def look() -> Iterator[View]:
            with view_of(home, configuration, database, runtime) as view:
                yield view

        with look() as view:
            search_of(view, chosen)  # what is wrong with it is told at once
            seen = _complete(view) if chosen.after is None else chosen.after.n
            entry = None if chosen.after is None else chosen.after.entry
        yield Following(look, chosen, seen, entry)


@dataclass
class Following:
    """Up to where the journal was shown."""

    look: Callable[[], AbstractContextManager[View]]
    chosen: Filter
    seen: int
    """All up to this group, or up to an entry of it, was shown."""
    entry: int | None = None

    def new(self, take: Take, tell: Tell) -> int:
        """Show what has come. `tell`: what a person should know. Gives how many; a busy database is asked later."""
        try:
            with self.look() as view:
                return self._new(view, take, tell)
        except DatabaseBusy:
            return 0

    def _new(self, view: View, take: Take, tell: Tell) -> int:
        complete = _complete(view)
        if view.node.last_n < self.seen:
            tell(f"the journal ends with group {view.node.last_n} now: its database was set back")
            self.seen, self.entry = complete, None
            return 0
        oldest = purging.oldest_group(view.connection)
        if oldest is not None and oldest[0] > self.seen + 1:
            tell(f"some was purged before it was shown: {gone(view, oldest[0] - 1)}")
            self.seen, self.entry = oldest[0] - 1, None
        count = 0
        # Groups that a collect has not finished are shown when they are whole.
        end = Spot(complete + 1)
        while self.seen < complete:
            chosen = replace(self.chosen, after=Spot(self.seen, None, self.entry), before=None)
            search = search_of(view, chosen)
            bound = min(search.wanted.before or end.start, end.start)
            search = replace(search, wanted=replace(search.wanted, before=bound))
            looking = Looking(view, search, newest=False, bound=None)
            last = None
            for found in looking.found(PAGE):
                take(looking.describing, found)
                last, count = found, count + 1
            if last is None or looking.ended:
                self.seen, self.entry = complete, None
            else:
                self.seen, self.entry = last.group.n, None if last.change is None else last.change.order + 1
        return count


def _complete(view: View) -> int:
    """The last group that is whole."""
    return view.node.open_group - 1 if view.node.open_group else view.node.last_n
