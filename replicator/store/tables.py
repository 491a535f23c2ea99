"""The replicator's own tables (protocol.md section 3), beside the application's in the same database.

`migrations/` makes the same tables; a test holds the two against each other. The outbox is not here: it belongs to the
database class that captures (databases/*). Positions are two columns, `..._epoch` and `..._n`. Times are microseconds
since 1970 UTC. `peer` is a station's number at the host, 0 (the host) at a station.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table

from replicator.store.column_types import BYTES, FLAG, LARGE_BYTES, NUMBER, TABLE_OPTIONS, TEXT, short_bytes

metadata = MetaData()


def _position(name: str) -> list[Column[int]]:
    return [
        Column(f"{name}_epoch", BigInteger, nullable=False, server_default="0"),
        Column(f"{name}_n", BigInteger, nullable=False, server_default="0"),
    ]


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


node = Table(
    "replicator_node",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("role", String(10), nullable=False),
    Column("name", String(200), nullable=False),
    Column("address", String(320), nullable=False),
    _count("run"),  # raised before anything leaves; the side file holds it too (protocol.md 3.4)
    Column("host_epoch", BigInteger, nullable=False),  # 0 at a station
    _count("last_n"),  # last journal group's n
    _count("open_group"),  # n of a group that a collect has not finished yet; 0: none
    _count("open_through"),  # up to which captured change it goes
    Column("next_table", Integer, nullable=False, server_default="1"),
    Column("next_peer", Integer, nullable=False, server_default="1"),
    Column("created_at", BigInteger, nullable=False),
)

mailbox = Table(
    "replicator_mailbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _count("part_bytes"),  # most content of one mail that it was found to take; 0: what the settings say
    _count("hour_began"),  # when the first mail of the present hour went
    _count("hour_mails"),  # how many went since
    Column("name", String(64), nullable=False, server_default=""),  # its section's; empty: the account's own
    _count("away_since"),  # since when runs could not use it; 0: the last one did
)

# Which mailboxes mail for a peer goes by, all of them.
route = Table(
    "replicator_route",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("mailbox", Integer, primary_key=True, autoincrement=False),
    Column("owed", FLAG, nullable=False, server_default="0"),  # a mail was to go while the mailbox was away
)

sent_mail = Table(
    "replicator_sent_mail",
    metadata,
    Column("message_id", String(400), primary_key=True),
    Column("peer", Integer, nullable=False),
    Column("length", BigInteger, nullable=False),  # bytes of batches that it carried
    Column("sent_at", BigInteger, nullable=False),
    *_position("epoch"),  # of the batches
    _count("first_n"),  # the first and the last of them; 0: none
    _count("last_n"),
    Column("mailbox", Integer, nullable=False, server_default="1"),  # that it went by
)

table = Table(
    "replicator_table",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False, unique=True),
    Column("area", String(200)),
    Column("policy", String(10), nullable=False),
    Column("definition", TEXT, nullable=False),
    Column("added_at", BigInteger, nullable=False),
)

peer = Table(
    "replicator_peer",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False, unique=True),
    Column("title", String(200)),
    Column("address", String(320), nullable=False),
    Column("enabled", FLAG, nullable=False, server_default="1"),
    Column("public_key", short_bytes(32)),
    Column("bootstrap_key", short_bytes(32)),  # host: public half of the invitation's key, until the own key is in use
    Column("invitation", String(64)),
    Column("created_at", BigInteger, nullable=False),
    Column("heard_at", BigInteger),
    Column("sent_at", BigInteger),
    Column("database_kind", String(20)),  # host: of the station's database, as it says or `station add` said
    Column("database_version", String(20)),  # NULL: the station has not said it itself
)

# Both streams of a link and how far the journal went into it (protocol.md 2, 3.1 to 3.3). One row a peer.
link = Table(
    "replicator_link",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("mode", String(10), nullable=False, server_default=""),  # '' or 'snapshot' (host: to be started anew)
    *_position("out_epoch"),
    _count("out_n"),
    _count("out_acknowledged"),
    Column("out_digest", short_bytes(32)),
    *_position("out_high"),  # journal position covered by the last acknowledged batch
    _count("out_bytes"),  # un-acknowledged, of batches that count for the window
    _count("out_probe"),
    _count("out_probe_at"),
    _count("out_probe_wait"),
    *_position("in_epoch"),
    _count("in_n"),
    Column("in_digest", short_bytes(32)),
    _count("in_high"),
    Column("acknowledgement_due", FLAG, nullable=False, server_default="0"),
    _count("in_probe"),
    _count("cut_slice"),  # last slice that has been put into a batch, or passed over
    _count("applied_n"),  # host: last sequence number judged
    _count("judged_n"),  # station: own changes up to here have their verdict
    *_position("seen"),  # station: the host's log up to here is applied
    _count("resent_until"),
    *_position("rule"),  # station: version in force; host: version last logged
    *_position("peak_epoch"),  # the last acknowledgement ever taken of the own stream, of whichever epoch
    _count("peak_n"),
    Column("peak_digest", short_bytes(4)),
    _count("rewound_slice"),  # host: slices below it go out with the station's own clean records
    _count("number"),  # station: its number at the host, once it was told
)

rule = Table(
    "replicator_rule",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("version_epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("version_n", BigInteger, primary_key=True, autoincrement=False),
    Column("to_remote", Integer, nullable=False),
    Column("to_host", Integer, nullable=False),
)

outbox_control = Table(
    "replicator_outbox_control",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("uid", short_bytes(16), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("body", BYTES),
    sqlite_autoincrement=True,
)

journal = Table(
    "replicator_journal",
    metadata,
    Column("n", NUMBER, primary_key=True, autoincrement=False),
    Column("host_epoch", BigInteger, nullable=False),
    Column("uid", short_bytes(16), nullable=False),
    *_position("born"),
    Column("origin", Integer, nullable=False),  # peer that made it; 0: this node
    _count("origin_epoch"),
    _count("origin_n"),
    Column("control", String(20)),
    Column("body", BYTES),
    Column("merged", FLAG, nullable=False),
    *_position("rule"),
    Column("schema_version", Integer, nullable=False, server_default="1"),
    Column("at", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
)

# Which groups have changes of a row; the changes themselves stand in the slices.
journal_key = Table(
    "replicator_journal_key",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

recipients = Table(
    "replicator_recipients",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("stations", TEXT, nullable=False),  # sorted peer numbers, comma separated
)

# The journal's content, in pieces of at most about 1 MB, the same for all links; each piece as segments by recipients.
slice_ = Table(
    "replicator_slice",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("host_epoch", BigInteger, nullable=False),
    Column("first_n", BigInteger, nullable=False),
    Column("last_n", BigInteger, nullable=False),
    Column("whole", FLAG, nullable=False),  # its last group ends in it
    Index("replicator_slice_last_n", "last_n"),
)

slice_segment = Table(
    "replicator_slice_segment",
    metadata,
    Column("slice", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("recipients", Integer),  # shared by these; NULL with no peer: nobody gets it
    Column("peer", Integer),  # or private to this one
    Column("origin", Integer, nullable=False),  # whose clean records: that link leaves it out
    Column("kind", String(10), nullable=False),
    Column("digest", short_bytes(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("raw_size", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("frame", LARGE_BYTES),  # the segment's compressed bytes; NULL: they lie in the spool (content)
    Column("detail", LARGE_BYTES),  # what the journal keeps beside: masks, old values, times
    Index("replicator_slice_segment_digest", "digest"),
)

# Content of a logged rule record (its journal n), until its slice is made.
content = Table(
    "replicator_content",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("digest", short_bytes(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("raw_size", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Index("replicator_content_digest", "digest"),
)

batch_out = Table(
    "replicator_batch_out",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", short_bytes(32), nullable=False),
    Column("manifest", BYTES, nullable=False),  # its encoded bytes: the head of the stream
    Column("opener", String(20)),
    *_position("peer_epoch"),
    *_position("high"),
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

send_queue = Table(
    "replicator_send_queue",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("peer", Integer, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("mailbox", Integer, nullable=False, server_default="1"),  # that the part is to go by
    Index("replicator_send_queue_route", "peer", "mailbox"),
    sqlite_autoincrement=True,
)

digest = Table(
    "replicator_digest",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("direction", String(4), primary_key=True),
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

# Base of all conflict tests (host), what the local row is at (station). Deleted rows stay as tombstones.
row_version = Table(
    "replicator_row_version",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("deleted", Integer, nullable=False),
    Column("writer", Integer, nullable=False),  # host: peer that wrote it, 0 the host
    Column("writer_epoch", BigInteger, nullable=False),
    Column("clean", Integer, nullable=False),  # host: stored exactly as the writer sent it
    Column("at", BigInteger, nullable=False),
    Column("tie", String(1), nullable=False),  # station: types.Tie
    Column("image", BYTES),  # host: last image of a deleted row; station: old values of local edits
    sqlite_with_rowid=False,
)

link_row = Table(
    "replicator_link_row",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    sqlite_with_rowid=False,
)

seen_group = Table(
    "replicator_seen_group",
    metadata,
    Column("peer", Integer, primary_key=True, autoincrement=False),
    Column("uid", short_bytes(16), primary_key=True),
    *_position("born"),
    sqlite_with_rowid=False,
)

# Keys while a snapshot or a rule's content is applied; empty outside that transaction.
scope_key = Table(
    "replicator_scope_key",
    metadata,
    Column("kind", Integer, primary_key=True, autoincrement=False),  # 0: in the content
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    sqlite_with_rowid=False,
)

skipped = Table(
    "replicator_skipped",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("row_key", short_bytes(3000), primary_key=True),
    *_position("at"),
    Column("image", BYTES),
    sqlite_with_rowid=False,
)

conflict = Table(
    "replicator_conflict",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("host_epoch", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("peer", Integer, nullable=False),
    Column("uid", short_bytes(16)),
    Column("table_id", Integer, nullable=False),
    Column("row_key", short_bytes(3000), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("host_image", BYTES),
    Column("station_image", BYTES),
    Column("result_image", BYTES),
    Column("column_names", TEXT),  # that the station changed, a JSON list; NULL: not told
    Column("station_at", BigInteger),  # when the two rows were written, each by its writer's clock
    Column("host_at", BigInteger),
    Column("host_writer", Integer),  # peer that wrote the host's row; 0: the host itself
    Column("settled_at", BigInteger),  # when a person decided on it
    Column("settled_by", String(10)),  # whose row was taken: host, station or file
    Index("replicator_conflict_at", "at"),
    sqlite_autoincrement=True,
)

# What a person should know: mail set aside, foreign mail, uncaptured writes, trouble with a peer. Told once, kept.
notice = Table(
    "replicator_notice",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", String(500), nullable=False),
    Column("message", TEXT, nullable=False),
    Column("waiting", FLAG, nullable=False),  # a person has to do something
    Index("replicator_notice_subject", "kind", "subject"),
    sqlite_autoincrement=True,
)

for _each in metadata.tables.values():
    _each.dialect_kwargs.update(TABLE_OPTIONS)
