"""What only the folder mailbox does: paths, names, whole files, and the errors of a file system."""

from __future__ import annotations

import errno
import os
from itertools import count
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest

from replicator.errors import ConfigurationError, MailboxTrouble
from replicator.runtime import Runtime
from replicator.transport import Absence, Mail, open_mailbox
from replicator.transport.folder import DAY, FolderMailbox
from replicator.transport.folder_files import directory_name, folder_path

NOW = 1_700_000_000_000_000
HOST, STATION = "host@example.test", "koeln@example.test"
MAIL = Mail(HOST, STATION, "Replicator", "Data.", (b"payload",), "<1@example.test>", NOW)


class Crash(BaseException):
    """The process dies here."""


def clock_runtime() -> Runtime:
    ticks = count(NOW)
    return Runtime(now=lambda: next(ticks), random=lambda n: bytes(n))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail"


@pytest.fixture
def host(path: Path) -> FolderMailbox:
    return FolderMailbox(path, HOST, clock_runtime())


def files(path: Path) -> list[str]:
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


# --- URLs and names -----------------------------------------------------------------------------------------------


def test_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert folder_path("folder:/media/stick/mail") == Path("/media/stick/mail")
    assert folder_path("FOLDER: mail ") == tmp_path / "mail"
    assert folder_path("folder:./a/../mail") == tmp_path / "mail"
    assert folder_path("folder:~/mail") == tmp_path / "home" / "mail"
    assert folder_path("folder:///media/mail%20box") == Path("/media/mail%20box")


@pytest.mark.parametrize(
    "url", ["folder:", "folder:  ", "folder:a\0b", "folder:C:\\mail", "folder:///C:/mail", "folder:~nobody-here/x"]
)
def test_paths_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigurationError):
        folder_path(url)


@pytest.mark.parametrize("url", ["smtp://name:s3cret@example.test", "/media/mail", "", "s3cret", "no such:s3cret"])
def test_an_unknown_kind_of_mailbox_is_refused_without_repeating_a_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_mailbox(url, HOST, Runtime())
    assert "folder:PATH" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_directory_names() -> None:
    assert directory_name(" Köln@Example.TEST ") == "köln@example.test"
    assert directory_name("ko\u0308ln@x") == "köln@x"
    assert directory_name("first.last+tag@x") == "first.last+tag@x"


@pytest.mark.parametrize(
    "address",
    ["", " ", ".", "..", "../x@y", "a/b@c", "a\\b@c", ".hidden@x", "x@y.", "a:b", "a\nb@c", "a\0b", "nul", "x" * 300],
)
def test_addresses_that_are_unsafe_as_names(address: str, host: FolderMailbox, path: Path) -> None:
    with pytest.raises(ConfigurationError):
        FolderMailbox(path, address, Runtime())
    with pytest.raises(ConfigurationError):
        host.send(Mail(HOST, address, "", "", (b"",), "", 0))
    assert files(path) == []


# --- files --------------------------------------------------------------------------------------------------------


def test_a_mail_is_a_file_whose_name_sorts_by_time(host: FolderMailbox, path: Path) -> None:
    host.send(MAIL)
    host.send(MAIL)
    assert files(path) == [f"{STATION}/new/{NOW + tick:016d}-{'00' * 8}.eml" for tick in (0, 1)]


def test_opening_makes_the_folder_but_not_its_parents(path: Path) -> None:
    FolderMailbox(path, HOST, Runtime())
    assert sorted(str(entry.relative_to(path)) for entry in path.rglob("*")) == [HOST, f"{HOST}/new", f"{HOST}/tmp"]
    with pytest.raises(MailboxTrouble, match="connect its drive"):
        FolderMailbox(path / "not" / "there", HOST, Runtime())


def test_a_drive_that_was_disconnected_is_not_written_anew(host: FolderMailbox, path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(MailboxTrouble, match="connect its drive"):
        host.send(MAIL)
    with pytest.raises(MailboxTrouble, match="connect its drive"):
        list(host.fetch())
    assert not path.exists()


def test_copies_count_and_what_file_managers_leave_does_not(host: FolderMailbox, path: Path) -> None:
    station = FolderMailbox(path, STATION, clock_runtime())
    host.send(MAIL)
    new = path / STATION / "new"
    (original,) = new.iterdir()
    (new / "Copy of mail").write_bytes(original.read_bytes())
    (new / ".DS_Store").write_bytes(b"x")
    (new / "folder").mkdir()
    os.mkfifo(new / "pipe")
    (new / "link").symlink_to(original)
    assert len(list(station.fetch())) == 2
    assert len(list(new.iterdir())) == 6


def test_a_file_that_cannot_be_read_stops_nothing(
    host: FolderMailbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = FolderMailbox(path, STATION, clock_runtime())
    host.send(MAIL)
    (path / STATION / "new" / "locked").write_bytes(b"x")
    real_open = os.open

    def refuse(name: Any, *arguments: Any, **named: Any) -> int:
        if str(name).endswith("locked"):
            raise PermissionError(errno.EACCES, "denied")
        return real_open(name, *arguments, **named)

    monkeypatch.setattr(os, "open", refuse)
    assert [fetched.absence for fetched in station.fetch()] == [None, Absence.UNREADABLE]


def test_ids_cannot_lead_out_of_the_folder(host: FolderMailbox) -> None:
    for name in ("../tmp/x", "/etc/x", "..", ""):
        with pytest.raises(ValueError, match="not an id"):
            host.delete([name])


@pytest.mark.parametrize("place", ["mail:before", "mail:after"])
def test_a_crash_leaves_a_whole_mail_or_none(path: Path, place: str) -> None:
    def die(reached: str) -> None:
        if reached == place:
            raise Crash

    with pytest.raises(Crash):
        FolderMailbox(path, HOST, Runtime(reached=die)).send(MAIL)
    station = FolderMailbox(path, STATION, Runtime())
    assert len(list(station.fetch())) == (place == "mail:after")


def test_abandoned_files_are_removed_after_a_day_and_only_ours(path: Path) -> None:
    FolderMailbox(path, HOST, Runtime())
    tmp = path / HOST / "tmp"
    old, young = f"{NOW - DAY - 1:016d}-{'ab' * 8}.eml", f"{NOW - DAY + 1:016d}-{'ab' * 8}.eml"
    for name in (old, young, "0000000000000001-notours.eml", "notes.txt"):
        (tmp / name).write_bytes(b"x")
    list(FolderMailbox(path, HOST, Runtime(now=lambda: NOW)).fetch())
    assert sorted(file.name for file in tmp.iterdir()) == sorted([young, "0000000000000001-notours.eml", "notes.txt"])


def test_content_and_folder_are_synced_before_sending_returns(
    host: FolderMailbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FolderMailbox(path, STATION, Runtime())
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(handle: int) -> None:
        steps.append(Path(os.readlink(f"/proc/self/fd/{handle}")).parent.name)
        real_fsync(handle)

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    host.send(MAIL)
    assert steps == ["tmp", "rename", STATION]
    FolderMailbox(path, HOST, Runtime(), durable=False).send(MAIL)
    assert steps == ["tmp", "rename", STATION, "rename"]


def test_waiting_notices_a_new_file(host: FolderMailbox, path: Path) -> None:
    station = FolderMailbox(path, STATION, Runtime())
    host.send(MAIL)
    assert station.wait(0, Event())
    list(station.fetch())
    assert not station.wait(0, Event())
    timer = Timer(0.1, host.send, [MAIL])
    timer.start()
    assert station.wait(30, Event())
    timer.join()


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.ESTALE, "share has gone"),
        (errno.EIO, "fault"),
        (errno.ENXIO, "No such device"),
    ],
)
def test_trouble_is_one_sentence_and_leaves_nothing_behind(
    host: FolderMailbox, path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    FolderMailbox(path, STATION, Runtime())

    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(MailboxTrouble) as trouble:
        host.send(MAIL)
    assert words in str(trouble.value)
    assert str(path / STATION) in str(trouble.value)
    assert "\n" not in str(trouble.value)
    assert files(path) == []


def test_a_share_that_cannot_sync_folders_is_good_enough(
    host: FolderMailbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync = os.fsync

    def fail_on_folders(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_dir():
            raise OSError(errno.EINVAL, "invalid")
        real_fsync(handle)

    monkeypatch.setattr(os, "fsync", fail_on_folders)
    host.send(MAIL)
    assert len(list(FolderMailbox(path, STATION, Runtime()).fetch())) == 1


def test_all_deletions_are_tried_before_trouble_is_told(
    host: FolderMailbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = FolderMailbox(path, STATION, Runtime())
    for _ in range(3):
        host.send(MAIL)
    ids = [fetched.id for fetched in station.fetch()]
    real_unlink = Path.unlink

    def refuse_first(self: Path, missing_ok: bool = False) -> None:
        if self.name == ids[0]:
            raise PermissionError(errno.EACCES, "denied")
        real_unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_first)
    with pytest.raises(MailboxTrouble, match="no permission"):
        station.delete(ids)
    assert [fetched.id for fetched in station.fetch()] == ids[:1]


def test_a_file_where_a_folder_is_needed(path: Path) -> None:
    path.mkdir()
    (path / HOST).write_bytes(b"x")
    with pytest.raises(MailboxTrouble, match="a file stands where a folder is needed"):
        FolderMailbox(path, HOST, Runtime())
