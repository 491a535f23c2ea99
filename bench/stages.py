"""What the time of a run is spent on: CPU time by stage, taken at functions that are called once for many rows.

A profiler would slow small functions down far more than large ones and so show another program. Here each of some
thirty functions is replaced by one that reads the clock when it is entered and left; time spent in a stage inside
another counts for the inner one only. What is decided row by row has no function of its own to time: it is what is left
of the function around it.
"""

from __future__ import annotations

import functools
import inspect
import pkgutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

STAGES = (
    ("databases.sqlite.database.SqliteDatabase.read_outbox", "read the outbox"),
    ("databases.sqlite.database.SqliteDatabase.clear_outbox", "clear the outbox"),
    ("engine.collect._collect_chunk", "class, number and note each change"),
    ("engine.journalling.Journal._cut", "sort a slice into blocks"),
    ("protocol.codec.put_segment", "encode by column"),
    ("engine.segmenting.encode_segment", "compress and digest"),
    ("engine.segmenting.encode_details", "compress what only the journal needs"),
    ("store.slices.insert_slice", "store the journal"),
    ("engine.session.publish", "cut batches"),
    ("engine.mailing.read_stream", "read parts to send"),
    ("engine.mailing.seal", "seal"),
    ("transport.folder.FolderMailbox.send", "base64, write and sync mails"),
    ("engine.session.send", "queue of mails"),
    ("transport.mime.extract", "open mails"),
    ("engine.unsealing.open_envelope", "open envelopes"),
    ("store.spool.Spool.add_part", "store parts"),
    ("engine.session.receive", "receive"),
    ("protocol.codec.decompress_segment", "decompress, check digest"),
    ("engine.inbound.decode_segment", "decode by column"),
    ("engine.replay.windows", "records in stream order"),
    ("engine.replay.Replaying.steps", "decide (station)"),
    ("engine.judge.proposals", "proposals from blocks"),
    ("engine.judge.Judging.segment", "decide (host)"),
    ("store.rows.load_versions", "load versions"),
    ("engine.working.load_rows", "load rows"),
    ("engine.working.flush_rows", "write rows"),
    ("engine.working.flush_versions", "write versions"),
    ("store.rows.save_versions", "write versions"),
    ("databases.sqlite.database.SqliteDatabase.write_images", "write rows"),
    ("engine.session.apply_ready", "apply, all else"),
)
"""(function, stage): where the function is looked up by its callers, below `replicator`."""

REST = "open, close, commit and all else"


class Stopwatch:
    """Exclusive CPU seconds by stage."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open = [REST]
        self._since = time.process_time()

    def _switch(self) -> None:
        now = time.process_time()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def enter(self, stage: str) -> None:
        self._switch()
        self._open.append(stage)

    def leave(self) -> None:
        self._switch()
        self._open.pop()

    def around(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            self.enter(stage)
            try:
                found = function(*arguments, **named)
            finally:
                self.leave()
            return self._through(found, stage) if inspect.isgenerator(found) else found

        return timed

    def _through(self, generator: Iterator[Any], stage: str) -> Iterator[Any]:
        while True:
            self.enter(stage)
            try:
                item = next(generator)
            except StopIteration:
                return
            finally:
                self.leave()
            yield item


@contextmanager
def watched() -> Iterator[Stopwatch]:
    """Within, all stages are timed."""
    with ExitStack() as stack:
        watch = Stopwatch()
        for name, stage in STAGES:
            owner_name, _, attribute = f"replicator.{name}".rpartition(".")
            owner = pkgutil.resolve_name(owner_name)
            function = getattr(owner, attribute)
            stack.enter_context(patch.object(owner, attribute, watch.around(function, stage)))
        yield watch
        watch._switch()
