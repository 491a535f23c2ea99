"""The command `replicator`: its global options, and what becomes of an error.

A noun (`station`) is a file of this package with a typer sub-app, joined to the program in `build`; its commands take
the context and ask `session_of` for the home. Whatever happens, a person sees one line on stderr, never a traceback.
"""

from __future__ import annotations

import functools
import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.main import get_command

from replicator import __version__, core_dumps, logs
from replicator.cli import (
    account,
    backup,
    compare,
    conflict,
    database,
    demo,
    journal,
    mail,
    migrate,
    numbers,
    quarantine,
    recovery,
    rule,
    setup,
    station,
    status,
    table,
    trace,
    upgrade,
)
from replicator.cli import run as runs
from replicator.cli.console import one_line
from replicator.cli.session import Session, session_of
from replicator.errors import ReplicatorError, WrongUse

PROGRAM = "replicator"
EXIT_FAILED = 1
EXIT_WRONG_USE = 2
STOPPED = "stopped; nothing is lost"
_INTERRUPTED = 130
"""What typer makes of Ctrl-C."""

# Typer brings its own click or uses the one beside it, as its version goes: this is the right one's ClickException.
_CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]

_log = logging.getLogger("replicator.cli.main")  # whatever this module is called when it is run by -m

NOUNS = (
    setup,
    database,
    account,
    station,
    table,
    rule,
    numbers,
    runs,
    status,
    journal,
    trace,
    conflict,
    compare,
    quarantine,
    mail,
    backup,
    recovery,
    migrate,
    upgrade,
    demo,
)
"""In the order of the help. Each file joins its commands to the program."""


def build() -> typer.Typer:
    """The whole program, with all nouns."""
    app = typer.Typer(
        name=PROGRAM,
        help="Keeps the SQL databases of a head office and its stations equal by ordinary e-mail.",
        context_settings={"help_option_names": ["--help", "-h"]},
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_program)
    for noun in NOUNS:
        noun.join(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _program(
    context: typer.Context,
    home: Annotated[
        Path | None,
        # Whether we may read there is for `Home` to say, in a better sentence.
        typer.Option("--home", "-H", readable=False, help="The node's home folder; else REPLICATOR_HOME tells it."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell on stderr what is done.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    session = session_of(context)
    session.home_option, session.verbose = home, verbose
    logs.start(None, verbose=verbose)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: Sequence[str] | None = None, app: typer.Typer | None = None) -> int:
    """The entry of the console script: carry out a command line, and give the exit code (errors.py says which)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    core_dumps.switch_off()
    session = Session()
    try:
        with _terminable():
            return _carry_out(global_options_first(sys.argv[1:] if arguments is None else arguments), app, session)
    except KeyboardInterrupt:
        return _fail(STOPPED, EXIT_FAILED)
    except ReplicatorError as error:
        _log.info("ended: %s: %s", type(error).__name__, error)
        return _fail(STOPPED, EXIT_FAILED) if _came_of_interruption(error) else _fail(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last resort: a person must not see a traceback
        return _fail(STOPPED if _came_of_interruption(error) else _our_error(error, session), EXIT_FAILED)
    finally:
        logs.stop()
        if arguments is None:
            # All is done. A Ctrl-C from here on would meet Python at its own end, which prints a traceback.
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def global_options_first(arguments: Sequence[str]) -> list[str]:
    """Let --home and --verbose stand anywhere, as people put them behind the command. Raises WrongUse."""
    first: list[str] = []
    rest = list(arguments)
    options_end = rest.index("--") if "--" in rest else len(rest)
    index = 0
    while index < options_end:
        word = rest[index]
        if word in ("--home", "-H"):
            if index + 1 >= options_end:
                raise WrongUse(f"{word} needs a folder after it")
            count = 2
        elif word.startswith("--home=") or word in ("--verbose", "-v"):
            count = 1
        else:
            index += 1
            continue
        first += rest[index : index + count]
        del rest[index : index + count]
        options_end -= count
    return first + rest


def _carry_out(arguments: list[str], app: typer.Typer | None, session: Session) -> int:
    command = _whole_program() if app is None else get_command(app)
    try:
        result = command.main(arguments, prog_name=PROGRAM, standalone_mode=False, obj=session)
    except _CommandLineError as error:
        return _fail(_wrong_use(error), EXIT_WRONG_USE)
    except typer.Abort:
        return _fail("stopped: an answer was needed, and there was none", EXIT_FAILED)
    except SystemExit as end:  # whoever read our output went away
        return end.code if isinstance(end.code, int) else EXIT_FAILED
    if result == _INTERRUPTED:
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0


@functools.cache
def _whole_program() -> Any:
    """Made once a process: whoever calls `run` often, as our tests do, would spend most of its time making it anew."""
    return get_command(build())


@contextmanager
def _terminable() -> Iterator[None]:
    """Within, SIGTERM ends the program as Ctrl-C does: locks are let go, the line is said."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
        yield
        return
    before, report = signal.signal(signal.SIGTERM, stop), sys.unraisablehook
    sys.unraisablehook = _log_unraisable
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.unraisablehook = report


def _came_of_interruption(error: BaseException | None) -> bool:
    """Whoever cleans up after an interruption may stumble over what it has left, such as a closed connection."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _log_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """An interruption in a finaliser, say: Python goes on, and would print a traceback."""
    _log.info("%s in %r was passed over", unraisable.exc_type.__name__, unraisable.object)


def _fail(sentence: str, code: int) -> int:
    print(f"{PROGRAM}: {one_line(sentence)}", file=sys.stderr)
    return code


def _wrong_use(error: Exception) -> str:
    """Typer's sentence, and where to read more."""
    sentence = one_line(getattr(error, "format_message", error.__str__)()).rstrip(".")
    path = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
    return f"{sentence[:1].lower()}{sentence[1:]}; see '{path} --help'"


def _our_error(error: Exception, session: Session) -> str:
    try:
        log_file = session.log_for_our_error()
        _log.error("an error of ours", exc_info=error)
    except ReplicatorError:
        return f"an error of ours ({type(error).__name__}); nothing is lost, but its details could not be logged"
    return f"an error of ours ({type(error).__name__}); nothing is lost, details are in {log_file}"


if __name__ == "__main__":
    sys.exit(run())
