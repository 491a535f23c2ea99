"""What a host that was set back takes back from its stations (protocol.md 5.12), and where timelines end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from small_judging import EPOCH, HERE, NOW, STATION
from small_tables import Place, key_of, table

from replicator.protocol.codec_plain import pack_row, unpack_rows
from replicator.protocol.proposals import GroupContext, Outcome, Proposal
from replicator.protocol.rules import RuleBook
from replicator.protocol.salvaging import Salvage, take_back
from replicator.protocol.timelines import Timelines
from replicator.types import Image, Position, Table

ENDS = Timelines(4, {1: (1, 50), 3: (3, 20)})
"""Epochs 1 and 2 were lost behind (1, 50), epoch 3 behind (3, 20); now it is 4."""
HERE_NOW: Position = (4, 90)
CUSTOMER = table(1, "customer", "id integer!, name text(12)", unique=["name"])
ITEM = table(2, "item", "id integer!, customer integer!, text text", foreign=[("customer", "customer", "id")])


def given_back(of: Table, base: Position, *values: object, gone: bool = False) -> Proposal:
    """A row as the station had it at the lost version `base`; `gone`: it was deleted there."""
    image: Image | None = None if gone else values  # type: ignore[assignment]
    key = key_of(values[0])  # type: ignore[arg-type]
    return Proposal(0, of.id, "D" if gone else "N", key, image, 0, None, base, 0)


class Taken:
    def __init__(self, place: Place, *rows: Proposal, origins: dict[tuple[int, bytes], Position] | None = None) -> None:
        self.outcome = Outcome()
        self.salvage = Salvage(ENDS, origins or {})
        context = GroupContext(HERE_NOW, STATION, EPOCH, RuleBook(), HERE, NOW)
        context.begin(rows)
        for row in rows:
            take_back(place.working[row.table], row, self.salvage, context, self.outcome, pack_row)

    @property
    def kinds(self) -> list[str]:
        return [str(conflict.kind) for conflict in self.outcome.conflicts]

    @property
    def logged(self) -> list[tuple[str, Image | None]]:
        assert all(record.shared and not record.clean and not record.verdict for record in self.outcome.records)
        return [(record.change, record.image) for record in self.outcome.records]


def test_what_the_host_forgot_stands_again_and_goes_to_all() -> None:
    place = Place(CUSTOMER)
    place.has(CUSTOMER, 1, "Anna", version=(1, 40))
    taken = Taken(place, given_back(CUSTOMER, (1, 70), 1, "Berta"), given_back(CUSTOMER, (1, 71), 2, "Clara"))
    assert place.rows(CUSTOMER) == [(1, "Berta"), (2, "Clara")]
    assert taken.logged == [("C", (1, "Berta")), ("N", (2, "Clara"))]
    assert taken.kinds == [], "what the lost version had overwritten was overwritten knowingly"
    version = place.version(CUSTOMER, 1)
    assert (version.position, version.writer, version.clean) == (HERE_NOW, 0, 0)
    assert taken.salvage.taken == {(1, key_of(1)): (1, 70), (1, key_of(2)): (1, 71)}


def test_a_forgotten_delete_is_done_again() -> None:
    place = Place(CUSTOMER)
    place.has(CUSTOMER, 1, "Anna", version=(1, 40))
    taken = Taken(place, given_back(CUSTOMER, (1, 70), 1, gone=True))
    assert (place.rows(CUSTOMER), taken.logged, taken.kinds) == ([], [("D", None)], [])
    tombstone = place.version(CUSTOMER, 1).image
    assert tombstone is not None
    assert unpack_rows([tombstone])[0] == (1, "Anna")


def test_what_came_since_the_restore_stays_and_the_lost_value_is_on_record() -> None:
    place = Place(CUSTOMER)
    place.has(CUSTOMER, 1, "Dora", version=(4, 80))
    taken = Taken(place, given_back(CUSTOMER, (1, 70), 1, "Berta"))
    assert (place.rows(CUSTOMER), taken.logged, taken.kinds) == ([(1, "Dora")], [], ["given-back"])
    (conflict,) = taken.outcome.conflicts
    assert (conflict.host_image, conflict.station_image, conflict.result) == ((1, "Dora"), (1, "Berta"), (1, "Dora"))


def test_the_newer_of_two_stations_values_stands_without_a_record() -> None:
    for first, second in ((0, 1), (1, 0)):
        place = Place(CUSTOMER)
        place.has(CUSTOMER, 1, "Anna", version=(1, 40))
        rows = [given_back(CUSTOMER, (1, 70), 1, "Berta"), given_back(CUSTOMER, (1, 75), 1, "Clara")]
        taken = Taken(place, rows[first], rows[second])
        assert place.rows(CUSTOMER) == [(1, "Clara")]
        assert taken.kinds == []


def test_one_version_that_two_stations_know_otherwise() -> None:
    """A group deleted the row and made it anew; one of them is not told of new rows. Or it changed and deleted it."""
    deleted, made = given_back(CUSTOMER, (1, 70), 1, gone=True), given_back(CUSTOMER, (1, 70), 1, "Berta")
    for rows in ((deleted, made), (made, deleted)):
        place = Place(CUSTOMER)
        place.has(CUSTOMER, 1, "Anna", version=(1, 40))
        taken = Taken(place, *rows)
        assert (place.rows(CUSTOMER), taken.kinds) == ([(1, "Berta")], ["given-back"])
    place = Place(CUSTOMER)
    place.has(CUSTOMER, 1, "Berta", version=(4, 80))
    taken = Taken(place, given_back(CUSTOMER, (1, 70), 1, "Carla"), origins={(1, key_of(1)): (1, 70)})
    assert (place.rows(CUSTOMER), taken.kinds) == ([(1, "Berta")], ["given-back"])


def test_one_version_that_two_databases_write_otherwise_is_one() -> None:
    place = Place(CUSTOMER)
    place.working[1].alike = lambda one, other: str(one[1]).strip() == str(other[1]).strip()
    taken = Taken(place, given_back(CUSTOMER, (1, 70), 1, "Berta"), given_back(CUSTOMER, (1, 70), 1, "Berta "))
    assert (place.rows(CUSTOMER), taken.kinds) == ([(1, "Berta")], [])


def test_of_two_lost_timelines_the_other_value_is_on_record() -> None:
    place = Place(CUSTOMER)
    place.has(CUSTOMER, 1, "Anna", version=(1, 40))
    taken = Taken(place, given_back(CUSTOMER, (3, 30), 1, "Clara"), given_back(CUSTOMER, (1, 70), 1, "Berta"))
    assert place.rows(CUSTOMER) == [(1, "Clara")]
    assert taken.kinds == ["given-back"]


def test_a_row_given_back_in_an_earlier_mail_is_compared_by_the_version_that_it_was() -> None:
    place = Place(CUSTOMER)
    key = place.has(CUSTOMER, 1, "Berta", version=(4, 85))
    older = Taken(place, given_back(CUSTOMER, (1, 60), 1, "Anna"), origins={(1, key): (1, 70)})
    assert (place.rows(CUSTOMER), older.kinds) == ([(1, "Berta")], [])
    newer = Taken(place, given_back(CUSTOMER, (1, 75), 1, "Clara"), origins={(1, key): (1, 70)})
    assert place.rows(CUSTOMER) == [(1, "Clara")]
    assert newer.logged == [("C", (1, "Clara"))]


def test_a_row_that_is_the_same_is_not_written() -> None:
    place = Place(CUSTOMER)
    place.has(CUSTOMER, 1, "Anna", version=(1, 40))
    taken = Taken(place, given_back(CUSTOMER, (1, 70), 1, "Anna"), given_back(CUSTOMER, (1, 71), 9, gone=True))
    assert (taken.logged, taken.kinds, taken.salvage.taken) == ([], [], {})


def test_keys_hold() -> None:
    place = Place(CUSTOMER, ITEM)
    place.has(CUSTOMER, 1, "Anna", version=(1, 40))
    taken = Taken(
        place,
        given_back(CUSTOMER, (1, 70), 2, "Anna"),  # the name is the first one's
        given_back(ITEM, (1, 71), 5, 2, "of a parent that came just before"),
        given_back(ITEM, (1, 72), 6, 99, "of a parent that nobody knows"),
    )
    assert place.broken_keys() == []
    assert taken.kinds == ["unique-renamed", "parent-missing"]
    assert place.row(ITEM, 6) is None


# --- timelines --------------------------------------------------------------------------------------------------------


def test_where_timelines_end() -> None:
    assert [ENDS.common(position) for position in [(1, 50), (1, 51), (2, 7), (3, 20), (3, 21), (4, 1)]] == [
        (1, 50),
        (1, 50),
        (1, 50),
        (3, 20),
        (3, 20),
        (4, 1),
    ]
    assert ENDS.spans() == [(1, 2, (1, 50)), (3, 3, (3, 20))]
    assert not Timelines(7)
    assert Timelines(7).spans() == []
    assert ENDS.nothing_common().common((1, 3)) == (0, 0)


@given(st.dictionaries(st.integers(1, 8), st.tuples(st.integers(0, 8), st.integers(0, 30)), max_size=4), st.data())
def test_a_position_is_lost_if_a_span_says_so(ends: dict[int, Position], data: st.DataObject) -> None:
    timelines = Timelines(9, ends)
    position = data.draw(st.tuples(st.integers(0, 9), st.integers(0, 40)))
    within = [end for first, last, end in timelines.spans() if first <= position[0] <= last]
    assert timelines.is_lost(position) == any(position > end for end in within)
    assert timelines.common(position) <= position
