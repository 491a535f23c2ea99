"""Comparisons at any moment, and at the end writes behind capture's back that one of them has to put right.

A comparison never tells of a row that is as it should be. What nobody saw written is found, all of it, and gone after a
repair: the station is as it was.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from replicator.engine import findings
from replicator.errors import WrongUse
from replicator.operations import comparing
from replicator.protocol.keys import unpack_key
from replicator.store.comparisons import State
from replicator.types import Kinds, Tie
from tests.integration.behind import behind_triggers
from tests.simulation.disturbing import ALL
from tests.simulation.records import OnRecord, rules_of, table_names, versions
from tests.simulation.schema import SPECS, Content, RowKey
from tests.simulation.verifying import same

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

SMALLEST_PAGE = 100
MOST_ATTEMPTS = 3
FOUND = "SELECT comparison, table_id, row_key, finding FROM replicator_comparison_row WHERE finding <> ''"


def compare(world: World, station: SimulatedNode, *, at_station: bool, repair: bool) -> None:
    node = station if at_station else world.host

    def deed(node: SimulatedNode) -> None:
        comparing.compare(node.process, [] if at_station else [station.station], repair=repair)

    try:
        world.act(node, f"compare {station.station}{', and repair' if repair else ''}", deed)
    except WrongUse as refused:
        world.tell("  refused: %s", refused)


def verify(world: World) -> None:
    """No comparison has found anything that is not on record as something that can't be the host's."""
    names = table_names(world.host.application.raw)
    for number, table, packed, finding in world.host.application.raw.execute(FOUND).fetchall():
        (name,) = world.host.application.raw.execute(
            "SELECT p.name FROM replicator_comparison c JOIN replicator_peer p ON p.id = c.peer WHERE c.id = ?",
            (number,),
        ).fetchone()
        key = tuple(unpack_key(packed))
        record = OnRecord()
        for node in world.stations:
            if node.station == name:
                record.read(node)
        excused = (names[table], key) in record.left_out | record.moved_aside
        world.expect(
            excused,
            "a comparison found what is no difference",
            lambda number=number, table=table, key=key, finding=finding, name=name: (
                f"{number} with {name}: {names[table]} {key} {finding}"
            ),
        )


# --- behind capture's back --------------------------------------------------------------------------------------------


def harm(world: World, station: SimulatedNode) -> tuple[Content, set[tuple[str, RowKey]]]:
    """Write to the station as no trigger sees it. Gives its rows as they were, and which are otherwise now."""
    application, dice = station.application, world.dice
    before, at_host = deepcopy(application.content()), world.host.application.content()
    rules, known = rules_of(world, station.station), versions(station)
    statements: dict[tuple[str, RowKey], str] = {}
    for table in dice.sample(sorted(SPECS), len(SPECS)):
        rule, spec = rules[table], SPECS[table]
        if Kinds.CHANGED not in rule.to_remote or table not in application.tables():
            continue
        shared = [
            key
            for key in before[table]
            if (row := known.get((table, key))) is not None
            and row.tie == Tie.SHARED
            and not row.edited
            # Where deletes don't go down it may have a row that the host has no more, and that nothing is held against.
            and key in at_host[table]
        ]
        for key in dice.sample(shared, min(len(shared), dice.choice([0, 1, 2, 5]))):
            where = " AND ".join(f"{column} = {value!r}" for column, value in zip(spec.key, key, strict=True))
            value = world.unique()
            if table in ("item", "opt", "misc") and Kinds.NEW in rule.to_remote and world.chance(0.4):
                statements[table, key] = f"DELETE FROM {table} WHERE {where}"
            elif table == "pair":
                if findings.PAGE < SMALLEST_PAGE:
                    continue  # its two halves would be put right one after the other
                for place in (0, 1):
                    statements[table, (key[0], place)] = (
                        f"UPDATE pair SET v = {value} WHERE node = {key[0]!r} AND place = {place}"
                    )
            elif table == "stock":
                statements[table, key] = f"UPDATE stock SET x = {value}, y = {value} WHERE {where}"
            else:
                column = dice.choice(spec.tokens)
                statements[table, key] = f"UPDATE {table} SET {column} = {value} WHERE {where}"
        if rule == ALL and table in ("opt", "cust") and world.chance(0.5):
            key = (world.unique(),)
            columns, values = ("name, x", f"'new{key[0]}', {key[0]}") if table == "cust" else ("x", f"{key[0]}")
            statements[table, key] = f"INSERT INTO {table} (id, {columns}) VALUES ({key[0]}, {values})"
    for (table, key), statement in statements.items():
        world.tell("%s: BEHIND ITS BACK: %s %s: %s", station.name, table, key, statement)
    behind_triggers(application.raw, *statements.values())
    after = application.content()
    return before, {
        (table, key)
        for table in SPECS
        for key in {*before[table], *after[table]}
        if not same(table, before[table].get(key), after[table].get(key))
    }


def verify_repair(
    world: World, station: SimulatedNode, before: Content, harmed: set[tuple[str, RowKey]], *, loaded: bool
) -> None:
    """`loaded`: the link began anew, which also brings what a narrow rule had kept from the station."""
    after, at_host = station.application.content(), world.host.application.content()
    for table in SPECS:
        for key in {*before[table], *after[table]}:
            one, other = before[table].get(key), after[table].get(key)
            world.expect(
                same(table, one, other) or (loaded and same(table, at_host[table].get(key), other)),
                f"not repaired: {table}",
                lambda table=table, key=key, one=one, other=other: f"{station.name} {table} {key}: {other}, was {one}",
            )
    names = table_names(world.host.application.raw)
    last, _ = _last(world)
    found = {
        (names[table], tuple(unpack_key(key)))
        for number, table, key, _ in world.host.application.raw.execute(FOUND).fetchall()
        if number == last
    }
    world.expect(harmed <= found, "what was written behind capture's back was not found", lambda: str(harmed - found))


def harm_and_repair(world: World) -> None:
    """After all has come to rest, with mail that gets lost again."""
    from tests.simulation.resting import settle_again

    station = world.dice.choice(world.stations)
    world.tell("--- behind capture's back")
    before, harmed = harm(world, station)
    if not harmed:
        return
    compare(world, station, at_station=world.chance(0.3), repair=True)
    world.faults.update({"loss", "dup", "reorder", "crash"})
    for _ in range(world.dice.randint(0, 12)):
        world.clockwork.pass_time(60 * 60 * 1_000_000)
        world.run(world.dice.choice(world.nodes))
    at_rest, loaded = settle_again(world), False
    for _ in range(MOST_ATTEMPTS):
        if not at_rest or _last(world)[1] != State.VOID:
            break
        # The link began anew meanwhile (a station may hold back too much): its content has put some rows right.
        # By the smallest batches an answer alone may be more than this share of a tiny database: give it more room, as
        # an operator would whose stations are loaded again and again.
        world.host.use(replace(world.host.settings, journal_share=1.0))
        compare(world, station, at_station=False, repair=True)
        harmed, loaded = set(), True
        at_rest = settle_again(world)
    if at_rest:
        verify_repair(world, station, before, harmed, loaded=loaded)


def _last(world: World) -> tuple[int, str]:
    """Number and state of the host's last comparison."""
    found: tuple[int, str] = world.host.application.raw.execute(
        "SELECT id, state FROM replicator_comparison ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return found
