"""Invariants that must hold at the end, when faults have stopped and everybody has come to rest (protocol.md 1)."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from typing import TYPE_CHECKING

from replicator.engine import (
    bounced,
    findings,
    forwarding,
    holding,
    incarnation,
    lost_content,
    promoting,
    restarting,
    setting_aside,
    succeeding,
    timelines,
    twin,
    unrecognised,
)
from replicator.types import Kinds, Rule, Tie
from tests.simulation import poisoning
from tests.simulation.disturbing import ALL
from tests.simulation.ledger import Write
from tests.simulation.records import (
    Known,
    OnRecord,
    journal_of,
    own_rules,
    rules_of,
    versions,
)
from tests.simulation.schema import SPECS, Content, Row, RowKey, token
from tests.simulation.sending import Account, accounts

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World


def verify(world: World) -> None:
    host = world.host.application.content()
    for node in world.nodes:
        world.watcher.check_rows(node, node.application.content())
        _slices(world, node)
        _versions(world, node)
        _no_complaints(world, node)
    sent = accounts(world)
    for node in world.stations:
        # A copy may have been another station when the host set its change aside.
        left_out = _left_out(node) | poisoning.held(node)
        left_out |= poisoning.held(world.host, None if node.is_copied else node.station)
        _tables(world, node, host, left_out)
        _last_sent(world, node, sent[node.station], left_out)
        _private(world, node, sent[node.station])
    _writes(world, host)
    _forbidden(world, host)


def host_was_set_back(world: World) -> bool:
    """Or is another one, which was told in time what it knows."""
    return world.host.backup is not None or world.promoted


def _versions(world: World, node: SimulatedNode) -> None:
    """A version is a position of the host's log, or none."""
    query = "SELECT table_id, row_key, epoch, n FROM replicator_row_version WHERE n < 0 OR epoch < 0"
    found = node.application.raw.execute(query).fetchall()
    world.expect(not found, "a version that is no position", lambda: f"{node.name}: {found}")


def _slices(world: World, node: SimulatedNode) -> None:
    """A position in the journal is the end of one slice: links are begun anew behind it."""
    query = "SELECT first_n, last_n, whole FROM replicator_slice ORDER BY id"
    for (_, last, whole), (first, _, _) in pairwise(node.application.raw.execute(query).fetchall()):
        world.expect(
            first > last or (not whole and first == last),
            "journal: a slice goes on where another one has ended",
            lambda last=last, first=first: f"{node.name}: one to {last}, the next from {first}",
        )


def _no_complaints(world: World, node: SimulatedNode) -> None:
    """Nobody has cause to call a person."""
    # A bounce is settled when its station is heard of again, the next day at last.
    strangers = (*unrecognised.IN_MAILBOX, unrecognised.MOVED, forwarding.FORWARDED, forwarding.NOT_YET)
    restores = (
        incarnation.RESTORED,
        incarnation.ASKED,
        restarting.RESTORED,
        timelines.RESTORED,
        twin.TAKEN,
        twin.BECAME,
        succeeding.REPLACED,
        succeeding.FORMER,
        promoting.PROMOTED,
    )
    usual = ("set-aside", "mail-size", holding.LET_GO, *bounced.KINDS, *strangers, *restores)
    for kind, message in node.application.raw.execute("SELECT kind, message FROM replicator_notice").fetchall():
        if kind in usual or kind == findings.DIFFERENCES:  # these are looked at in `comparing`
            continue
        if world.numbering is not None and world.numbering.may_tell(kind, message):
            continue
        if world.changing is not None and kind in ("table-upgraded", "capture-waits", "schema-held", "capture"):
            continue  # stations follow in the end
        if kind == setting_aside.KIND and poisoning.held(node):
            continue
        if kind == lost_content.KIND and node.backup:
            continue  # likewise
        if kind == "dropped-batch" and (node.backup or host_was_set_back(world) or node.is_copied):
            continue  # what a database of before names in the spool is applied and gone: it is sent again
        if kind == "capture" and "anew" in message:
            continue  # the application made its trigger behind ours
        world.expect(False, f"notice: {kind}", lambda message=message: f"{node.name}: {message}")


# --- L2: what a station has -------------------------------------------------------------------------------------------


def _left_out(node: SimulatedNode) -> set[tuple[str, RowKey]]:
    """Rows that a station can't have as the host has them, for a key that a row of its own holds: it says so.

    What was moved aside comes right by itself, unless the table has no rule any more.
    """
    record, own = OnRecord(), own_rules(node)
    record.read(node)
    return record.left_out | {(table, key) for table, key in record.moved_aside if not own.get(table)}


def _tables(world: World, node: SimulatedNode, host: Content, left_out: set[tuple[str, RowKey]]) -> None:
    rules, own = rules_of(world, node.station), own_rules(node)
    mine, known = node.application.content(), versions(node)
    for table in SPECS:
        rule = rules[table]
        world.expect(
            own.get(table, Rule()) == rule,
            "rule: not known at the station",
            lambda table=table, rule=rule: f"{node.name} {table}: {own.get(table)} instead of {rule}",
        )
        excused = {key for name, key in left_out if name == table}
        if rule == ALL:
            _equal(world, node, table, mine[table], host[table], excused)
        _ties(world, node, table, rule, mine[table], host[table], known, excused)


def _equal(
    world: World,
    node: SimulatedNode,
    table: str,
    mine: dict[RowKey, Row],
    want: dict[RowKey, Row],
    excused: set[RowKey],
) -> None:
    for key in dict.fromkeys([*mine, *want]):
        if key in excused:
            continue
        here, there = mine.get(key), want.get(key)
        world.expect(
            same(table, here, there),
            f"diverged: {table}",
            lambda key=key, here=here, there=there: f"{node.name} {key}: {here}, host {there}",
        )


def same(table: str, one: Row | None, other: Row | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(token(one[column]) == token(other[column]) for column in SPECS[table].columns)


def _ties(
    world: World,
    node: SimulatedNode,
    table: str,
    rule: Rule,
    mine: dict[RowKey, Row],
    want: dict[RowKey, Row],
    known: dict[tuple[str, RowKey], Known],
    excused: set[RowKey],
) -> None:
    """The promise for each flag by itself (L2)."""
    down, up, expect = rule.to_remote, rule.to_host, world.expect
    keys = [key for name, key in known if name == table]
    for key in dict.fromkeys([*mine, *want, *keys]):
        if key in excused:
            continue
        row = known.get((table, key))
        tie, edited = (row.tie, row.edited) if row else ("", ())

        def detail(key: RowKey = key, tie: str = tie) -> str:
            return f"{node.name} {table} {key} tie '{tie}': {mine.get(key)}, host {want.get(key)}"

        expect(Kinds.NEW not in down or key not in want or tie in ("S", "H"), "rule: new row never came", detail)
        expect(
            Kinds.DELETED not in down or key in want or key not in mine or not tie,
            "rule: deleted row still there",
            detail,
        )
        expect(Kinds.NEW not in up or key not in mine or tie in ("S", "T"), "rule: private row never sent", detail)
        expect(Kinds.DELETED not in up or tie != "H" or key in mine, "rule: delete never sent", detail)
        expect(Kinds.CHANGED not in up or not edited, "rule: local edit never sent", detail)
        expect(tie != "S" or key in mine, "rule: shared row is not there", detail)
        if tie == "S" and Kinds.ALL in down and not edited:
            expect(same(table, mine.get(key), want.get(key)), "rule: shared row is not the host's", detail)


def _last_sent(world: World, node: SimulatedNode, account: Account, left_out: set[tuple[str, RowKey]]) -> None:
    """A shared row has the value of the last record sent for it, or a local edit on top."""
    mine, known = node.application.content(), versions(node)
    # A station that was set back gets by a snapshot what its rules let down, and no more.
    set_back = node.backup is not None or host_was_set_back(world) or node.is_copied
    # What was in quarantine when a table's last rule went is not asked for any more.
    ruled = own_rules(node)
    for table, key in () if set_back else account.has:
        if table in account.passed_over or (table, key) in account.unsure:
            continue
        given_up = world.was_poisoned and not ruled.get(table)
        if key not in mine[table] and (table, key) not in left_out and not given_up:
            tie = known[table, key].tie if (table, key) in known else ""
            world.expect(
                tie == Tie.HIDDEN,
                "rule: a row that was sent is gone",
                lambda table=table, key=key, tie=tie: f"{node.name} {table} {key}, tie '{tie}'",
            )
    rules = rules_of(world, node.station)
    for (table, key), row in known.items():
        if row.tie != "S" or row.edited or key not in mine[table] or (table, key) in left_out | account.unsure:
            continue
        if table in account.passed_over:
            continue
        if world.was_poisoned and not ruled.get(table):
            continue  # the verdict was set aside when the last rule went (seeds 506, 768)
        sent = account.has.get((table, key))
        if host_was_set_back(world) and (sent is None or Kinds.CHANGED not in rules[table].to_remote):
            continue  # the log that told of it may be gone
        if node.is_copied and not rules[table]:
            continue  # of a copy's own changes it may hear by its snapshot only, which has tables with rules
        world.expect(
            same(table, mine[table][key], sent),
            "rule: shared row is not what was sent last",
            lambda table=table, key=key, sent=sent: f"{node.name} {table} {key}: {mine[table][key]}, sent {sent}",
        )


def _private(world: World, node: SimulatedNode, account: Account) -> None:
    """Changes and deletes go up only of rows that both ends had. A host that was set back can't tell which."""
    if host_was_set_back(world):
        return
    shared = set(account.ever)
    for sent in journal_of(node):
        if sent.kind == "N":
            shared.add((sent.table, sent.key))
        world.expect(
            (sent.table, sent.key) in shared,
            "rule: change of a private row was sent",
            lambda sent=sent: f"{node.name}: {sent}",
        )


# --- S1, S2, S10: what was written ------------------------------------------------------------------------------------


def _writes(world: World, host: Content) -> None:
    record = world.read_before
    for node in world.nodes:
        record.read(node)
    made, over = world.ledger.made(), world.ledger.overwritten()
    contents = {node.name: node.application.content() for node in world.nodes}
    sent_deletes = {
        node.name: {(sent.table, sent.key) for sent in journal_of(node) if sent.kind == "D"} for node in world.stations
    }
    for write in world.ledger.promised():
        where = (write.table, write.key)
        if write.new is None and made[where] < 2 and write.node in sent_deletes and where in sent_deletes[write.node]:
            _delete_stands(world, write, host, record)
        if write.new is None and write.node == "host" and made[where] < 2:
            _delete_stands(world, write, host, record)
        for column, value in write.changed().items():
            word = token(value)
            stands = any(
                token(content[write.table].get(write.key, {}).get(column)) == word
                for content in (host, contents.get(write.node, host))
            )
            world.expect(
                stands or (*where, word) in over or (*where, word) in record.values,
                "update lost without record",
                lambda write=write, column=column, value=value: (
                    f"{write.node} wrote {write.table} {write.key} {column}={value}"
                ),
            )


def _delete_stands(world: World, write: Write, host: Content, record: OnRecord) -> None:
    world.expect(
        write.key not in host[write.table] or (write.table, write.key) in record.undone,
        "delete undone without record",
        lambda: f"{write.node} deleted {write.table} {write.key}",
    )


def _versions_of_rules(raw: sqlite3.Connection, station: str) -> list[tuple[str, tuple[int, int], int]]:
    """(table, version, upward kinds), ascending. What a copy wrote before it had rules goes by its original's."""
    query = (
        "SELECT t.name, r.version_epoch, r.version_n, to_host FROM replicator_rule r JOIN replicator_table t"
        " ON t.id = r.table_id WHERE r.peer = ? ORDER BY r.version_epoch, r.version_n"
    )
    (peer, copy_of) = raw.execute(
        "SELECT id, copy_of FROM replicator_peer JOIN replicator_link ON peer = id WHERE name = ?", (station,)
    ).fetchone()
    own, former = (
        [(name, (epoch, n), up) for name, epoch, n, up in raw.execute(query, (number,)).fetchall()]
        for number in (peer, copy_of)
    )
    return [rule for rule in former if own and rule[1] < own[0][1]] + own


def _forbidden(world: World, host: Content) -> None:
    """S10: what a rule of that time forbids never reached the host's row. One that was set back has lost rules."""
    if host_was_set_back(world):
        return
    raw = world.host.application.raw
    for node in world.stations:
        books: dict[str, list[tuple[tuple[int, int], Kinds]]] = {}
        for name, version, up in _versions_of_rules(raw, node.station):
            books.setdefault(name, []).append((version, Kinds(up)))
        lawful: set[tuple[str, RowKey, str, object]] = set()
        made: set[tuple[int, str, RowKey]] = set()
        forbidden = []
        for sent in journal_of(node):
            allowed = [kinds for version, kinds in books.get(sent.table, []) if version <= sent.rule]
            kind = {"N": Kinds.NEW, "C": Kinds.CHANGED, "D": Kinds.DELETED}[sent.kind]
            where = (sent.group, sent.table, sent.key)
            if sent.kind == "N":
                made.add(where)  # what the same group does to the row belongs to the new row
            if allowed and (kind in allowed[-1] or (where in made and Kinds.NEW in allowed[-1])):
                # A local edit goes up once the rule lets it: the same value, and by right.
                lawful |= {(sent.table, sent.key, column, token(value)) for column, value in sent.new.items()}
            else:
                forbidden.append(sent)
        for sent in forbidden:
            row = host[sent.table].get(sent.key, {})
            for column, value in sent.new.items():
                written = (sent.table, sent.key, column, token(value))
                if column in SPECS[sent.table].tokens and value is not None and written not in lawful:
                    world.expect(
                        token(row.get(column)) != token(value),
                        "rule: forbidden change got through",
                        lambda name=node.name, sent=sent: f"{name}: {sent}",
                    )
