"""Ends that were set back, copied or begun anew are found out by the other (protocol.md 4.1, steps 4, 7, 8, 10)."""

from __future__ import annotations

import copy

import pytest
from small_link import NOW, End, Mail, exchange, joined, pair

from replicator.protocol import link as links
from replicator.protocol.link import Heard, Placement


def speak(sender: End, receiver: End, now: int = NOW) -> Heard:
    """A mail without content arrives."""
    return receiver.receive(Mail(sender.header()), now)


def test_an_end_that_was_set_back_hears_of_batches_that_it_never_made() -> None:
    host, station = joined()
    old = copy.deepcopy(station)
    station.write(b"after the backup")
    exchange(station, host, now=NOW)
    assert speak(host, old) is Heard.SET_BACK


def test_a_batch_that_is_only_parked_is_enough_to_show_it() -> None:
    """`high` may be larger than what was applied."""
    host, station = joined()
    old = copy.deepcopy(station)
    host.locked = True
    station.write(b"after the backup")
    exchange(station, host, now=NOW)
    assert host.link.inbound.n == old.link.out.n
    assert speak(host, old) is Heard.SET_BACK


def test_another_content_under_the_same_number() -> None:
    host, station = joined()
    old = copy.deepcopy(station)
    station.write(b"one history")
    exchange(station, host, now=NOW)
    old.write(b"another history")
    mails = old.send(NOW)
    host.receive(mails[-1], NOW)
    assert host.applied[-1] == b"one history"
    assert speak(host, old) is Heard.SET_BACK


def test_a_batch_that_does_not_chain_is_refused_and_its_sender_is_told() -> None:
    host, station = joined()
    old = copy.deepcopy(station)
    station.write(b"one history")
    exchange(station, host, now=NOW)
    old.write(b"another history")
    old.write(b"goes on")
    old.send(NOW)
    host.receive(Mail(*_content(old, 4)), NOW)
    assert host.applied[-1] == b"one history"
    assert host.link.inbound.acknowledgement_due
    assert speak(host, old) is Heard.SET_BACK


def _content(end: End, n: int) -> tuple[object, ...]:
    batch = end.batches[n]
    whole = end.mail(end.header(), n, 0, len(batch.content))
    return whole.header, whole.payload, whole.batch


def test_a_receiver_that_was_set_back_hears_an_echo_of_acks_it_never_gave() -> None:
    host, station = joined()
    old = copy.deepcopy(host)
    station.write(b"applied after the backup")
    exchange(station, host, now=NOW)
    assert speak(station, old) is Heard.SET_BACK


def begin_anew(station: End) -> None:
    """As a station does whose database was set back."""
    links.new_outbound_epoch(station.link, (0, station.link.out.epoch[1] + 1))
    station.opener, station.batches, station.digests = "open", {}, {}
    station.write(b"open")


def test_a_host_that_was_set_back_hears_it_also_from_a_station_that_begins_anew() -> None:
    """The new epoch would else hide that this host once acknowledged more than it has (protocol.md 4.1 step 8)."""
    host, station = joined()
    old = copy.deepcopy(host)
    station.write(b"applied after the backup")
    exchange(station, host, now=NOW)
    begin_anew(station)
    assert old.receive(station.send(NOW)[0], NOW) is Heard.SET_BACK
    assert old.link.inbound.epoch == (0, 1), "nothing is opened"


def test_an_echo_of_another_history_of_the_same_length() -> None:
    host, station = joined()
    old_host, old_station = copy.deepcopy((host, station))
    station.write(b"one history")
    exchange(station, host, now=NOW)
    old_station.write(b"another history")
    exchange(old_station, old_host, now=NOW)
    assert host.link.inbound.n == old_host.link.inbound.n
    begin_anew(station)
    assert old_host.receive(station.send(NOW)[0], NOW) is Heard.SET_BACK


def test_after_the_first_acknowledgement_of_the_new_epoch_that_one_is_echoed() -> None:
    host, station = joined()
    begin_anew(station)
    exchange(station, host, now=NOW)
    assert (station.link.out.peak.epoch, station.link.out.peak.n) == ((0, 2), 1)


def test_a_hosts_new_stream_begins_without_an_echo() -> None:
    """It answers a station that was set back and has not what it once acknowledged: that is known by now."""
    host, station = joined()
    old = copy.deepcopy(station)
    host.write(b"acknowledged after the backup")
    exchange(host, station, now=NOW)
    begin_anew(old)
    mails = old.send(NOW)
    host.receive(mails[0], NOW)
    links.new_outbound_epoch(host.link, (1, 2))
    host.opener, host.batches, host.digests = "rewind", {}, {}
    host.write(b"rewind")
    assert Heard.SET_BACK not in [old.receive(mail, NOW) for mail in host.send(NOW)]
    assert old.applied[-1] == b"rewind"


def test_an_old_copy_hears_of_its_successor() -> None:
    host, station = joined()
    twin = copy.deepcopy(station)
    links.new_outbound_epoch(station.link, (0, 2))
    station.opener, station.batches, station.digests = "open", {}, {}
    station.write(b"open")
    exchange(station, host, now=NOW)
    assert host.link.inbound.epoch == (0, 2)
    assert speak(host, twin) is Heard.SUCCESSOR


def test_old_mail_of_an_earlier_epoch_is_harmless() -> None:
    host, station = joined()
    station.write(b"under way")
    under_way = station.send(NOW)
    old_word = Mail(host.header())
    links.new_outbound_epoch(station.link, (0, 2))
    station.opener, station.batches, station.digests = "open", {}, {}
    station.write(b"open")
    exchange(station, host, now=NOW)
    before = host.state(), station.state()
    assert host.receive(under_way[0], NOW) is Heard.NOTHING_NEW
    assert host.placed[-1] is Placement.STALE
    assert host.link.inbound.acknowledgement_due
    assert station.receive(old_word, NOW) is Heard.NOTHING_NEW
    assert (host.state(), station.state()) == before


# --- epochs: steps 7 and 8 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opener", ["open", None, "refresh", "snap"])
def test_a_new_epoch_at_the_host_begins_with_open_only(opener: str | None) -> None:
    host, station = joined()
    links.new_outbound_epoch(station.link, (0, 2))
    station.opener, station.batches, station.digests = opener, {}, {}
    station.write(b"one")
    station.write(b"two")
    host.link.inbound.acknowledgement_due = False
    mails = station.send(NOW)
    host.receive(mails[-1], NOW)
    assert host.placed[-1] is Placement.OUT_OF_TURN, "batch 2 never opens an epoch"
    assert not host.link.inbound.acknowledgement_due, "dropped without an answer"
    host.receive(mails[0], NOW)
    if opener == "open":
        assert host.placed[-1] is Placement.OPEN
        assert (host.link.inbound.epoch, host.link.inbound.n) == ((0, 2), 1)
    else:
        assert host.placed[-1] is Placement.OUT_OF_TURN
        assert host.link.inbound.epoch == (0, 1)
        assert not host.link.inbound.acknowledgement_due


@pytest.mark.parametrize(("opener", "placed"), [("snap", Placement.STALE), ("resync", Placement.OPEN)])
def test_a_station_refuses_what_was_cut_for_its_earlier_incarnation(opener: str, placed: Placement) -> None:
    """The snapshot to come replaces it; only a restored host's resync goes before."""
    host, station = joined()
    links.new_outbound_epoch(host.link, (2, 1))
    host.opener, host.batches, host.digests = opener, {}, {}
    host.write(b"x")
    mails = host.send(NOW)
    links.new_outbound_epoch(station.link, (0, 2))
    station.link.inbound.acknowledgement_due = False
    station.receive(mails[0], NOW)
    assert station.placed[-1] is placed
    assert station.link.inbound.acknowledgement_due


def test_a_new_epoch_keeps_what_is_known_of_probes() -> None:
    host, station = joined()
    host.receive(station.send(NOW, hello=True)[0], NOW)
    links.open_epoch(host.link, (0, 2))
    assert host.link.inbound.probe == 1
    links.new_outbound_epoch(station.link, (0, 2))
    assert (station.link.out.probe, station.link.out.n, station.link.out.acknowledged) == (1, 0, 0)


# --- a host that was set back -----------------------------------------------------------------------------------------


def set_back(host: End, epoch: int = 2) -> None:
    """The host begins a new timeline with the word that it was set back."""
    links.new_outbound_epoch(host.link, (epoch, 1))
    host.opener, host.batches, host.digests, host.asking = "resync", {}, {}, True
    host.write(b"where our past ends")


def test_a_host_that_asks_does_not_mind_acks_that_it_has_forgotten() -> None:
    host, station = joined()
    old = copy.deepcopy(host)
    station.write(b"acknowledged after the backup")
    exchange(station, host, now=NOW)
    set_back(old)
    assert speak(station, old) is Heard.NOTHING_NEW, "it has not heard of it yet"
    for mail in old.send(NOW):
        station.receive(mail, NOW)
    assert Placement.OPEN in station.placed
    links.forget_peak(station.link)
    begin_anew(station)
    exchange(station, old, now=NOW)
    assert Heard.SET_BACK not in [*old.heard, *station.heard[-3:]]
    assert old.link.inbound.epoch == (0, 2)


def test_a_station_that_begins_anew_has_to_hear_first_that_its_host_was_set_back() -> None:
    host, station = joined()
    set_back(host)
    begin_anew(station)
    mails = station.send(NOW)
    before = host.link.inbound
    host.receive(mails[0], NOW)
    assert host.placed[-1] is Placement.UNTOLD
    assert host.link.inbound is before
    fresh, host = pair()[1], pair()[0]
    links.new_outbound_epoch(host.link, (2, 1))
    begin_anew(fresh)
    host.receive(fresh.send(NOW)[0], NOW)
    assert host.placed[-1] is Placement.OPEN, "one that knows nothing of the host has nothing to tell"


@pytest.mark.parametrize("opener", ["snap", "rewind"])
def test_a_station_that_was_not_asked_does_not_follow_into_a_new_timeline(opener: str) -> None:
    host, station = joined()
    links.new_outbound_epoch(host.link, (2, 2))
    host.opener, host.batches, host.digests = opener, {}, {}
    host.write(b"what another copy has answered to")
    before = station.link.inbound
    station.receive(host.send(NOW)[0], NOW)
    assert station.placed[-1] is Placement.UNASKED
    assert station.link.inbound is before
    new, station = pair()
    links.new_outbound_epoch(new.link, (2, 2))
    new.opener = "snap"
    new.write(b"a first load")
    station.receive(new.send(NOW)[0], NOW)
    assert station.placed[-1] is Placement.OPEN
