"""Links: both streams, the batches that are on their way out and the parts that have come in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from replicator.store.column_types import BYTES, FLAG, short_bytes
from replicator.store.tables.columns import count, metadata, position

# Both streams of a link and how far the journal went into it (protocol.md 2, 3.1 to 3.3). One row a peer.
link = Table(
    "replicator_link",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("mode", String(10), nullable=False, server_default=""),  # host: how it is to be begun anew; '': it isn't
    *position("out_epoch"),
    count("out_n"),
    count("out_acknowledged"),
    Column("out_digest", short_bytes(32)),
    *position("out_high"),  # journal position covered by the last acknowledged batch
    count("out_bytes"),  # un-acknowledged, of batches that count for the window
    count("out_probe"),
    count("out_probe_at"),
    count("out_probe_wait"),
    *position("in_epoch"),
    count("in_n"),
    Column("in_digest", short_bytes(32)),
    count("in_high"),
    Column("acknowledgement_due", FLAG, nullable=False, server_default="0"),
    count("in_probe"),
    count("cut_slice"),  # last slice that has been put into a batch, or passed over
    count("applied_n"),  # host: last sequence number judged
    count("judged_n"),  # station: own changes up to here have their verdict
    *position("seen"),  # station: the host's log up to here is applied
    count("resent_until"),
    *position("rule"),  # station: version in force; host: version last logged
    *position("peak_epoch"),  # the last acknowledgement ever taken of the own stream, of whichever epoch
    count("peak_n"),
    Column("peak_digest", short_bytes(4)),
    count("rewound_slice"),  # host: slices below it go out with the station's own clean records
    count("number"),  # station: its number at the host, once it was told
    count("copy_of"),  # host: number of the station that this one is a copy of; 0: it is none
    *position("left_epoch"),  # of the peer's stream before the one that has begun
)

# Where each timeline that a restore of the host has ended is common with this link. At a station (peer 0): until the
# data of the new one has come.
timeline = Table(
    "replicator_timeline",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("host_epoch", BigInteger, primary_key=True, autoincrement=False),
    *position("end"),
)

batch_out = Table(
    "replicator_batch_out",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", short_bytes(32), nullable=False),
    Column("manifest", BYTES, nullable=False),  # its encoded bytes: the head of the stream
    Column("opener", String(20)),
    *position("peer_epoch"),
    *position("high"),
    Column("size", BigInteger, nullable=False),  # of the whole stream
    Column("window_size", BigInteger, nullable=False),  # what it counts in the window (0: a snapshot)
    Column("row_count", BigInteger, nullable=False),
    Column("sent_probe", BigInteger, nullable=False),  # number of the last probe when it was last sent
    Column("repeated", FLAG, nullable=False, server_default="0"),  # sent again once because an ack named it
    Column("created_at", BigInteger, nullable=False),
)

batch_segment = Table(
    "replicator_batch_segment",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("digest", short_bytes(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("in_journal", FLAG, nullable=False),  # its bytes are a slice's frame; else they lie in the spool
    Index("replicator_batch_segment_digest", "digest"),
)

digest = Table(
    "replicator_digest",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("direction", String(4), primary_key=True),  # out, in; left: of the stream before a restore of the host
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", short_bytes(32), nullable=False),
)

batch_in = Table(
    "replicator_batch_in",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("epoch_epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch_n", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("total", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("digest", short_bytes(4)),  # the beginning of the batch's
)

part_in = Table(
    "replicator_part_in",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("epoch_epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch_n", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("length", BigInteger, nullable=False),
)

# When a peer was heard, the last times: how often the two ends hear of each other.
contact = Table(
    "replicator_contact",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
)
