"""Bounds on everything that comes by mail, checked before work is done (protocol.md 4; design.md 7).

What is sealed by a peer may still be hostile or broken, so each declared size, count and depth is held against these
before memory is taken. The sender keeps to the same bounds: a publisher cuts segments and parts well below them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Sizes in bytes, lengths in characters or elements."""

    mail: int = 100_000_000
    """A whole mail as fetched. No provider passes more, and it is read into memory once."""
    part_payload: int = 4_000_000
    """Piece of a batch's stream in one mail. Four times what a sender cuts, so that it may be set higher later."""
    header: int = 64_000
    """Sealed header: mostly the list of missing parts."""
    manifest: int = 4_000_000
    """About 80,000 segments; the whole manifest is held in memory while its batch comes in."""
    segments: int = 50_000
    """Segments of a batch: a snapshot of 50 GB at the usual 1 MB each."""
    segment_frame: int = 65_000_000
    """Compressed segment: incompressible rows grow a little."""
    segment_raw: int = 64_000_000
    """Segment before compression, one large blob included; checked against a decompression bomb before inflating."""
    blocks: int = 10_000
    """Table blocks of a segment; one for each table and kind of record is usual."""
    entries: int = 200_000
    """Row changes of a segment, ten times what a sender cuts. Each takes a byte on the wire before compression, which
    makes next to nothing of a million like ones, and some 150 in memory."""
    groups: int = 200_000
    """Group heads or control records of a segment; each takes some 300 bytes in memory."""
    cells: int = 2_000_000
    """Values of a segment in all, twice what a sender puts into one. A column of NULLs costs no byte on the wire but
    eight each in memory, and one of small numbers up to forty."""
    columns: int = 2_000
    """Columns of a table: SQLite's own limit, and above PostgreSQL's and MariaDB's."""
    name: int = 200
    """Names of nodes, kinds, tables and the like; longer than any database allows."""
    missing: int = 1_000
    """Batches in the list of missing parts; a longer list says 'all of it' for the rest."""
    ranges: int = 4_000
    """Byte ranges over all batches of that list; what doesn't fit is asked for by a later mail."""
    uid: int = 64
    """Unique id of a group."""
    control: int = 1_000_000
    """Packed body of one control record or request; table content goes into content segments instead."""
    control_bodies: int = 4_000_000
    """All packed bodies of a segment."""
    containers: int = 500_000
    """Lists and maps in all bodies of a segment: an empty one is a byte on the wire and sixty in memory."""
    blob: int = 256_000_000
    """Packed plain data of our own journal and settings."""
    depth: int = 16
    """Nesting of plain data."""


BOUNDS = Bounds()
