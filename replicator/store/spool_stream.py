"""A batch's byte stream read from memory and files, as if it were one file: any range of it, in flat memory."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from replicator.errors import SpoolLoss
from replicator.store.files import trouble


class FilePiece(NamedTuple):
    """`length` bytes of a file from `start` on."""

    path: Path
    start: int
    length: int


Piece: TypeAlias = bytes | FilePiece


class SpoolStream(io.RawIOBase):
    """Readable and seekable; holds at most one file open. Close it, or use it in a `with`.

    Reading raises SpoolLoss when a file is gone or shorter than its piece, StorageTrouble when it can't be read.
    """

    def __init__(self, pieces: Iterable[Piece]) -> None:
        super().__init__()
        self._pieces = [piece for piece in pieces if _length(piece)]
        self._starts: list[int] = []
        self.size = 0
        for piece in self._pieces:
            self._starts.append(self.size)
            self.size += _length(piece)
        self._position = 0
        self._open_path: Path | None = None
        self._open_file: BinaryIO | None = None

    def read_range(self, start: int, length: int) -> bytes:
        """Exactly the bytes `start` to `start` + `length`, or fewer at the end of the stream."""
        self.seek(start)
        wanted = max(0, min(length, self.size - start))
        data = bytearray(wanted)
        view, done = memoryview(data), 0
        while done < wanted:
            done += self.readinto(view[done:])
        return bytes(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start of the stream")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]  # typeshed wants any buffer
        """Read into `buffer`, at most to the end of a piece; 0 at the end of the stream."""
        view = memoryview(buffer)
        if not view or self._position >= self.size:
            return 0
        index = bisect_right(self._starts, self._position) - 1
        piece, skip = self._pieces[index], self._position - self._starts[index]
        count = min(len(view), _length(piece) - skip)
        if isinstance(piece, bytes):
            view[:count] = piece[skip : skip + count]
        else:
            count = self._read_file(piece, skip, view[:count])
        self._position += count
        return count

    def close(self) -> None:
        self._close_file()
        super().close()

    def _read_file(self, piece: FilePiece, skip: int, view: memoryview) -> int:
        try:
            file = self._file(piece.path)
            file.seek(piece.start + skip)
            count = file.readinto(view)  # type: ignore[attr-defined]  # an unbuffered file has it, typing.BinaryIO not
        except FileNotFoundError:
            raise _loss(piece.path, "gone") from None
        except OSError as error:
            raise trouble(error, "read", piece.path) from error
        if not count:
            raise _loss(piece.path, "shorter than it was")
        return int(count)

    def _file(self, path: Path) -> BinaryIO:
        if self._open_file is None or self._open_path != path:
            self._close_file()
            self._open_file = open(path, "rb", buffering=0)  # noqa: SIM115 - kept until the next piece
            self._open_path = path
        return self._open_file

    def _close_file(self) -> None:
        if self._open_file is not None:
            self._open_file.close()
            self._open_file = None
            self._open_path = None


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.length


def _loss(path: Path, what: str) -> SpoolLoss:
    return SpoolLoss(f"the spool file {path} is {what}; run again, and what was in it will be sent anew")
