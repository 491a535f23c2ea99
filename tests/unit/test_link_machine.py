"""Two ends over a channel that loses, doubles, delays and replays, driven by Hypothesis; at the end all drains."""

from __future__ import annotations

import copy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from small_link import End, Mail, pair

from replicator.protocol.link import DAY, MINUTE, Heard

sides = st.sampled_from([0, 1])


class LossyLink(RuleBasedStateMachine):
    """Each end's mail box holds all mail for it, in no order; `ever` all that was ever sent, for replays."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: tuple[End, End] = pair()
        self.boxes: tuple[list[Mail], list[Mail]] = ([], [])
        self.ever: tuple[list[Mail], list[Mail]] = ([], [])
        self.now = 1
        self.count = 0

    def post(self, side: int, *, hello: bool = False) -> int:
        mails = self.ends[side].send(self.now, hello=hello)
        for mail in mails:
            self.boxes[1 - side].append(mail)
            self.ever[1 - side].append(copy.deepcopy(mail))
        return len(mails)

    def take(self, side: int, mail: Mail) -> None:
        heard = self.ends[side].receive(copy.deepcopy(mail), self.now)
        assert heard not in (Heard.SET_BACK, Heard.SUCCESSOR), "nobody was set back"

    @rule(side=sides, length=st.integers(1, 14))
    def write(self, side: int, length: int) -> None:
        self.count += 1
        self.ends[side].write(bytes([self.count % 251]) * length)

    @rule(side=sides, hello=st.booleans())
    def send(self, side: int, hello: bool) -> None:
        self.post(side, hello=hello)

    @rule(side=sides, data=st.data())
    def deliver(self, side: int, data: st.DataObject) -> None:
        if box := self.boxes[side]:
            self.take(side, box.pop(data.draw(st.integers(0, len(box) - 1))))

    @rule(side=sides)
    def deliver_all(self, side: int) -> None:
        while box := self.boxes[side]:
            self.take(side, box.pop(0))

    @rule(side=sides, data=st.data())
    def lose(self, side: int, data: st.DataObject) -> None:
        if box := self.boxes[side]:
            box.pop(data.draw(st.integers(0, len(box) - 1)))

    @precondition(lambda self: any(self.ever))
    @rule(side=sides, data=st.data())
    def replay(self, side: int, data: st.DataObject) -> None:
        if ever := self.ever[side]:
            self.take(side, ever[data.draw(st.integers(0, len(ever) - 1))])

    @rule(side=sides)
    def lock_or_free(self, side: int) -> None:
        end = self.ends[side]
        end.locked = not end.locked
        end.apply()

    @rule(minutes=st.sampled_from([1, 15, 60, 3000]))
    def wait(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    @invariant()
    def each_applies_what_the_other_wrote_in_order(self) -> None:
        for here, there in (self.ends, self.ends[::-1]):
            assert there.applied == here.written[: len(there.applied)]
            assert here.link.out.acknowledged <= len(there.applied)
            assert here.link.out.unacknowledged_bytes == sum(len(batch.content) for batch in here.batches.values())

    def teardown(self) -> None:
        """Fair mail from here on: everything drains, and then nobody has anything to say."""
        for end in self.ends:
            end.locked = False
            end.apply()
        for _ in range(40):
            self.now += DAY
            for side in (0, 1):
                self.deliver_all(1 - side)
                self.post(side)
        for here, there in (self.ends, self.ends[::-1]):
            assert there.applied == here.written
            assert here.link.out.acknowledged == here.link.out.n
            assert not here.batches
            assert not here.send(self.now + DAY)


TestLossyLink = LossyLink.TestCase
TestLossyLink.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
