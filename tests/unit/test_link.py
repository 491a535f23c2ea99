"""A link is tested as a pair of ends, never one alone (protocol.md 4.1, 5.3, 5.10)."""

from __future__ import annotations

import copy
import random

import pytest
from small_link import NOW, WAIT, WINDOW, End, Mail, exchange, joined, pair

from replicator.errors import Unauthentic
from replicator.protocol import link as links
from replicator.protocol.link import DAY, Heard, Placement
from replicator.types import Role


@pytest.fixture
def ends() -> tuple[End, End]:
    return pair()


# --- clocks that were wrong -------------------------------------------------------------------------------------------


def test_a_probe_that_a_wrong_clock_put_far_off_goes_out() -> None:
    host, _ = joined()
    host.write(b"lost")
    assert host.send(NOW + 100 * DAY)
    host.link.out.probe_at = NOW + 100 * DAY + WAIT
    assert host.send(NOW + DAY), "the clock was set right, and nobody has heard of it"
    assert not host.send(NOW + DAY), "the next one waits as usual"


def test_a_sign_of_life_is_due_after_a_day_and_after_a_wrong_clock() -> None:
    assert links.hello_is_due(NOW, None, DAY)
    assert links.hello_is_due(NOW, NOW - DAY, DAY)
    assert not links.hello_is_due(NOW, NOW - DAY + 1, DAY)
    assert not links.hello_is_due(NOW, NOW + 5, DAY), "clocks are set back by a little all the time"
    assert links.hello_is_due(NOW, NOW + 100 * DAY, DAY)


# --- the way without trouble ------------------------------------------------------------------------------------------


def test_content_arrives_and_is_acknowledged() -> None:
    host, station = joined()
    for here, there in ((host, station), (station, host)):
        assert there.applied == here.written
        assert here.link.out.acknowledged == here.link.out.n == 2
        assert here.link.out.unacknowledged_bytes == 0
        assert not here.batches


def test_an_idle_run_sends_nothing() -> None:
    host, station = joined()
    for _ in range(10):
        assert host.send(NOW + DAY) == []
        assert station.send(NOW + DAY) == []


def test_acknowledgements_earn_no_acknowledgements() -> None:
    host, station = joined()
    host.write(b"more")
    for mail in host.send(NOW):
        station.receive(mail, NOW)
    (answer,) = station.send(NOW)
    assert answer.header.part is None
    host.receive(answer, NOW)
    assert host.send(NOW) == []


def test_the_first_batch_of_an_epoch_opens_it(ends: tuple[End, End]) -> None:
    host, station = ends
    host.write(b"snapshot")
    for mail in host.send(NOW):
        station.receive(mail, NOW)
    assert station.placed == [Placement.OPEN, Placement.PARK]
    assert station.link.inbound.epoch == (1, 1)


# --- binding: step 2 --------------------------------------------------------------------------------------------------


def test_a_reflected_mail_is_refused(ends: tuple[End, End]) -> None:
    host, _ = ends
    host.write(b"x")
    with pytest.raises(Unauthentic):
        host.receive(host.send(NOW)[0], NOW)


@pytest.mark.parametrize(
    ("me", "peer", "role"),
    [("Bonn", "Haus", Role.STATION), ("Köln", "Bonn", Role.STATION), ("Köln", "Haus", Role.HOST)],
)
def test_mail_for_another_from_another_or_the_wrong_way(ends: tuple[End, End], me: str, peer: str, role: Role) -> None:
    host, _ = ends
    links.check_binding(host.header(), "Köln", "Haus", Role.STATION)
    with pytest.raises(Unauthentic, match="expected"):
        links.check_binding(host.header(), me, peer, role)


# --- loss, duplicates, order ------------------------------------------------------------------------------------------


def test_a_lost_batch_is_sent_again_once_a_later_one_has_come() -> None:
    host, station = joined()
    for number in range(3):
        host.write(b"%d" % number)
    mails = host.send(NOW)
    for mail in mails[1:]:
        station.receive(mail, NOW)
    assert station.applied[2:] == []
    exchange(host, station, now=NOW)
    assert station.applied[2:] == [b"0", b"1", b"2"]
    assert host.contents_sent == 4 + 3 + 1, "only what was lost goes out again"


def test_a_lost_piece_in_the_middle_is_sent_again_alone() -> None:
    host, station = joined()
    host.write(b"0123456789")
    mails = host.send(NOW)
    assert [mail.payload for mail in mails] == [b"0123", b"4567", b"89"]
    for mail in (mails[0], mails[2]):
        station.receive(mail, NOW)
    for mail in station.send(NOW):
        host.receive(mail, NOW)
    again = host.send(NOW)
    assert [mail.payload for mail in again] == [b"4567"]
    station.receive(again[0], NOW)
    assert station.applied[-1] == b"0123456789"


def test_a_missing_end_may_be_on_its_way_still() -> None:
    host, station = joined()
    host.write(b"0123456789")
    mails = host.send(NOW)
    station.receive(mails[0], NOW)
    for mail in station.send(NOW):
        host.receive(mail, NOW)
    assert host.send(NOW) == []


def test_the_first_batch_of_all_lost_is_found_by_a_probe(ends: tuple[End, End]) -> None:
    """The answer names an earlier epoch, for nothing of this one has come: all of it is sent again."""
    host, station = ends
    host.write(b"snap")
    host.send(NOW)
    exchange(host, station, now=NOW + WAIT)
    assert station.applied == [b"snap"]


def test_the_last_batch_lost_is_found_by_a_probe() -> None:
    host, station = joined()
    host.write(b"lost")
    assert len(host.send(NOW)) == 1
    exchange(host, station, now=NOW + WAIT - 1)
    assert station.applied[2:] == []
    exchange(host, station, now=NOW + WAIT)
    assert station.applied[2:] == [b"lost"]


def test_a_lost_acknowledgement_is_given_again_for_a_duplicate_or_a_probe() -> None:
    host, station = joined()
    host.write(b"more")
    (content,) = host.send(NOW)
    station.receive(content, NOW)
    assert station.send(NOW), "the acknowledgement, lost"
    assert station.send(NOW) == []
    station.receive(content, NOW)
    assert station.placed[-1] is Placement.DUPLICATE
    assert station.applied.count(b"more") == 1
    assert len(station.send(NOW)) == 1
    exchange(host, station, now=NOW + WAIT)
    assert host.link.out.acknowledged == 3


def test_any_order_and_any_number_of_copies() -> None:
    for seed in range(20):
        host, station = joined()
        for number in range(4):
            host.write(b"content %d" % number)
        mails = host.send(NOW) * 2
        random.Random(seed).shuffle(mails)
        for mail in mails:
            station.receive(mail, NOW)
        exchange(host, station, now=NOW + WAIT)
        assert station.applied == host.written


def test_replay_of_all_mail_in_random_order_changes_nothing() -> None:
    host, station = pair()
    to_host: list[Mail] = []
    to_station: list[Mail] = []
    for number in range(12):
        host.write(b"host %d" % number)
        station.write(b"station %d" % number)
        for here, there, kept in ((host, station, to_station), (station, host, to_host)):
            for mail in here.send(NOW, hello=number % 4 == 0):
                kept.append(copy.deepcopy(mail))
                there.receive(mail, NOW)
    exchange(host, station, now=NOW)
    for seed in range(10):
        random.Random(seed).shuffle(to_host)
        random.Random(seed).shuffle(to_station)
        for end, mails in ((host, to_host), (station, to_station)):
            before = end.state()
            for mail in mails:
                assert end.receive(copy.deepcopy(mail), NOW) is Heard.NOTHING_NEW
            assert end.state() == before
            assert not end.queue, "nothing is sent again for an old mail"


def test_a_locked_batch_waits_and_is_not_sent_again() -> None:
    host, station = joined()
    station.locked = True
    host.write(b"wait")
    sent = host.contents_sent + 1
    for hour in range(5):
        exchange(host, station, now=NOW + hour * 4 * WAIT)
    assert host.contents_sent == sent
    assert host.link.out.acknowledged == 2
    station.locked = False
    station.apply()
    exchange(host, station, now=NOW + DAY)
    assert station.applied[-1] == b"wait"
    assert host.link.out.acknowledged == 3


# --- window and room --------------------------------------------------------------------------------------------------


def test_the_window_is_counted_in_bytes() -> None:
    host, station = joined()
    for _ in range(5):
        host.write(b"x" * (WINDOW // 2))
    host.send(NOW)
    assert len(host.batches) == 2
    host.locked = station.locked = False
    exchange(host, station, now=NOW + WAIT, rounds=6)
    assert len(station.applied) == 2 + 5


def test_one_batch_may_always_be_under_way() -> None:
    host, station = joined()
    host.write(b"x" * WINDOW * 3)
    host.write(b"y")
    host.send(NOW)
    assert len(host.batches) == 1
    exchange(host, station, now=NOW + WAIT)
    assert station.applied[2:] == host.written[2:]


def test_without_room_only_the_next_batch_is_parked() -> None:
    host, station = joined()
    host.write(b"next")
    host.write(b"later")
    mails = host.send(NOW)
    part = mails[-1].header.part
    assert part is not None
    assert links.place(station.link, part, parked_bytes=10, room=9) is Placement.NO_ROOM
    assert station.link.inbound.high == 4
    first = mails[0].header.part
    assert first is not None
    assert links.place(station.link, first, parked_bytes=10, room=9) is Placement.PARK


# --- probes: 5.3 step 2 -----------------------------------------------------------------------------------------------


def test_during_silence_only_a_probe_goes_out_ever_more_seldom() -> None:
    host, _ = joined()
    host.write(b"nobody is there")
    host.send(NOW)
    times, now = [], NOW
    while len(times) < 10:
        now += links.MINUTE
        for mail in host.send(now):
            assert mail.header.part is None
            assert mail.header.probe == len(times) + 1
            times.append(now)
    waits = [(later - earlier) // links.MINUTE for earlier, later in zip([NOW, *times], times, strict=False)]
    assert waits == [15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440]


def test_a_new_acknowledgement_ends_the_silence() -> None:
    host, station = joined()
    host.write(b"one")
    (lost,) = host.send(NOW)
    now = NOW
    for _ in range(3):
        now += DAY
        host.send(now)
    assert host.link.out.probe_wait > WAIT
    host.write(b"second")
    host.send(now)
    station.receive(lost, now)
    for mail in station.send(now):
        assert host.receive(mail, now) is Heard.ADVANCED
    assert (host.link.out.probe_wait, host.link.out.probe_at) == (WAIT, now + WAIT)


def test_a_peer_that_asks_for_what_was_lost_is_not_silent() -> None:
    host, station = joined()
    host.write(b"one")
    host.send(NOW)
    now = NOW
    for _ in range(3):
        now += DAY
        (probe,) = host.send(now)
    station.receive(probe, now)
    (answer,) = station.send(now)
    assert host.receive(answer, now) is Heard.NOTHING_NEW
    assert len(host.send(now)) == 1
    assert (host.link.out.probe_wait, host.link.out.probe_at) == (WAIT, now + WAIT), "what went again may be lost again"
    assert host.receive(answer, now + 1) is Heard.NOTHING_NEW
    assert host.link.out.probe_at == now + WAIT, "the same answer once more makes nobody wait longer"


def test_no_probe_when_all_is_acknowledged() -> None:
    host, _ = joined()
    assert host.link.out.probe_at == 0
    assert not links.probe_is_due(host.link, NOW + 100 * DAY)


def test_a_hello_is_answered_with_its_number() -> None:
    host, station = joined()
    (hello,) = station.send(NOW, hello=True)
    host.receive(hello, NOW)
    (answer,) = host.send(NOW)
    assert answer.header.acknowledgement.probe == hello.header.probe == 1
    assert answer.header.part is None
