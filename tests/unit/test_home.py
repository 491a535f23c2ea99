"""The home folder: made closed to others, clear sentences, one process per node."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.config import make
from replicator.errors import AlreadyRunning, ConfigurationError, StorageTrouble
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home, default_home

ACCOUNT = {"address": "zentrale@example.com", "mailbox": "folder:/srv/mail"}
CONFIGURATION = make({"role": "host", "name": "Zentrale", "database": "sqlite:////srv/app.db", "SERVER": ACCOUNT})

NOBODY = 65534
HOLD_LOCK = """
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
with Home(Path(sys.argv[1]), Files(Runtime())).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def home_in(folder: Path) -> Home:
    return Home(folder / "node", Files(Runtime(), durable=False))


def test_default_home_is_a_folder_of_the_users() -> None:
    assert default_home().is_absolute()
    assert default_home().name == "replicator"


def test_set_up_makes_closed_folders_and_a_configuration(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    assert not home.holds_node()
    home.create()
    assert not home.holds_node(), "the configuration comes last"
    home.save_configuration(CONFIGURATION)
    assert home.holds_node()
    assert home.load_configuration() == CONFIGURATION
    for path in (home.path, *home.path.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert {path.name for path in home.path.iterdir()} == {"replicator.toml", "spool", "log", "aside"}


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    home.path.mkdir(mode=0o755)
    home.path.chmod(0o755)
    home.create()
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o755
    assert stat.S_IMODE(home.log_folder.stat().st_mode) == 0o700


def test_a_second_node_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    home.create()
    home.save_configuration(CONFIGURATION)
    with pytest.raises(ConfigurationError, match="holds a node already; choose another folder with --home"):
        home.create()


def test_no_node_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no node in .*; set one up with 'replicator host-init'"):
        home_in(tmp_path).load_configuration()


def test_mistakes_in_the_file_name_it(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    home.create()
    for content, words in ((b"\xff", "is not UTF-8"), (b"x" * 1_000_001, "is too long"), (b"a = 1", "'a' is unknown")):
        home.configuration_file.write_bytes(content)
        with pytest.raises(ConfigurationError, match=words) as caught:
            home.load_configuration()
        assert str(home.configuration_file) in str(caught.value)
    home.save_configuration(CONFIGURATION)
    home.configuration_file.write_bytes(b"\xef\xbb\xbf" + home.configuration_file.read_bytes())
    assert home.load_configuration() == CONFIGURATION, "editors on Windows write a byte order mark"


@pytest.fixture
def ordinary_folder() -> Iterator[Path]:
    """A folder in which this test is not root, who may do everything."""
    folder = Path(tempfile.mkdtemp())
    was_root = os.geteuid() == 0
    if was_root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if was_root:
            os.seteuid(0)
        shutil.rmtree(folder)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_no_permission_is_one_sentence(ordinary_folder: Path) -> None:
    home = home_in(ordinary_folder)
    ordinary_folder.chmod(0o500)
    with pytest.raises(StorageTrouble, match=f"cannot write {home.path}: no permission; run as the owner"):
        home.create()
    ordinary_folder.chmod(0o700)
    home.create()
    home.save_configuration(CONFIGURATION)
    home.path.chmod(0o500)
    with pytest.raises(StorageTrouble, match=f"cannot write in {home.path}: no permission; run as its owner"):
        home.load_configuration()
    with pytest.raises(StorageTrouble, match=f"cannot write {home.path}/lock: no permission"):
        home.lock().__enter__()
    home.path.chmod(0o000)
    with pytest.raises(StorageTrouble, match=f"cannot read {home.configuration_file}: no permission"):
        home.load_configuration()
    home.path.chmod(0o700)


def test_a_file_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("")
    with pytest.raises(StorageTrouble, match="a file stands where a folder is needed"):
        home_in(tmp_path).create()


def test_one_process_per_node_and_its_number_is_told(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    home.create()
    command = [sys.executable, "-c", HOLD_LOCK, str(home.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=rf"another process \({other.pid}\) works on the node in "):
            home.lock().__enter__()
        other.kill()
        other.wait(10)
    with home.lock():
        assert (home.path / "running").read_text() == str(os.getpid())
        with pytest.raises(AlreadyRunning, match=rf"\({os.getpid()}\)"):
            home_in(tmp_path).lock().__enter__()
    assert not (home.path / "running").exists()
    with home.lock():
        pass


def test_errors_within_the_lock_pass_and_let_it_go(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    home.create()
    with pytest.raises(OSError, match="ours"), home.lock():
        raise OSError("ours")
    with home.lock():
        pass
