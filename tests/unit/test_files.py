"""Durable files: all or nothing, and a clear sentence for each errno."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from replicator.errors import StorageTrouble
from replicator.runtime import Runtime
from replicator.store.files import Files


class Crash(BaseException):
    """The process dies at a crash point."""


def test_written_file_is_read_back_and_closed_to_others(tmp_path: Path) -> None:
    files = Files(Runtime())
    path = tmp_path / "a"
    assert files.write(path, b"one") == 3
    assert files.write(path, (piece for piece in (b"two", b"three"))) == 8
    assert files.read(path, 100) == b"twothree"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    files = Files(Runtime())
    files.write(tmp_path / "a", b"x" * 100)
    assert files.read(tmp_path / "a", 10) == b"x" * 11
    assert files.read(tmp_path / "none", 10) is None


def test_delete_tells_whether_there_was_a_file(tmp_path: Path) -> None:
    files = Files(Runtime())
    files.write(tmp_path / "a", b"")
    assert files.delete(tmp_path / "a")
    assert not files.delete(tmp_path / "a")


def test_crash_points_stand_around_the_rename(tmp_path: Path) -> None:
    path = tmp_path / "a"
    Files(Runtime()).write(path, b"old")
    seen: list[tuple[str, bytes]] = []

    def reached(place: str) -> None:
        seen.append((place, path.read_bytes()))
        if len(seen) == 3:
            raise Crash

    files = Files(Runtime(reached=reached))
    files.write(path, b"new", moment="side")
    assert seen == [("side:before", b"old"), ("side:after", b"new")]
    with pytest.raises(Crash):
        files.write(path, b"newest", moment="side")
    assert path.read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 2, "a crash leaves the temporary file, as a real one would"


def test_fsync_of_file_comes_before_rename_and_that_of_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_fsync(descriptor)

    def replace(source: Path, target: Path) -> None:
        order.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    Files(Runtime()).write(tmp_path / "a", b"x")
    assert order == ["file", "rename", "folder"]
    order.clear()
    Files(Runtime(), durable=False).write(tmp_path / "a", b"x")
    assert order == ["rename"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; make room"),
        (errno.EDQUOT, "the disk is full; make room"),
        (errno.EACCES, "no permission; run as the owner"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, "the disk reports a fault"),
    ],
)
def test_each_errno_has_its_sentence_and_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    path = tmp_path / "a"
    files = Files(Runtime())
    files.write(path, b"old")

    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageTrouble) as caught:
        files.write(path, b"new")
    assert str(caught.value).startswith(f"cannot write {path}: {words}")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made_closed_and_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    files = Files(Runtime())
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    files.write(tmp_path / "file", b"")
    with pytest.raises(StorageTrouble, match="a file stands where a folder is needed"):
        files.make_folder(tmp_path / "file" / "x")
