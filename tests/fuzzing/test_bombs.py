"""What is small on the way and huge when believed: refused by what it says, with memory and work that are bounded."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest
import zstandard

from replicator.errors import PeerFault
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec import IncompleteManifest, decode_header, decode_manifest, decode_segment
from replicator.protocol.codec_plain import unpack
from replicator.protocol.envelope import MAGIC
from replicator.protocol.messages import Segment
from replicator.transport import foreign_mime
from replicator.transport.base import LARGEST_MAIL
from replicator.transport.bounces import read_bounce
from replicator.transport.mime import Extracted, extract
from replicator.transport.origin import read_head
from tests.fuzzing.bombs import FRAMES, Announced, announced, bodies, empty_lists, rows

ROOT = Path(__file__).parents[2]
MB = 1_000_000


def peak_of(work: Callable[[], object]) -> int:
    """Bytes that Python took at most while at it, what it gave back included."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def decoded(what: Announced) -> Segment:
    frame, entry = what
    return decode_segment(frame, entry)


def refused(work: Callable[[], object], reason: str) -> Callable[[], None]:
    def tried() -> None:
        with pytest.raises(PeerFault, match=reason):
            work()

    return tried


# --- zstd -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason", "most"),
    [
        ("claims little", "can't be decompressed", 16 * MB),
        ("claims nothing", "doesn't name its size", 16 * MB),
        ("claims gigabytes", "another size before compression", 16 * MB),
        ("claims the most", "can't be decompressed", BOUNDS.segment_raw + 16 * MB),
        ("claims more than there is", "can't be decompressed|digest", BOUNDS.segment_raw + 16 * MB),
        ("two frames", "can't be decompressed", 16 * MB),
    ],
)
def test_a_frame_inflates_to_what_its_bound_allows_at_most(name: str, reason: str, most: int) -> None:
    assert len(FRAMES[name][0]) < 70_000
    command = [sys.executable, "-m", "tests.fuzzing.bombs", name]
    told, grown = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=600).stdout)
    with pytest.raises(PeerFault, match=reason):
        raise PeerFault(told)
    assert grown <= most


def test_a_frame_in_a_frame_is_opened_once() -> None:
    inner = zstandard.ZstdCompressor().compress(b"\0" * MB)
    frame, entry = announced(inner)
    with pytest.raises(PeerFault, match="layout version"):
        decode_segment(frame, entry)


# --- segments that are sound, and as large in memory as can be --------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(rows(BOUNDS.entries, BOUNDS.cells // BOUNDS.entries), id="numbers"),
        pytest.param(rows(BOUNDS.cells // BOUNDS.columns, BOUNDS.columns, nulls=True), id="wide"),
        pytest.param(rows(BOUNDS.entries // 100, 1, 100, nulls=True), id="blocks"),
        pytest.param(bodies(4, empty_lists(BOUNDS.containers // 4 - 1)), id="lists"),
    ],
)
def test_the_most_that_a_segment_may_hold_fits_into_memory(what: Announced) -> None:
    assert len(what[0]) < 300_000
    assert peak_of(lambda: decoded(what)) < 150 * MB


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        pytest.param(rows(BOUNDS.entries + 1, 1, nulls=True), "classes", id="entries"),
        pytest.param(rows(BOUNDS.entries // 2 + 1, 1, 2, nulls=True), "classes", id="entries of several blocks"),
        pytest.param(rows(1_001, BOUNDS.columns, nulls=True), "more values", id="values"),
        pytest.param(rows(1, BOUNDS.columns + 1, nulls=True), "columns", id="columns"),
        pytest.param(bodies(1, empty_lists(BOUNDS.control)), "longer", id="a long body"),
        pytest.param(bodies(5, empty_lists(900_000)), "too long", id="long bodies"),
        pytest.param(bodies(4, empty_lists(900_000)), "more lists", id="lists"),
    ],
)
def test_more_is_refused_before_it_is_made(what: Announced, reason: str) -> None:
    assert len(what[0]) < 10_000
    assert peak_of(refused(lambda: decoded(what), reason)) < 150 * MB


# --- msgpack ----------------------------------------------------------------------------------------------------------

HUGE = {
    "array": b"\xdd\xff\xff\xff\xff",
    "map": b"\xdf\xff\xff\xff\xff",
    "text": b"\xdb\xff\xff\xff\xff",
    "bytes": b"\xc6\xff\xff\xff\xff",
    "extension": b"\xc9\xff\xff\xff\xff\x01",
    "array in array": b"\xdd\x7f\xff\xff\xff" * 500,
    "deep": b"\x91" * 60_000,
    "deep maps": b"\x81\x01" * 30_000,
}
WRONG = {
    "timestamp": msgpack.packb(msgpack.Timestamp(1)),
    "extension": msgpack.packb(msgpack.ExtType(5, b"x")),
    "65 bits": msgpack.packb(2**64 - 1),
    "not UTF-8": b"\xa2\xff\xfe",
    "never used": b"\xc1",
    "real": msgpack.packb(float("nan")),
    "yes": msgpack.packb(True),
    "nested": msgpack.packb([1]),
}


READERS: dict[str, Callable[[bytes], object]] = {
    "header": decode_header,
    "manifest": lambda tape: decode_manifest(len(tape).to_bytes(4, "big") + tape),
    "segment": lambda tape: decoded(announced(tape)),
}


@pytest.mark.parametrize("start", HUGE.values(), ids=HUGE)
def test_heads_of_huge_things_take_no_memory(start: bytes) -> None:
    manifest = len(start).to_bytes(4, "big") + start
    assert peak_of(refused(lambda: decode_header(start), "damaged")) < MB
    assert peak_of(refused(lambda: decode_manifest(manifest), "damaged")) < MB
    assert peak_of(refused(lambda: unpack(start), "damaged")) < 4 * MB
    assert peak_of(refused(lambda: decoded(bodies(1, start)), "damaged")) < 8 * MB
    for place in range(6):
        what = announced(b"\x01" * place + start)
        assert peak_of(refused(lambda what=what: decoded(what), "damaged")) < 4 * MB


@pytest.mark.parametrize("scalar", WRONG.values(), ids=WRONG)
def test_what_is_no_scalar_of_a_tape_is_refused_in_every_field(scalar: bytes) -> None:
    from tests.fuzzing.mutating import scalars_of
    from tests.unit.golden_messages import golden

    for name, (data, kind, _) in golden().items():
        if name == "envelope":
            continue
        tape = data[4:] if kind == "manifest" else data
        scalars = scalars_of(tape)
        for place in range(len(scalars)):
            changed = b"".join([*scalars[:place], scalar, *scalars[place + 1 :]])
            with pytest.raises(PeerFault):
                READERS[kind](changed)


def test_plain_data_is_nested_to_its_bound_and_no_deeper() -> None:
    assert unpack(b"\x91" * (BOUNDS.depth - 1) + b"\x90") is not None
    with pytest.raises(PeerFault):
        unpack(b"\x91" * BOUNDS.depth + b"\x90")


def test_a_manifest_that_claims_gigabytes_is_refused_at_once() -> None:
    with pytest.raises(PeerFault, match="longer than"):
        decode_manifest(b"\xff\xff\xff\xff")
    with pytest.raises(IncompleteManifest) as wanted:
        decode_manifest((BOUNDS.manifest - 4).to_bytes(4, "big"))
    assert wanted.value.wanted == BOUNDS.manifest


# --- MIME -------------------------------------------------------------------------------------------------------------

NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(10_000))
BASE64 = b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
REPORT = b"Content-Type: multipart/report; boundary=b\n\n"


@pytest.mark.parametrize(
    ("raw", "foreign"),
    [
        pytest.param(NESTED, "nested", id="nested"),
        pytest.param(b"Content-Type: message/rfc822\n\n" * 10_000, "nested", id="mail in mail"),
        pytest.param(b"a: b\n" * 100_000 + b"\nx", "headers", id="headers"),
        pytest.param(b"a: b\n" + b" folded\n" * 400_000 + b"\nx", "holds no data", id="one header folded"),
        pytest.param(REPORT + b"--b\n" * 400_000, "holds no data", id="boundaries"),
        pytest.param(REPORT + b"--b\r\n\r\n" * 100_000, "parts", id="empty parts"),
        pytest.param(b"\n" * 10_000_000, "lines", id="empty lines"),
        pytest.param(BASE64 + b"UlBM" * 2_500_000, "holds no data", id="one line of base64"),
        pytest.param(BASE64 + b"=" * 10_000_000, "holds no data", id="padding"),
        pytest.param(BASE64 + b"TWFu" * 2_500_000 + b"\n", "holds no data", id="one long line"),
        pytest.param(b"x" * LARGEST_MAIL, "holds no data", id="one line"),
    ],
)
def test_work_and_memory_on_any_mail_are_bounded(raw: bytes, foreign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"header": 0, "part": 0}

    def counted(name: str) -> Callable[..., None]:
        original = getattr(foreign_mime._Count, name)

        def count(*arguments: object) -> None:
            counts[name] += 1
            original(*arguments)

        return count

    for name in counts:
        monkeypatch.setattr(foreign_mime._Count, name, counted(name))
    found: list[Extracted] = []
    assert peak_of(lambda: found.append(extract(raw, MAGIC))) < 8 * LARGEST_MAIL
    assert foreign in str(found[0].reason)
    assert counts["header"] <= 2_001
    assert counts["part"] <= 65
    assert peak_of(lambda: (read_head(raw), read_bounce(raw))) < 8 * MB
    assert counts["header"] <= 2_001 + 3 * 1_001
    assert counts["part"] <= 65 + 3 * 51


def test_a_line_of_base64_as_long_as_a_mail_is_ours_all_the_same() -> None:
    payload = MAGIC + bytes(7_500_000)
    raw = BASE64 + base64.b64encode(payload)
    found: list[Extracted] = []
    assert peak_of(lambda: found.append(extract(raw, MAGIC))) < 8 * LARGEST_MAIL
    assert found[0].payloads == (payload,)
