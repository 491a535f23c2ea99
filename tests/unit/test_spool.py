"""The spool: streams across files, losses told, orphans found."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import SpoolLoss, StorageTrouble
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.spool import InboundBatch, Spool
from replicator.store.spool_stream import FilePiece, SpoolStream

BATCH = InboundBatch(3, (0, 2), 17)


def spool_in(folder: Path, reserve: int = 0) -> Spool:
    return Spool(folder / "spool", Files(Runtime(), durable=False), reserve=reserve)


def digest(number: int) -> bytes:
    return bytes([number]) * 32


def test_segment_is_kept_once_under_its_digest(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    assert spool.add_segment(digest(0xAB), iter([b"one", b"two"])) == 6
    assert spool.segment_path(digest(0xAB)) == tmp_path / "spool" / "segments" / "ab" / ("ab" * 32)
    assert spool.add_segment(digest(0xAB), b"other bytes of another compressor") == 6
    assert spool.segment_path(digest(0xAB)).read_bytes() == b"onetwo"
    spool.delete_segments([digest(0xAB), digest(1)])
    assert not spool.segment_path(digest(0xAB)).exists()


def test_outbound_stream_is_the_manifest_and_its_segments(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    sizes = [(digest(n), spool.add_segment(digest(n), bytes([n]) * n)) for n in (1, 2, 300 % 256)]
    whole = b"manifest" + b"".join(bytes([number]) * number for number in (1, 2, 44))
    with spool.outbound_stream(b"manifest", sizes) as stream:
        assert stream.size == len(whole)
        assert stream.read() == whole
        for start in range(0, len(whole) + 2, 3):
            assert stream.read_range(start, 7) == whole[start : start + 7]


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=20), max_size=8),
    in_memory=st.integers(0, 255),
    reads=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=8),
)
def test_any_range_is_that_of_the_pieces_put_together(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], in_memory: int, reads: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("stream")
    sources: list[bytes | FilePiece] = []
    for index, piece in enumerate(pieces):
        if in_memory >> index & 1:
            sources.append(piece)
        else:
            (folder / str(index)).write_bytes(b"before" + piece + b"after")
            sources.append(FilePiece(folder / str(index), 6, len(piece)))
    whole = b"".join(pieces)
    with SpoolStream(sources) as stream:
        for start, length in reads:
            assert stream.read_range(start, length) == whole[start : start + length]
        stream.seek(0)
        assert stream.readall() == whole


def test_inbound_parts_may_overlap_but_leave_no_gap(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    whole = bytes(range(100))
    ranges = [(0, 40), (30, 20), (35, 5), (50, 50), (60, 10)]
    for start, length in ranges:
        spool.add_part(BATCH, start, whole[start : start + length])
    assert spool.part_path(BATCH, 30) == tmp_path / "spool" / "inbound" / "3" / "0.2-17" / "000000000030"
    with spool.inbound_stream(BATCH, ranges, 100) as stream:
        assert stream.read() == whole
    for some, total in ((ranges[1:], 100), ([(0, 40), (50, 50)], 100), (ranges, 101)):
        with pytest.raises(ValueError, match="are missing"):
            spool.inbound_stream(BATCH, some, total)
    spool.delete_batch(BATCH)
    spool.delete_batch(BATCH)
    assert not spool.part_path(BATCH, 0).parent.exists()
    spool.add_part(BATCH, 0, b"again")


def test_a_file_that_is_gone_or_short_is_a_loss(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.add_part(BATCH, 0, b"0123456789")
    with spool.inbound_stream(BATCH, [(0, 12)], 12) as stream, pytest.raises(SpoolLoss, match="shorter than it was"):
        stream.read()
    spool.part_path(BATCH, 0).unlink()
    with spool.inbound_stream(BATCH, [(0, 10)], 10) as stream, pytest.raises(SpoolLoss, match="is gone"):
        stream.read()


def test_orphans_are_what_nothing_names(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    assert list(spool.orphans([], [])) == []
    other = BATCH._replace(n=18)
    for number in (1, 2):
        spool.add_segment(digest(number), b"x")
    for batch in (BATCH, other):
        spool.add_part(batch, 0, b"x")
    temporary = spool.part_path(BATCH, 0).with_name(".0.abc.tmp")
    temporary.write_bytes(b"half")
    orphans = {spool.segment_path(digest(2)), spool.part_path(other, 0), temporary}
    assert set(spool.orphans([digest(1)], [BATCH])) == orphans
    assert spool.sweep([digest(1)], [BATCH]) == 3
    assert not any(path.exists() for path in orphans)
    assert not spool.part_path(other, 0).parent.exists()
    assert spool.sweep([digest(1)], [BATCH]) == 0
    spool.add_segment(digest(2), b"x")
    spool.add_part(other, 0, b"x")


def test_crash_points(tmp_path: Path) -> None:
    places: list[str] = []
    spool = Spool(tmp_path, Files(Runtime(reached=places.append)), reserve=0)
    spool.add_segment(digest(1), b"x")
    spool.add_part(BATCH, 0, b"x")
    assert places == ["spool:before", "spool:after"] * 2


def test_room_is_asked_for_before_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_000))
    spool = spool_in(tmp_path, reserve=400)
    assert spool.free_space() == 600
    spool.require_room(600)
    with pytest.raises(StorageTrouble, match=r"601 bytes are needed and 600 may be used; make room"):
        spool.require_room(601)
    assert spool_in(tmp_path, reserve=2_000).free_space() == 0
