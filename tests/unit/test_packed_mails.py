"""How what waits is put into mails, and mails into pages."""

from __future__ import annotations

from replicator.engine.mail_packing import MOST_PARTS, PAGE_BYTES, first_page, packed
from replicator.store.batches import Queued


def queue(*lengths: int) -> list[Queued]:
    return [Queued(number, 1, number, 0, length, 1) for number, length in enumerate(lengths, start=1)]


def lengths(mails: list[list[Queued]]) -> list[list[int]]:
    return [[item.length for item in mail] for mail in mails]


def test_small_parts_share_a_mail_with_their_envelopes() -> None:
    assert lengths(list(packed(queue(100, 100, 100), 500, 100))) == [[100, 100, 100]]
    assert lengths(list(packed(queue(100, 100, 100), 499, 100))) == [[100, 100], [100]]
    assert lengths(list(packed(queue(600, 10), 500, 100))) == [[600], [10]]
    assert lengths(list(packed(queue(*[1] * (MOST_PARTS + 1)), 10_000, 1))) == [[1] * MOST_PARTS, [1]]


def test_a_page_is_bounded_by_number_and_by_bytes() -> None:
    third = PAGE_BYTES // 3
    mails = [[item] for item in queue(*[third] * 5)]
    assert lengths(first_page(mails, 2)) == [[third]] * 2
    assert lengths(first_page(mails, 64)) == [[third]] * 3
    assert lengths(first_page([queue(PAGE_BYTES + 1), queue(1)], 64)) == [[PAGE_BYTES + 1]], "one goes, however large"
    assert first_page([], 64) == []
