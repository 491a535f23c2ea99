"""Small parts share a mail, as many as fit into one."""

from __future__ import annotations

from pathlib import Path

from command_line import Place
from test_mailbox_limits import ADDRESSES, fill, koeln, office, opened  # noqa: F401 - fixtures

from replicator.engine import mail_packing
from replicator.engine.mail_packing import packed, weight
from replicator.engine.session import run as run_session
from replicator.protocol.envelope import MAGIC
from replicator.store.batches import Queued
from replicator.transport import mime

BATCHES = 70


def queue(*lengths: int) -> list[Queued]:
    return [Queued(number, 1, number, 0, length, 1) for number, length in enumerate(lengths)]


def lengths(mails: list[list[Queued]]) -> list[list[int]]:
    return [[item.length for item in mail] for mail in mails]


def test_a_mail_is_filled_and_not_overfilled() -> None:
    assert lengths(list(packed(queue(400, 400, 100, 900, 1), 1_000, 50))) == [[400, 400, 100], [900, 1]]
    assert lengths(list(packed(queue(400, 400, 101), 1_000, 50))) == [[400, 400], [101]]
    assert weight(queue(400, 400, 100), 50) == 1_000


def test_what_is_too_large_by_itself_goes_by_itself() -> None:
    assert lengths(list(packed(queue(5, 2_000, 5), 1_000, 50))) == [[5], [2_000], [5]]


def test_a_mail_has_so_many_parts_at_most() -> None:
    most = mail_packing.MOST_PARTS
    mails = list(packed(queue(*[1] * (2 * most + 1)), 1_000_000, 50))
    assert [len(mail) for mail in mails] == [most, most, 1]
    assert list(packed([], 1_000, 50)) == []


def many_batches(office: Place) -> None:  # noqa: F811
    for number in range(BATCHES):
        office.sql("INSERT INTO orders VALUES (?, 1, NULL, NULL)", 1_000 + number)
        with opened(office, batch_bytes=1, mails_per_run=1) as (node, mailbox):
            mailbox.refuses = frozenset([ADDRESSES["koeln"]])
            run_session(node)


def test_many_small_batches_are_few_mails(office: Place, koeln: Place) -> None:  # noqa: F811
    many_batches(office)
    summary = office.run()
    assert summary.sent.mails == -(-BATCHES // mail_packing.MOST_PARTS)
    folder = office.folder / "mail" / ADDRESSES["koeln"] / "new"
    assert sum(len(mime.extract(file.read_bytes(), MAGIC).payloads) for file in folder.iterdir()) == BATCHES
    received = koeln.run()
    assert (received.received.mails, received.applied.batches) == (summary.sent.mails, BATCHES)
    assert koeln.sql("SELECT count(*) FROM orders") == office.sql("SELECT count(*) FROM orders")
    assert office.run().sent.mails <= 1, "nothing waits any more"


def test_a_packed_mail_that_is_too_large_is_taken_apart(office: Place, koeln: Place) -> None:  # noqa: F811
    many_batches(office)
    with opened(office) as (node, mailbox):
        mailbox.takes = 6_000
        sent = run_session(node).sent
        with node.unit() as unit:
            learned = unit.part_bytes
    assert 4_000 <= learned <= 12_000
    assert 3 < sent.mails < BATCHES
    assert koeln.run().applied.batches == BATCHES


def test_a_damaged_part_hides_none_of_the_others(office: Place, koeln: Place, tmp_path: Path) -> None:  # noqa: F811
    many_batches(office)
    office.run()
    folder = tmp_path / "mail" / ADDRESSES["koeln"] / "new"
    file = min(folder.iterdir())
    whole = file.read_bytes()
    second = whole.index(b"\r\n\r\n", whole.index(b"replicator-2.bin")) + 300
    file.write_bytes(whole[:second] + b"AAAA" + whole[second + 4 :])
    received = koeln.run()
    assert received.received.set_aside == 1
    assert received.applied.batches == 1, "those behind the damaged one wait for it"
    for _ in range(3):
        office.run()
        koeln.run()
    assert koeln.sql("SELECT count(*) FROM orders") == office.sql("SELECT count(*) FROM orders")
