"""Waiting for mail at several mailboxes at once, without a thread for each.

One of them waits in its own way (a server tells); while it does, it asks again and again whether it is to stop, and the
folders among the others are looked into then, which costs next to nothing. Of several servers only the first tells: at
the others mail is found when a run comes by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from threading import Event

from replicator.engine.mailboxes import TROUBLE, NodeMailbox
from replicator.transport.base import Mailbox

LOOK_SECONDS = 1.0
"""How often the folders are looked into."""


def wait_for_mail(boxes: Sequence[NodeMailbox], seconds: float, ended: Event) -> None:
    """Until mail comes that the last run did not see, a folder that was missing is there, `seconds` are over, or
    `ended` is set.

    Raises MailboxTrouble where there is one mailbox only; of several, one that is away is left to the next run.
    """
    with ExitStack() as stack:
        for box in boxes:
            stack.enter_context(box.mailbox)
        first = next((box for box in boxes if not box.is_folder), boxes[0])
        if len(boxes) == 1:
            first.mailbox.wait(seconds, ended)
            return
        looking = Looking(ended, [box.mailbox for box in boxes if box.is_folder and box is not first])
        began = looking.clock()
        try:
            first.mailbox.wait(seconds, looking)
        except TROUBLE:
            looking.wait(max(0.0, seconds - (looking.clock() - began)))


class Looking(Event):
    """Set when `ended` is, or when one of these folders has news."""

    def __init__(self, ended: Event, folders: Sequence[Mailbox], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._ended = ended
        self._folders = folders
        self.clock = clock
        self._missing = [_look(folder) is None for folder in folders]
        """Which were not there when the waiting began: that one comes is news by itself."""
        self._looked = clock()

    def is_set(self) -> bool:
        return super().is_set() or self._ended.is_set() or self._news()

    def wait(self, timeout: float | None = None) -> bool:
        end = None if timeout is None else self.clock() + timeout
        while not self.is_set():
            left = LOOK_SECONDS if end is None else min(LOOK_SECONDS, end - self.clock())
            if left <= 0:
                return False
            self._ended.wait(left)
        return True

    def _news(self) -> bool:
        if self.clock() - self._looked < LOOK_SECONDS:
            return False
        self._looked = self.clock()
        for folder, missing in zip(self._folders, self._missing, strict=True):
            found = _look(folder)
            if found or (missing and found is not None):
                self.set()
        return super().is_set()


def _look(folder: Mailbox) -> bool | None:
    """Whether it holds mail that the last run did not see; None: it can't be used."""
    try:
        return folder.wait(0, Event())
    except TROUBLE:
        return None
