"""The command line's frame: one line for each error, the right exit code, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from replicator import logs
from replicator.cli.console import (
    Column,
    cell,
    human_size,
    human_span,
    moment,
    one_line,
    print_listing,
    print_record,
)
from replicator.cli.main import build, global_options_first, run
from replicator.cli.session import session_of
from replicator.config import make
from replicator.errors import Halted, MailboxTrouble, ReplicatorError, UnknownName, WrongUse
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.types import Role

ACCOUNT = {"address": "zentrale@example.com", "mailbox": "folder:/srv/mail"}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a node in it; what is the user's own is kept in the same folder."""
    monkeypatch.delenv("REPLICATOR_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "user"))
    home = Home(tmp_path / "node", Files(Runtime(), durable=False))
    home.create()
    home.save_configuration(
        make({"role": "host", "name": "Zentrale", "database": "sqlite:////srv/app.db", "SERVER": ACCOUNT})
    )
    return home


def program(body: Callable[[typer.Context], None]) -> typer.Typer:
    """The program with one more command, `act`."""
    app = build()

    @app.command("act")
    def act(context: typer.Context) -> None:
        body(context)

    return app


def acting(error: BaseException) -> typer.Typer:
    def act(context: typer.Context) -> None:
        session_of(context).node_home()
        raise error

    return program(act)


def outcome(capsys: pytest.CaptureFixture[str], code: int) -> tuple[int, str]:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("replicator: ")
    return code, err[len("replicator: ") : -1]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MailboxTrouble("no mail"), 1),
        (UnknownName("no station 'x'"), 2),
        (Halted("two\nlines\x1b[2J"), 3),
    ],
)
def test_errors_are_one_line_and_their_exit_code(
    node: Home, capsys: pytest.CaptureFixture[str], error: ReplicatorError, code: int
) -> None:
    result = run(["act", "--home", str(node.path)], acting(error))
    assert outcome(capsys, result) == (code, one_line(str(error)))


def test_an_error_of_ours_leaves_its_traceback_in_the_log(node: Home, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(["-H", str(node.path), "act"], acting(ZeroDivisionError("hemlig")))
    code, line = outcome(capsys, result)
    log_file = logs.log_path(node.log_folder)
    assert (code, line) == (1, f"an error of ours (ZeroDivisionError); nothing is lost, details are in {log_file}")
    assert "Traceback" in log_file.read_text()
    assert stat.S_IMODE(log_file.stat().st_mode) == 0o600


def test_an_error_of_ours_without_a_node_goes_to_the_user_s_log(node: Home, capsys: pytest.CaptureFixture[str]) -> None:
    def act() -> None:
        raise ZeroDivisionError

    _, line = outcome(capsys, run(["act"], program(lambda context: act())))
    assert "Traceback" in Path(line.rpartition(" are in ")[2]).read_text()


def test_ctrl_c_says_that_nothing_is_lost(node: Home, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(["--home", str(node.path), "act"], acting(KeyboardInterrupt()))
    assert outcome(capsys, result) == (1, "stopped; nothing is lost")


def test_exit_codes_of_commands_pass(node: Home) -> None:
    assert run(["--home", str(node.path), "act"], acting(typer.Exit(3))) == 3
    assert run(["act"], program(lambda context: None)) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nonsense"], "no such command 'nonsense'; see 'replicator --help'"),
        (["--nonsense"], "no such option: --nonsense; see 'replicator --help'"),
        (["act", "--nonsense"], "no such option: --nonsense; see 'replicator act --help'"),
        (["act", "--home"], "--home needs a folder after it"),
    ],
)
def test_wrong_use_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    assert outcome(capsys, run(arguments, program(lambda context: None))) == (2, sentence)


def test_no_node_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = outcome(capsys, run(["act", "--home", str(tmp_path)], acting(AssertionError())))
    assert code == 2
    assert line.startswith(f"there is no node in {tmp_path}; set one up with")
    assert list(tmp_path.iterdir()) == []


def test_home_comes_from_the_option_then_the_environment(node: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    app = program(lambda context: seen.append(session_of(context).home().path))
    monkeypatch.setenv("REPLICATOR_HOME", "/srv/environment")
    run(["act"], app)
    run(["act", "--home=/srv/option"], app)
    monkeypatch.setenv("REPLICATOR_HOME", "")
    run(["act"], app)
    assert seen[:2] == [Path("/srv/environment"), Path("/srv/option")]
    assert seen[2].name == "replicator"


def test_global_options_may_stand_anywhere_before_the_dashes() -> None:
    assert global_options_first(["status", "--json", "-v", "-H", "x"]) == ["-v", "-H", "x", "status", "--json"]
    assert global_options_first(["a", "--", "--home", "x"]) == ["a", "--", "--home", "x"]
    with pytest.raises(WrongUse, match="-H needs a folder"):
        global_options_first(["a", "-H", "--", "x"])


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("replicator 0.")
    assert run([]) == 0
    assert "Usage: replicator" in capsys.readouterr().out


def test_verbose_tells_on_stderr(node: Home, capsys: pytest.CaptureFixture[str]) -> None:
    def act(context: typer.Context) -> None:
        session_of(context).node_home()
        logs.logging.getLogger("replicator.engine").debug("a detail [red]of[/red] the run\nforged line")

    assert run(["--home", str(node.path), "act"], program(act)) == 0
    assert capsys.readouterr().err == ""
    assert run(["--home", str(node.path), "act", "--verbose"], program(act)) == 0
    assert "a detail [red]of[/red] the run\\nforged" in " ".join(capsys.readouterr().err.split())
    assert logs.log_path(node.log_folder).read_text().count("\n") == 1


def test_the_log_rotates_and_a_full_disk_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 1_000)
    logs.start(tmp_path, verbose=False)
    try:
        for number in range(100):
            logs.logging.getLogger("replicator").info("line %d %s", number, "x" * 50)
        files = sorted(path.name for path in tmp_path.iterdir())
        assert files == ["replicator.log", *(f"replicator.log.{number}" for number in range(1, 5))]
        assert all(path.stat().st_size <= 1_000 for path in tmp_path.iterdir())
        handler = logs.logging.getLogger("replicator").handlers[0]
        monkeypatch.setattr(handler, "shouldRollover", lambda record: 1 / 0)
        logs.logging.getLogger("replicator").info("can't be written")
    finally:
        logs.stop()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_process_with_one_line(number: signal.Signals) -> None:
    script = (
        "import sys, time, typer\nfrom replicator.cli.main import build, run\napp = build()\n"
        "@app.command()\ndef act() -> None:\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "sys.exit(run(['act'], app))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=10)[1] == "replicator: stopped; nothing is lost\n"
        assert process.returncode == 1


# --- printing -----------------------------------------------------------------------------------------------------

COLUMNS = [Column("name", "Name", whole=True), Column("rows", "Rows", "right"), Column("note", "Note")]
ROWS = [
    {"name": "Köln", "rows": 12_345, "note": "x" * 300, "key": b"\x01\xff"},
    {"name": "[red]a[/red]", "rows": None, "note": "a\x1b[2Jb\nc", "key": float("inf")},
]


def test_a_piped_table_has_a_line_a_row_with_nothing_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_listing(ROWS, COLUMNS, False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Name", "Rows", "Note"]
    assert any(line.startswith("Köln") and line.rstrip().endswith("x" * 300) for line in lines)
    assert any(line.startswith("[red]a[/red]") and "a\\x1b[2Jb c" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_a_listing_as_json_has_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    print_listing(ROWS, COLUMNS, True)
    rows = json.loads(capsys.readouterr().out, parse_constant=lambda text: pytest.fail(text))
    assert rows[0] == {**ROWS[0], "key": "0x01ff"}
    assert rows[1]["key"] == "inf"


def test_text_that_is_not_utf8_is_escaped_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_listing([{"a": "ü\udcff", "role": Role.HOST, "at": moment(1_000_000)}], [], True)
    out = capsys.readouterr().out
    assert "\\udcff" in out
    assert json.loads(out) == [{"a": "ü\udcff", "role": "host", "at": "1970-01-01T00:00:01+00:00"}]


def test_an_empty_listing(capsys: pytest.CaptureFixture[str]) -> None:
    print_listing([], COLUMNS, False, empty="no stations yet")
    print_listing([], COLUMNS, True)
    assert capsys.readouterr().out == "no stations yet\n[]\n"


def test_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    print_record({"applied_n": 3, "ok": True}, False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["applied", "n", "3"], ["ok", "yes"]]
    print_record({"applied_n": 3, "ok": True}, True)
    assert json.loads(capsys.readouterr().out) == {"applied_n": 3, "ok": True}


def test_values_for_people() -> None:
    assert [human_size(n) for n in (0, 999, 1_000, 9_950, 20_000_000, 3 * 10**12)] == [
        "0 B", "999 B", "1.0 kB", "10 kB", "20 MB", "3.0 TB",
    ]  # fmt: skip
    assert [human_span(s) for s in (8, 180, 7200, 86400 * 3)] == ["8 s", "3 min", "2 h", "3 days"]
    assert moment(0) is None
    assert moment(1_000_000) == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert cell(moment(2**63 - 1))[:2] in ("99", "10")
    assert cell(moment(-(2**63))).lstrip("0")[:1] in ("1", "2")
    assert cell(datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)).endswith(":04:05")
    assert cell([1, None, b"\x01", {"b", "a"}]) == "1, , 0x01, a, b"
    assert one_line("a\udcff\u202eb\tc") == "a\\udcff\\u202eb\\tc"
