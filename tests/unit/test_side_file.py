"""The side file: complete or told to be damaged, never half."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import StorageTrouble
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.side_file import SideFile, SideState, _check

STATE = SideState("Zentrale", run=7, epoch=2, number_high_water={"invoice.number": 1234}, halted=None)


def side_file(folder: Path) -> SideFile:
    return SideFile(folder / "state", Files(Runtime(), durable=False))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    side = side_file(tmp_path)
    assert side.read() is None
    side.write(STATE)
    assert side.read() == STATE
    side.write(replace(STATE, run=8, halted="somebody with my name went on"))
    assert side.read() == replace(STATE, run=8, halted="somebody with my name went on")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o600


def test_a_file_of_before_there_were_computers_in_it(tmp_path: Path) -> None:
    side = side_file(tmp_path)
    side.write(replace(STATE, machine="x"))
    assert side.read() == replace(STATE, machine="x")
    content = json.loads(side.path.read_bytes())
    del content["machine"], content["check"]
    side.path.write_text(json.dumps(content | {"check": _check(content)}))
    assert side.read() == STATE


def test_crash_points(tmp_path: Path) -> None:
    places: list[str] = []
    SideFile(tmp_path / "state", Files(Runtime(reached=places.append))).write(STATE)
    assert places == ["side:before", "side:after"]


@settings(max_examples=150, deadline=None)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_flipped_bit_never_changes_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("side")
    side = side_file(folder)
    side.write(STATE)
    data = bytearray(side.path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    side.path.write_bytes(data)
    try:
        assert side.read() == STATE, "only blanks between the fields may change"
    except StorageTrouble as trouble:
        assert "is damaged" in str(trouble)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"check": 1}', b"[" * 100_000])
def test_rubbish_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(StorageTrouble, match=r"is damaged; .* 'replicator restored'"):
        side_file(tmp_path).read()


def test_newer_format_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side = side_file(tmp_path)
    monkeypatch.setattr("replicator.store.side_file.FORMAT", 2)
    side.write(STATE)
    monkeypatch.undo()
    assert json.loads(side.path.read_bytes())["format"] == 2
    with pytest.raises(StorageTrouble, match="newer version of the program; update"):
        side.read()
