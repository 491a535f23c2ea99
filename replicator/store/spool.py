"""The spool: what waits on disk to be mailed or applied (protocol.md 3, 4 Parts, Segments).

    spool/segments/ab/<digest>                    segments, encoded once, named by the digest of their content
    spool/inbound/<peer>/<epoch>-<n>/<start>      parts of a batch under way to us: byte ranges of its stream

A file is durable before the commit that names it, so after a crash there may be files that nothing names (`orphans`),
never names without a file. The database's rows, not the folder, say which parts are there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from replicator.errors import StorageTrouble
from replicator.store.files import TEMPORARY_SUFFIX, Files, trouble
from replicator.store.spool_stream import FilePiece, Piece, SpoolStream
from replicator.types import Epoch

DEFAULT_RESERVE = 50_000_000
"""Bytes that stay free on the disk, for the database beside us."""


class InboundBatch(NamedTuple):
    """Names a batch under way to us."""

    peer: int
    epoch: Epoch
    n: int


class Spool:
    """All methods raise StorageTrouble with a sentence that names the path; memory stays flat whatever the size."""

    def __init__(self, folder: Path, files: Files, *, reserve: int = DEFAULT_RESERVE) -> None:
        self.folder = folder
        self._files = files
        self._reserve = reserve
        self._made: set[Path] = set()

    # --- room ---------------------------------------------------------------------------------------------------

    def free_space(self) -> int:
        """Bytes that may still be written here, the reserve left out. Never below 0."""
        try:
            return max(0, shutil.disk_usage(self.folder).free - self._reserve)
        except OSError as error:
            raise trouble(error, "read", self.folder) from error

    def require_room(self, size: int) -> None:
        free = self.free_space()
        if size > free:
            raise StorageTrouble(
                f"the disk of {self.folder} is nearly full: {size:,} bytes are needed and {free:,} may be used; "
                f"make room and try again, nothing is lost"
            )

    # --- segments -----------------------------------------------------------------------------------------------

    def segment_path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self.folder / "segments" / name[:2] / name

    def add_segment(self, digest: bytes, data: bytes | Iterable[bytes]) -> int:
        """Keep a segment's compressed bytes, durable when it returns. Gives the size of the file that is kept.

        A file of that digest that is there stays: batches may name it with its size, and another version of the
        compressor makes other bytes of the same content.
        """
        path = self.segment_path(digest)
        try:
            return path.stat().st_size
        except FileNotFoundError:
            self._make_folder(path.parent)
            return self._files.write(path, data, moment="spool")
        except OSError as error:
            raise trouble(error, "read", path) from error

    def delete_segments(self, digests: Iterable[bytes]) -> None:
        """After the commit that took out the last batch that named them."""
        for digest in digests:
            self._files.delete(self.segment_path(digest))

    def outbound_stream(self, manifest: bytes, segments: Iterable[tuple[bytes, int]]) -> SpoolStream:
        """A batch's frozen stream: its manifest, then its segments as (digest, compressed size)."""
        pieces: list[Piece] = [manifest]
        pieces.extend(FilePiece(self.segment_path(digest), 0, size) for digest, size in segments)
        return SpoolStream(pieces)

    # --- parts under way to us ----------------------------------------------------------------------------------

    def part_path(self, batch: InboundBatch, start: int) -> Path:
        return self._batch_folder(batch) / f"{start:012d}"

    def add_part(self, batch: InboundBatch, start: int, data: bytes) -> None:
        """Keep bytes `start` to `start` + len(data) of the batch's stream. Durable when it returns.

        A part with the same start is replaced: only store one that is longer than what the database names.
        """
        path = self.part_path(batch, start)
        self._make_folder(path.parent)
        self._files.write(path, data, moment="spool")

    def inbound_stream(self, batch: InboundBatch, parts: Iterable[tuple[int, int]], total: int) -> SpoolStream:
        """The batch's whole stream from its parts (start, length), which may overlap: a frozen batch may have been cut
        anew for a smaller mailbox. Raises ValueError when they leave a gap: the caller knows that it is complete."""
        pieces: list[Piece] = []
        position = 0
        for start, length in sorted(parts):
            end = min(start + length, total)
            if end <= position:
                continue
            if start > position:
                break
            pieces.append(FilePiece(self.part_path(batch, start), position - start, end - position))
            position = end
        if position != total:
            raise ValueError(f"batch {batch.n}: bytes from {position} of {total} are missing")
        return SpoolStream(pieces)

    def delete_batch(self, batch: InboundBatch) -> None:
        """Forget a batch's parts, after the commit that applied or dropped it."""
        self._delete_folder(self._batch_folder(batch))

    # --- what a crash left behind -------------------------------------------------------------------------------

    def orphans(self, segments: Collection[bytes], batches: Collection[InboundBatch]) -> Iterator[Path]:
        """Files that neither these digests nor these batches name, and temporary files.

        Only to be asked under the node's lock with no spool write waiting for its commit.
        """
        names = {digest.hex() for digest in segments}
        folders = {self._batch_folder(batch) for batch in batches}
        for path in self._walk(self.folder / "segments"):
            if path.name not in names:
                yield path
        for path in self._walk(self.folder / "inbound"):
            if path.parent not in folders or path.name.endswith(TEMPORARY_SUFFIX):
                yield path

    def sweep(self, segments: Collection[bytes], batches: Collection[InboundBatch]) -> int:
        """Delete the orphans and the folders that they leave empty; gives their number."""
        count = 0
        for path in self.orphans(segments, batches):
            count += self._files.delete(path)
            with suppress(OSError):  # not empty: the usual case
                path.parent.rmdir()
                self._made.discard(path.parent)
        return count

    def _batch_folder(self, batch: InboundBatch) -> Path:
        first, second = batch.epoch
        return self.folder / "inbound" / str(batch.peer) / f"{first}.{second}-{batch.n}"

    def _make_folder(self, path: Path) -> None:
        if path not in self._made:
            self._files.make_folder(path)
            self._made.add(path)

    def _delete_folder(self, path: Path) -> None:
        for file in self._walk(path):
            self._files.delete(file)
        with suppress(OSError):  # a folder that stays is empty and harmless
            path.rmdir()
        self._made.discard(path)

    def _walk(self, top: Path) -> Iterator[Path]:
        """All files below, without holding their names in memory."""
        try:
            entries = os.scandir(top)
        except FileNotFoundError:
            return
        except OSError as error:
            raise trouble(error, "read", top) from error
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(Path(entry.path))
                else:
                    yield Path(entry.path)
