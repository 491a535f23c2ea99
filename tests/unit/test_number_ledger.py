"""The ledger of a range, driven by Hypothesis against a plain model: one entry a number, no spans and no blocks."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from replicator.protocol.number_ledger import Event, Exhausted, Ledger, Span, State
from replicator.protocol.numbers import Block

HOST, KOELN, LAPTOP = 0, 1, 2
nodes = st.sampled_from([HOST, KOELN, LAPTOP])


@dataclass
class Place:
    """A node as it draws: blocks in hand with the next number of each, and a backup of that."""

    blocks: list[tuple[Block, int]] = field(default_factory=list)
    backup: list[tuple[Block, int]] | None = None


class LedgerMachine(RuleBasedStateMachine):
    """The model knows of each number what it is by itself; `used` are those that an application has committed."""

    @initialize(start=st.integers(1, 50))
    def begin(self, start: int) -> None:
        self.start = start
        self.ledger = Ledger(high_water=start)
        self.fate: dict[int, tuple[State, int]] = {}
        self.used: set[int] = set()
        self.places = {HOST: Place(), KOELN: Place(), LAPTOP: Place()}
        self.gone: set[int] = set()

    # --- the host ----------------------------------------------------------------------------------------------------

    @rule(holder=nodes, count=st.integers(1, 9))
    def grant(self, holder: int, count: int) -> None:
        if holder in self.gone:
            return
        free = sorted(number for number, (state, _) in self.fate.items() if state is State.FREE)
        expected = free[:count]
        expected += range(self.ledger.high_water, self.ledger.high_water + count - len(expected))
        blocks = self.ledger.grant(holder, count)
        assert [number for block in blocks for number in range(block.lowest, block.highest + 1)] == expected
        for number in expected:
            assert number not in self.used, "granted though it was used"
            self.fate[number] = (State.HELD, holder)
        self.places[holder].blocks += [(block, block.lowest) for block in blocks]

    @rule(holder=nodes, count=st.integers(1, 5), ahead=st.integers(0, 9))
    def leapfrog(self, holder: int, count: int, ahead: int) -> None:
        """Keys: the new block lies above a key that came from elsewhere."""
        if holder in self.gone:
            return
        above = self.ledger.high_water + ahead - 3
        first = max(self.ledger.high_water, above + 1)
        (block,) = self.ledger.grant(holder, count, above)
        assert (block.lowest, len(block)) == (first, count)
        for number in range(max(self.fate, default=self.start - 1) + 1, first):
            self.fate[number] = (State.RETIRED, holder)
        for number in range(first, first + count):
            self.fate[number] = (State.HELD, holder)
        self.places[holder].blocks.append((block, first))

    @rule(data=st.data())
    def host_restored(self, data: st.DataObject) -> None:
        """The ledger that comes back is an older one: here as much is forgotten as had been granted last."""
        self.ledger.restored(self.ledger.high_water + data.draw(st.integers(0, 6)), "restored")
        for number, (state, holder) in list(self.fate.items()):
            if state is State.FREE or (state is State.HELD and holder == HOST):
                self.fate[number] = (State.LOST, holder)
        for number in range(max(self.fate, default=self.start - 1) + 1, self.ledger.high_water):
            self.fate[number] = (State.LOST, HOST)
        self.places[HOST].blocks = []

    # --- a node ------------------------------------------------------------------------------------------------------

    @rule(holder=nodes, rolled_back=st.booleans())
    def draw(self, holder: int, rolled_back: bool) -> None:
        blocks = self.places[holder].blocks
        which = next((place for place, (block, following) in enumerate(blocks) if following <= block.highest), None)
        if which is None or rolled_back:
            return
        block, number = blocks[which]
        assert number not in self.used, "issued twice"
        self.used.add(number)
        blocks[which] = (block, number + 1)

    @rule(holder=nodes)
    def give_back(self, holder: int) -> None:
        blocks = self.places[holder].blocks
        for place, (block, following) in enumerate(blocks):
            if following <= block.highest:
                assert self.ledger.give_back(holder, following, block.highest)
                state = State.LOST if block.highest < self.ledger.floor else State.FREE
                for number in range(following, block.highest + 1):
                    self.fate[number] = (state, holder)
                blocks[place] = (Block(block.lowest, following - 1, block.serial), following)

    @rule(holder=nodes)
    def back_up(self, holder: int) -> None:
        self.places[holder].backup = list(self.places[holder].blocks)

    @rule(holder=st.sampled_from([KOELN, LAPTOP]), keep=st.booleans())
    def station_restored(self, holder: int, keep: bool) -> None:
        """`keep`: it only answers a host that was restored, and goes on with its blocks."""
        place = self.places[holder]
        if holder in self.gone:
            return
        held = [block.serial for block, _ in place.blocks] if keep else []
        self.ledger.keep_only(holder, held, "restored")
        if not keep:
            place.blocks = []
            for number, fate in list(self.fate.items()):
                if fate == (State.HELD, holder):
                    self.fate[number] = (State.LOST, holder)

    @rule(holder=st.sampled_from([KOELN, LAPTOP]))
    def removed(self, holder: int) -> None:
        """Once: a station's number is never given to another one."""
        place = self.places[holder]
        if holder in self.gone:
            return
        self.gone.add(holder)
        used = {block.lowest: following - 1 for block, following in place.blocks if following > block.lowest}
        self.ledger.leave(holder, used, "removed")
        for block, following in place.blocks:
            for number in range(following, block.highest + 1):
                self.fate[number] = (State.LOST if block.highest < self.ledger.floor else State.FREE, holder)
        place.blocks = []

    @rule(holder=nodes)
    def retire(self, holder: int) -> None:
        blocks = self.places[holder].blocks
        for place, (block, following) in enumerate(blocks):
            if following <= block.highest:
                assert self.ledger.retire(holder, following, "leapfrogged")
                for number in range(following, block.highest + 1):
                    self.fate[number] = (State.RETIRED, holder)
                blocks[place] = (Block(block.lowest, following - 1, block.serial), following)
                return

    # --- what must be true -------------------------------------------------------------------------------------------

    @invariant()
    def each_number_has_one_fate(self) -> None:
        """S7: all below the high-water mark is accounted for; S6: nothing twice, nothing issued and free."""
        if not hasattr(self, "ledger"):
            return
        told: dict[int, tuple[State, int]] = {}
        for lowest, span in self.ledger.spans.items():
            assert lowest == span.lowest <= span.highest
            for number in range(span.lowest, span.highest + 1):
                assert number not in told, "in two spans"
                told[number] = (span.state, span.holder)
        assert set(told) == set(range(self.start, self.ledger.high_water))
        for number, (state, holder) in self.fate.items():
            assert told[number][0] is state
            if state is State.HELD:
                assert told[number][1] == holder
        assert not self.used & {number for number, (state, _) in told.items() if state in (State.FREE, State.RETIRED)}

    @invariant()
    def what_is_stored_is_what_is_known(self) -> None:
        if not hasattr(self, "ledger"):
            return
        stored = {lowest: span for lowest, span in self.ledger.changed.items() if span is not None}
        assert stored == self.ledger.spans

    @invariant()
    def free_neighbours_are_one(self) -> None:
        if not hasattr(self, "ledger"):
            return
        free = [span for span in self.ledger.spans.values() if span.state is State.FREE]
        assert not {span.highest + 1 for span in free} & {span.lowest for span in free}


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_events_tell_what_happened_to_which_numbers() -> None:
    ledger = Ledger(high_water=1)
    ledger.grant(KOELN, 10)
    assert ledger.give_back(KOELN, 4, 10)
    ledger.grant(LAPTOP, 9)
    ledger.keep_only(LAPTOP, [], "laptop was restored")
    assert ledger.events == [
        Event("granted", 1, 10, KOELN),
        Event("returned", 4, 10, KOELN),
        Event("granted", 4, 10, LAPTOP),
        Event("granted", 11, 12, LAPTOP),
        Event("lost", 4, 10, LAPTOP, "laptop was restored"),
        Event("lost", 11, 12, LAPTOP, "laptop was restored"),
    ]
    assert ledger.spans[1] == Span(1, 3, State.HELD, KOELN, 1)


@pytest.mark.parametrize(("lowest", "highest"), [(4, 9), (0, 10), (11, 12)])
def test_only_the_end_of_a_block_that_one_holds_goes_back(lowest: int, highest: int) -> None:
    ledger = Ledger(high_water=1)
    ledger.grant(KOELN, 10)
    assert not ledger.give_back(KOELN, lowest, highest)
    assert not ledger.give_back(LAPTOP, 5, 10)
    assert not ledger.retire(LAPTOP, 5, "")


def test_a_column_that_is_full_grants_what_is_free_and_then_nothing() -> None:
    ledger = Ledger(high_water=1, highest=12)
    ledger.grant(KOELN, 10)
    ledger.give_back(KOELN, 6, 10)
    assert ledger.grant(LAPTOP, 9) == [Block(6, 10, 2), Block(11, 12, 3)]
    with pytest.raises(Exhausted):
        ledger.grant(LAPTOP, 1)
    ledger.give_back(LAPTOP, 12, 12)
    assert ledger.grant(KOELN, 9) == [Block(12, 12, 4)]


def test_what_is_given_back_after_the_host_was_restored_is_not_granted_again() -> None:
    ledger = Ledger(high_water=1)
    ledger.grant(KOELN, 10)
    ledger.restored(21, "the host was restored")
    assert ledger.give_back(KOELN, 3, 10)
    assert [(span.lowest, span.highest, span.state) for span in ledger.spans.values()] == [
        (11, 20, State.LOST),
        (1, 2, State.HELD),
        (3, 10, State.LOST),
    ]
    assert ledger.grant(LAPTOP, 5) == [Block(21, 25, 2)]


@pytest.mark.parametrize(("passed_by", "state"), [(False, "lost"), (True, "retired")])
def test_an_end_that_was_given_back_to_a_host_that_is_no_more(passed_by: bool, state: str) -> None:
    ledger = Ledger(high_water=1)
    (block,) = ledger.grant(KOELN, 10)
    ledger.grant(LAPTOP, 10)
    ledger.shorten(KOELN, block, "given back", passed_by=passed_by)
    ledger.shorten(LAPTOP, Block(1, 4, block.serial), "given back", passed_by=passed_by)
    assert ledger.spans[1].highest == 10, "it has it whole; and another one has no part in it"
    ledger.shorten(KOELN, Block(1, 4, block.serial), "given back", passed_by=passed_by)
    assert sorted((span.lowest, span.highest, str(span.state), span.holder) for span in ledger.spans.values()) == [
        (1, 4, "held", KOELN),
        (5, 10, state, KOELN),
        (11, 20, "held", LAPTOP),
    ]
    assert not ledger.give_back(KOELN, 5, 10), "said once more by its journal"
    assert not ledger.retire(KOELN, 5, "passed by")


def test_a_station_claims_what_a_restored_host_has_forgotten() -> None:
    ledger = Ledger(high_water=1)
    ledger.grant(KOELN, 10)
    ledger.restored(31, "the host was restored")
    ledger.claim(KOELN, Block(1, 10, 1))
    ledger.claim(KOELN, Block(14, 17, 2))
    ledger.claim(LAPTOP, Block(28, 35, 3))
    assert sorted((span.lowest, span.highest, str(span.state), span.holder) for span in ledger.spans.values()) == [
        (1, 10, "held", KOELN),
        (11, 13, "lost", HOST),
        (14, 17, "held", KOELN),
        (18, 27, "lost", HOST),
        (28, 30, "held", LAPTOP),
        (31, 35, "held", LAPTOP),
    ]
    assert ledger.give_back(KOELN, 16, 17)
    assert ledger.grant(LAPTOP, 3) == [Block(36, 38, 2)], "nothing from before the restore"
