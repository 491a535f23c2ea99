"""The mail account's password appears nowhere but where its owner put it, whether a run succeeds or fails.

Searched: what is printed, with --verbose too; the logs; every file of the home folder, the database and the mail; the
command lines of all processes while a run goes on; errors with all that they came of.
"""

from __future__ import annotations

import base64
import os
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from command_line import SCHEMA
from processes import Computer

from replicator.config import Account
from replicator.errors import LoginRefused, ReplicatorError
from replicator.operations import account_admin, account_login
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.transport import Mail
from tests.servers.farm import MailFarm
from tests.servers.fault_proxy import FaultProxy, Faults

RIGHT = "server"
"""The farm's user; the password is the farm's, so that it works."""
WRONG = "Wr0ng-hemlig-7d21"
KINDS = [("imaps", "smtps"), ("pop3", "smtp")]


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


@pytest.fixture(params=KINDS, ids="-".join)
def office(request: pytest.FixtureRequest, tmp_path: Path, farm: MailFarm) -> Computer:
    """A host on servers, with a station that it sends to; the password is in a file."""
    fetch, send = request.param
    computer = Computer(tmp_path, "office")
    with closing(sqlite3.connect(computer.database_file)) as connection:
        connection.executescript(SCHEMA)
    write_password(computer, farm.password(RIGHT))
    computer.here(
        *("host-init", "--database", f"sqlite:///{computer.database_file}", "--address", farm.address(RIGHT)),
        *("--mailbox", f"{fetch}://localhost:{farm.port[fetch]}", "--send", f"{send}://localhost:{farm.port[send]}"),
        *("--ca", farm.authority, "--password-file", password_file(computer)),
    )
    computer.here("table", "add", "orders", "customers")
    computer.here("station", "add", "west", "--address", farm.address("remote1"), "--out", tmp_path / "w")
    computer.here("rule", "set", "west", "all", "--to-remote", "all", "--to-host", "all")
    return computer


def password_file(computer: Computer) -> Path:
    return computer.folder / "password"


def write_password(computer: Computer, password: str) -> None:
    file = password_file(computer)
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(password, encoding="utf-8")


# --- what is searched -------------------------------------------------------------------------------------------------


def forms(secret: str) -> Iterator[bytes]:
    """As it is, and in base64 as protocols send it, wherever in a longer text it begins."""
    yield secret.encode()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret.encode())
        yield whole[-(-before * 8 // 6) : (before + len(secret.encode())) * 8 // 6]


def tells(content: bytes, secret: str) -> bool:
    return any(form in content for form in forms(secret))


def files_that_tell(folder: Path, secret: str, *but: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if path.is_file() and path not in but and tells(path.read_bytes(), secret)
    ]


def command_lines() -> Iterator[bytes]:
    """Of all processes of this machine, as `ps` has them."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield entry.read_bytes()
        except OSError:
            continue


class Watch(threading.Thread):
    """Looks at all command lines again and again while it is entered, and at the environment of none."""

    def __init__(self, secret: str) -> None:
        super().__init__(daemon=True)
        self._secret = secret
        self._done = threading.Event()
        self.found: list[bytes] = []
        self.own_seen = 0

    def run(self) -> None:
        while not self._done.wait(0.02):
            for line in command_lines():
                if tells(line, self._secret):
                    self.found.append(line)
                self.own_seen += b"host-run" in line or b"account" in line

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()


def run(computer: Computer, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "replicator.cli.main", "--home", str(computer.home), "--verbose", *arguments]
    whole = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    return subprocess.run(words, env=whole, cwd="/", capture_output=True, text=True, check=False, timeout=90)


def assert_untold(secret: str, computer: Computer, *results: subprocess.CompletedProcess[str]) -> None:
    for result in results:
        assert not tells((result.stdout + result.stderr).encode(), secret), result
        assert "Traceback" not in result.stderr
    assert not files_that_tell(computer.folder, secret, password_file(computer))


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    for number, text in enumerate(
        (
            WRONG.encode(),
            b"AUTH PLAIN " + base64.b64encode(b"\0me@x\0" + WRONG.encode()),
            base64.b64encode(WRONG.encode()),
        )
    ):
        (tmp_path / str(number)).write_bytes(b"x" * number + text + b"y")
    assert len(files_that_tell(tmp_path, WRONG)) == 3
    with Watch(WRONG) as watch:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(1)", WRONG], check=True)
    assert watch.found


# --- runs -------------------------------------------------------------------------------------------------------------


def test_runs_that_succeed(office: Computer, farm: MailFarm) -> None:
    secret = farm.password(RIGHT)
    with Watch(secret) as watch:
        results = [run(office, "host-run"), run(office, "account", "test"), run(office, "account", "show", "--json")]
    assert [result.returncode for result in results] == [0, 0, 0], results
    assert "sent" in results[0].stdout
    assert_untold(secret, office, *results)
    assert watch.own_seen
    assert not watch.found
    assert farm.password(RIGHT) not in farm.mailboxes.contents("remote1")[0].decode("ascii", "replace")


@pytest.mark.parametrize("way", ["file", "environment"])
def test_runs_that_are_refused(office: Computer, way: str) -> None:
    environment = {"REPLICATOR_PASSWORD": WRONG} if way == "environment" else {}
    if way == "file":
        write_password(office, WRONG)
    with Watch(WRONG) as watch:
        results = [
            run(office, *words, **environment)
            for words in (("host-run",), ("account", "test"), ("account", "test", "--json"), ("account", "show"))
        ]
    assert [result.returncode for result in results] == [1, 1, 1, 0], results
    assert "refuses the user or password" in results[0].stderr
    assert_untold(WRONG, office, *results)
    assert watch.own_seen
    assert not watch.found


def test_a_password_that_no_protocol_can_carry(office: Computer) -> None:
    """It is refused before anything is sent, and not quoted."""
    secret = f"{WRONG}\rQUIT"
    results = [run(office, *words, REPLICATOR_PASSWORD=secret) for words in (("host-run",), ("account", "test"))]
    assert [result.returncode for result in results] == [1, 1], results
    assert_untold(WRONG, office, *results)


def test_a_password_file_that_is_open_to_others_is_not_quoted(office: Computer) -> None:
    write_password(office, WRONG)
    password_file(office).chmod(0o644)
    results = [run(office, *words) for words in (("host-run",), ("account", "test"), ("account", "show"))]
    assert [result.returncode for result in results] == [2, 1, 0], results
    assert "chmod 600" in results[0].stderr
    assert_untold(WRONG, office, *results)


@pytest.mark.parametrize("byte", [40, 200, 700, 1500, 3000])
def test_a_connection_that_breaks_anywhere(
    office: Computer, farm: MailFarm, fault_proxy: Callable[[int], FaultProxy], byte: int
) -> None:
    secret = farm.password(RIGHT)
    account = Home(office.home, Files(Runtime())).load_configuration().account
    for kind, option in ((account.mailbox, "--mailbox"), (account.send or "", "--send")):
        scheme, port = kind.partition(":")[0], int(kind.rpartition(":")[2])
        proxy = fault_proxy(port)
        office.here("account", "set", option, f"{scheme}://localhost:{proxy.port}")
        proxy.faults = Faults(cut_up_after=byte)
    results = [run(office, "host-run"), run(office, "account", "test")]
    assert_untold(secret, office, *results)


# --- errors -----------------------------------------------------------------------------------------------------------


def everything_of(error: BaseException) -> str:
    """All that a careless log could take of it: sentences, reprs, arguments, tracebacks, of all that it came of."""
    shown = traceback.format_exception(error)
    link: BaseException | None = error
    while link is not None:
        shown += [str(link), repr(link), *(repr(each) for each in link.args)]
        link = link.__cause__ or link.__context__
    return "\n".join(shown)


def mail(account: Account) -> Mail:
    return Mail(account.address, account.address, "x", "x", (b"x",), "<1@example.test>", 0)


def errors_of(account: Account, home: Home) -> Iterator[ReplicatorError]:
    with account_login.open_account(account, home, Runtime()) as mailbox:
        for action in (lambda: list(mailbox.fetch()), lambda: mailbox.send(mail(account))):
            try:
                action()
            except ReplicatorError as error:
                yield error


def test_errors_and_what_is_printed_of_the_account(office: Computer) -> None:
    write_password(office, WRONG)
    home = Home(office.home, Files(Runtime()))
    account = home.load_configuration().account
    found = list(errors_of(account, home))
    assert [type(error) for error in found] == [LoginRefused, LoginRefused]
    for error in found:
        assert not tells(everything_of(error).encode(), WRONG)
    for server in (account_login.fetch_server(account), account_login.send_server(account)):
        assert server is not None
        login = account_login.login_of(account, server, home)
        assert login.password() == WRONG
        shown = account_admin.show_account(home)
        for thing in (login, server, account, shown, account_login.find_password(account, server)):
            assert not tells(f"{thing} {thing!r}".encode(), WRONG)
