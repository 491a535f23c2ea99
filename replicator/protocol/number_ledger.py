"""The host's ledger of one range: who may draw which number, and what became of the others (protocol.md 5.6).

Pure. From the range's first number to its high-water mark each number lies in exactly one *span*: held by a node (what
of that is used, the rows tell), free to be granted again, lost (nobody knows whether it was used) or retired (certainly
unused, and never granted again). Every operation says what it did as events, which are kept for the audit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from replicator.protocol.numbers import HIGHEST, Block


class State(StrEnum):
    HELD = "held"
    FREE = "free"
    LOST = "lost"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers of one fate, both ends included."""

    lowest: int
    highest: int
    state: State
    holder: int = 0
    """Peer that holds it, 0 for the host itself; of a lost or retired one, who held it last."""
    serial: int = 0
    """Of the grant; 0: never granted."""
    reason: str = ""

    @property
    def block(self) -> Block:
        return Block(self.lowest, self.highest, self.serial)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to numbers: `granted`, `claimed`, `returned`, `lost`, `retired`."""

    kind: str
    lowest: int
    highest: int
    holder: int
    reason: str = ""


class Exhausted(Exception):
    """No number is left that a column could hold."""


@dataclass(slots=True)
class Ledger:
    """Load it with the spans that an operation may concern, and store what `changed` says."""

    high_water: int
    """The next number that was never granted."""
    floor: int = 0
    """Below it nothing is granted again: the host was restored then (protocol.md 5.12)."""
    serial: int = 0
    """Of the last grant."""
    highest: int = HIGHEST
    """What the column can hold."""
    spans: dict[int, Span] = field(default_factory=dict)
    """By their lowest number."""
    changed: dict[int, Span | None] = field(default_factory=dict)
    """Spans to be written, or to be deleted (None), by their lowest number."""
    events: list[Event] = field(default_factory=list)

    # --- granting ----------------------------------------------------------------------------------------------------

    def grant(self, holder: int, count: int, above: int | None = None) -> list[Block]:
        """So many numbers, in as few blocks as there are: what was given back first, so that the range stays whole.
        Fewer where the column can't hold so many more.

        `above`: all have to be higher than this one, as some databases count on from their highest key. What lies in
        between is retired. Raises Exhausted, and then nothing was changed.
        """
        taken: list[Block] = []
        if above is None:
            for span in sorted(self._in_state(State.FREE), key=lambda span: span.lowest):
                if count <= 0:
                    return taken
                part = replace(span, highest=min(span.highest, span.lowest + count - 1))
                taken.append(self._hand_out(part, span, holder))
                count -= len(taken[-1])
        if count > 0:
            first = self.high_water if above is None else max(self.high_water, above + 1)
            count = min(count, self.highest - first + 1)
            if count <= 0:
                if taken:
                    return taken
                raise Exhausted
            self.pass_over(first, holder)
            self.high_water = first + count
            fresh = Span(first, self.high_water - 1, State.FREE)
            taken.append(self._hand_out(fresh, None, holder))
        return taken

    def _hand_out(self, part: Span, whole: Span | None, holder: int) -> Block:
        if whole is not None:
            self._take(whole)
            if part.highest < whole.highest:
                self._put(replace(whole, lowest=part.highest + 1))
        self.serial += 1
        given = Span(part.lowest, part.highest, State.HELD, holder, self.serial)
        self._put(given)
        self._note("granted", given)
        return given.block

    def pass_over(self, first: int, holder: int = 0) -> None:
        """The next number is at least this one: those in between are never granted."""
        if first > self.high_water:
            skipped = Span(self.high_water, first - 1, State.RETIRED, holder, reason="passed over")
            self.high_water = first
            self._put(skipped)
            self._note("retired", skipped)

    # --- coming back -------------------------------------------------------------------------------------------------

    def give_back(self, holder: int, lowest: int, highest: int) -> bool:
        """The unused end of a block goes back. False: it is not the end of a block that this node holds."""
        span = next((span for span in self._held_by(holder) if span.highest == highest), None)
        if span is None or not span.lowest <= lowest <= highest:
            return False
        tail = self._cut(span, lowest)
        if highest < self.floor:
            # Another station may have got it after the backup that the host was restored from.
            self._set(tail, State.LOST, "given back after the host was restored")
        else:
            self._note("returned", tail)
            self._free(tail)
        return True

    def retire(self, holder: int, lowest: int, reason: str) -> bool:
        """The rest of a block from this number on is certainly unused and can't be drawn any more."""
        span = next((span for span in self._held_by(holder) if span.lowest <= lowest <= span.highest), None)
        if span is None:
            return False
        self._set(self._cut(span, lowest), State.RETIRED, reason)
        return True

    def end(self, reason: str) -> None:
        """Nothing of this range is granted any more."""
        for span in self._in_state(State.FREE):
            self._set(span, State.RETIRED, reason)

    def leave(self, holder: int, used: Mapping[int, int], reason: str) -> None:
        """A node is gone for good: what lies behind the last number known to be used of each of its blocks, by the
        block's lowest number, is granted next; without one, all of it."""
        for span in list(self._held_by(holder)):
            first = used.get(span.lowest, span.lowest - 1) + 1
            if first > span.highest:
                continue
            tail = self._cut(span, first)
            if tail.highest < self.floor:
                self._set(tail, State.LOST, reason)
            else:
                self._note("returned", replace(tail, reason=reason))
                self._free(tail)

    # --- being set back ----------------------------------------------------------------------------------------------

    def keep_only(self, holder: int, serials: Iterable[int], reason: str) -> None:
        """A node begins anew and names the blocks that it still holds: use of the others is not known for certain."""
        kept = set(serials)
        for span in list(self._held_by(holder)):
            if span.serial not in kept:
                self._set(span, State.LOST, reason)

    def shorten(self, holder: int, block: Block, reason: str, *, passed_by: bool) -> None:
        """A node names a block of which it has given back the end, and this ledger does not know of that: it is of a
        host that was set back, or of another one. Who has got the end since, nobody knows; of keys that were passed by
        (`passed_by`) it is nobody's."""
        span = next((span for span in self._held_by(holder) if span.serial == block.serial), None)
        if span is not None and span.lowest <= block.highest < span.highest:
            self._set(self._cut(span, block.highest + 1), State.RETIRED if passed_by else State.LOST, reason)

    def claim(self, holder: int, block: Block) -> None:
        """A node holds a block that this ledger does not know to be its: the host has forgotten the grant. What of it
        is lost here is held again; the rest is as the ledger says. All spans must be loaded."""
        if block.serial in {span.serial for span in self._held_by(holder)}:
            return
        self._reach(block.highest)
        for span in self._in_state(State.LOST):
            lowest, highest = max(span.lowest, block.lowest), min(span.highest, block.highest)
            if lowest > highest:
                continue
            self._take(span)
            if span.lowest < lowest:
                self._put(replace(span, highest=lowest - 1))
            if highest < span.highest:
                self._put(replace(span, lowest=highest + 1))
            claimed = Span(lowest, highest, State.HELD, holder, block.serial)
            self._put(claimed)
            self._note("claimed", claimed)

    def _reach(self, highest: int) -> None:
        """What others are known to hold was granted, whatever the ledger says."""
        if highest >= self.high_water:
            gap = Span(self.high_water, highest, State.LOST, reason="granted before the host was set back")
            self.high_water = highest + 1
            self.floor = max(self.floor, self.high_water)
            self._put(gap)
            self._note("lost", gap)

    def restored(self, high_water: int, reason: str) -> None:
        """The host was set back to this ledger, and `high_water` is what had been granted up to by then. All spans
        must be loaded. Own blocks, and all that was or may have been granted since, are lost."""
        self.high_water, known = max(high_water, self.high_water), self.high_water
        self.floor = self.high_water
        for span in list(self.spans.values()):
            if span.state is State.FREE or (span.state is State.HELD and not span.holder):
                self._set(span, State.LOST, reason)
        if self.high_water > known:
            gap = Span(known, self.high_water - 1, State.LOST, reason=reason)
            self._put(gap)
            self._note("lost", gap)

    # --- spans -------------------------------------------------------------------------------------------------------

    def _in_state(self, state: State) -> list[Span]:
        return [span for span in self.spans.values() if span.state is state]

    def _held_by(self, holder: int) -> list[Span]:
        return [span for span in self._in_state(State.HELD) if span.holder == holder]

    def _cut(self, span: Span, first: int) -> Span:
        """Take the end of a held span out of it; what is before stays with its holder."""
        self._take(span)
        if first > span.lowest:
            self._put(replace(span, highest=first - 1))
        return replace(span, lowest=first)

    def _set(self, span: Span, state: State, reason: str) -> None:
        after = replace(span, state=state, reason=reason)
        self._put(after)
        self._note(str(state), after)

    def _free(self, span: Span) -> None:
        """Neighbours that are free become one, so that they are granted as one block."""
        lowest, highest = span.lowest, span.highest
        for other in self._in_state(State.FREE):
            if other.highest == lowest - 1 or other.lowest == highest + 1:
                self._take(other)
                lowest, highest = min(lowest, other.lowest), max(highest, other.highest)
        self._put(Span(lowest, highest, State.FREE))

    def _put(self, span: Span) -> None:
        self.spans[span.lowest] = self.changed[span.lowest] = span

    def _take(self, span: Span) -> None:
        del self.spans[span.lowest]
        self.changed[span.lowest] = None

    def _note(self, kind: str, span: Span) -> None:
        self.events.append(Event(kind, span.lowest, span.highest, span.holder, span.reason))
