"""`host-run` and `remote-run`: exchange once, or again and again."""

from __future__ import annotations

import math
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Event
from types import FrameType
from typing import Annotated, Any

import typer

from replicator.cli.bars import Bars
from replicator.cli.console import AsJson, console, human_size, human_span, moment, one_line, print_json
from replicator.cli.formats import counted, record, say
from replicator.cli.session import session_of
from replicator.cli.status import WAITS_FOR_A_PERSON
from replicator.engine.mailboxes import OWN, AwayMailbox
from replicator.errors import ReplicatorError, WrongUse
from replicator.operations.running import Arriving, Outcome, Runs, run_every
from replicator.types import Role

STOPPED = "replicator: stopped; nothing is lost"
_SPAN = re.compile(r"(\d{1,9})\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 30 * 86400

Every = Annotated[
    str | None,
    typer.Option(
        "--every",
        metavar="SPAN",
        help="Go on until stopped: 30s, 5m, 2h or 1d apart, when mail comes and when the application has written.",
    ),
]
ResendNow = Annotated[
    bool, typer.Option("--resend-now", help="Send all again that is not acknowledged, without waiting for a probe.")
]


def host_run(
    context: typer.Context, every: Every = None, resend_now: ResendNow = False, as_json: AsJson = False
) -> None:
    """Exchange with all stations, at the host: fetch, judge, collect, send."""
    _run(context, Role.HOST, every, resend_now, as_json)


def remote_run(
    context: typer.Context, every: Every = None, resend_now: ResendNow = False, as_json: AsJson = False
) -> None:
    """Exchange with the host, at a station: fetch, apply, collect, send."""
    _run(context, Role.STATION, every, resend_now, as_json)


def _run(context: typer.Context, role: Role, every: str | None, resend_now: bool, as_json: bool) -> None:
    seconds = None if every is None else span(every)
    session = session_of(context)
    runs = Runs(session.node_home(), session.runtime, role)
    if seconds is not None:
        _run_on(runs, seconds, resend_now, as_json)
        return
    with Bars(console(to_stderr=True)) as bars:
        outcome = runs.once(resend_now=resend_now, progress=bars)
    if as_json:
        print_json(plain(outcome))
    else:
        _print(outcome)
    waiting = outcome.summary.applied.waiting
    if waiting is not None:
        raise ReplicatorError(f"what came was not applied yet, and nothing is lost: {waiting}")
    if outcome.needs:
        raise typer.Exit(WAITS_FOR_A_PERSON)


def span(text: str) -> float:
    """'30s', '5m', '2h', '1d' in seconds. Raises WrongUse."""
    found = _SPAN.fullmatch(text.strip().lower())
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= _LONGEST:
        raise WrongUse(f"'{text}' is no span of time for --every: give 30s, 5m, 2h or 1d, from 1s to 30d")
    return float(seconds)


# --- a lasting run ----------------------------------------------------------------------------------------------------


def _run_on(runs: Runs, seconds: float, resend_now: bool, as_json: bool) -> None:
    stop = Event()
    with stoppable(stop):
        try:
            run_every(
                runs,
                seconds,
                stop,
                _Teller(as_json),
                resend_now=resend_now,
                showing=lambda: Bars(console(to_stderr=True)),
            )
        except (KeyboardInterrupt, Exception):
            # What cleans up after an interruption may stumble over what it has left.
            if not stop.is_set():
                raise
    print(STOPPED, file=sys.stderr)


@contextmanager
def stoppable(stop: Event) -> Iterator[None]:
    """Within, SIGTERM and Ctrl-C interrupt whatever is going on, and `stop` is set.

    The exception alone would not do: where Python can't raise it, as in a finaliser, it is dropped.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Teller:
    """Prints a line for each run that did something, and each trouble once."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._needs: set[int] = set()
        self._away: set[str] = set()
        self._enabled = True

    def ran(self, outcome: Outcome) -> None:
        if self._as_json:
            if not outcome.idle:
                print_json(plain(outcome), compact=True)
        elif outcome.enabled:
            self._tell(outcome)
        elif self._enabled:
            self._say(_SWITCHED_OFF.format(name=outcome.node))
        self._enabled = outcome.enabled
        sys.stdout.flush()

    def _tell(self, outcome: Outcome) -> None:
        done = [f"{side} {what}" for side, what in _lines(outcome)]
        if done:
            self._say("; ".join(done))
        away = {box.name: box for box in outcome.summary.away}
        for name in sorted(away.keys() - self._away):
            self._say(f"away {_away(away[name])}")
        for name in sorted(self._away - away.keys()):
            self._say(f"the mailbox {name or OWN} is there again")
        self._away = set(away)
        told = {notice.id for notice in outcome.news}
        for notice in [*outcome.news, *outcome.needs]:
            if notice.id in told or notice.id not in self._needs:
                told.discard(notice.id)
                waits = " (waits for a person: replicator status)" if notice.waiting else ""
                self._say(f"{notice.message}{waits}")
        self._needs = {notice.id for notice in outcome.needs}

    def failed(self, error: ReplicatorError, wait: float) -> None:
        self._complain(f"{error}; next try in {human_span(wait)}")

    def recovered(self) -> None:
        self._complain("all is well again")

    def _say(self, sentence: str) -> None:
        say(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {sentence}")

    def _complain(self, sentence: str) -> None:
        print(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {one_line(sentence)}", file=sys.stderr, flush=True)


# --- what a run tells -------------------------------------------------------------------------------------------------

_SWITCHED_OFF = "The account of {name} is switched off (enabled = false in replicator.toml): nothing was done."


def _print(outcome: Outcome) -> None:
    if not outcome.enabled:
        say(_SWITCHED_OFF.format(name=outcome.node))
        return
    lines = _lines(outcome)
    for side, what in lines:
        say(f"{side:<10}{what}")
    for box in outcome.summary.away:
        say(f"{'away':<10}{_away(box)}")
    for notice in reversed(outcome.news):
        say(f"{'note':<10}{notice.message}")
    if not lines and not outcome.news:
        say("nothing to do")
    if outcome.needs:
        count = len(outcome.needs)
        say(f"{counted(count, 'thing')} wait{'s' * (count == 1)} for a person; see: replicator status")


def _lines(outcome: Outcome) -> list[tuple[str, str]]:
    """What went each way: (side, what)."""
    done, found = outcome.summary, []
    if done.received.mails:
        text = f"{counted(done.received.mails, 'mail')}, {human_size(done.received.bytes)}"
        if done.received.set_aside:
            text += f", {done.received.set_aside} of them set aside"
        found.append(("received", text))
    found += [("waiting", _arriving(each)) for each in outcome.arriving if done.received.mails]
    if done.released:
        found.append(("released", f"{_number(done.released, 'change')} from quarantine"))
    if done.applied.batches:
        found.append(("applied", f"{_number(done.applied.rows, 'row')} in {_batches(done.applied.batches)}"))
    if done.collected:
        found.append(("collected", _number(done.collected, "change")))
    if done.sent.mails:
        text = f"{counted(done.sent.mails, 'mail')}, {human_size(done.sent.bytes)}"
        if done.sent.rows:
            text += f", {_number(done.sent.rows, 'row')}"
        if done.snapshots:
            text += f" ({counted(done.snapshots, 'initial load')})"
        if done.sent.held_back:
            text += f"; {counted(done.sent.held_back, 'more mail')} with the next run, as the limits of mails are set"
        found.append(("sent", text))
    return found


def _away(box: AwayMailbox) -> str:
    waits = ""
    if box.waiting_bytes:
        count = box.waiting_mails
        what = f"{counted(count, 'mail')}, {human_size(box.waiting_bytes)}"
        waits = f"; {what} wait{'s' * (count == 1)} for it"
    return f"mailbox {box.label}: {box.reason.rstrip('.')}{waits}"


def _arriving(each: Arriving) -> str:
    what = "initial load" if each.initial_load else f"batch {each.n}"
    percent = math.floor(100 * each.bytes / each.bytes_expected)
    return (
        f"{what} from {each.peer}: {each.parts} of {each.parts_expected} parts"
        f" ({human_size(each.bytes)} of {human_size(each.bytes_expected)}, {percent} %) have come"
    )


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _batches(count: int) -> str:
    return "1 batch" if count == 1 else f"{count} batches"


def plain(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON."""
    whole: dict[str, Any] = record(outcome)
    for name in ("news", "needs"):
        whole[name] = [{**notice._asdict(), "at": moment(notice.at)} for notice in getattr(outcome, name)]
    return whole | {"idle": outcome.idle, "waits_for_a_person": bool(outcome.needs)}


def join(app: typer.Typer) -> None:
    app.command("host-run")(host_run)
    app.command("remote-run")(remote_run)
