"""Steps of migrations as rows that wait: written in the migration's transaction or by its SQL script, carried out by
the next run, or by `migrate upgrade`, in their order.

One that can't be carried out waits for a person and is tried again by each run, as its cause may go. It keeps back
those behind it only where they are of the same tables. One to stop a table takes those before it with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from replicator.engine.node import Node
from replicator.engine.progress import Progress
from replicator.errors import ReplicatorError, Transient, UnknownName, WrongUse
from replicator.operations.replicating import Refreshed, Replicated, Step, Stopped, carry_out
from replicator.store import notices, requests
from replicator.store.requests import Request
from replicator.types import Kinds, Policy, Rule

KIND = "migration"
"""Of the notices."""


# --- as text ----------------------------------------------------------------------------------------------------------


def written(step: Step) -> str:
    """A step as JSON."""
    plain: dict[str, Any] = {"tables": list(step.tables)}
    match step:
        case Replicated():
            plain |= {"do": "replicate", "area": step.area, "columns": list(step.columns)}
            plain["policy"] = None if step.policy is None else str(step.policy)
            plain["rules"] = {name: [str(rule.to_remote), str(rule.to_host)] for name, rule in step.rules.items()}
            plain["replace_cascades"] = step.replace_cascades
        case Stopped():
            plain["do"] = "stop"
        case Refreshed():
            plain |= {"do": "refresh", "renamed": None if step.renamed is None else dict(step.renamed)}
    return json.dumps(plain, ensure_ascii=False)


def read(body: str) -> Step:
    """Raises WrongUse."""
    try:
        plain = json.loads(body)
        tables = tuple(_word(name) for name in plain["tables"])
        match plain["do"]:
            case "replicate":
                return Replicated(
                    tables,
                    area=plain["area"],
                    policy=None if plain["policy"] is None else Policy(plain["policy"]),
                    rules={_word(name): rule_of(rule) for name, rule in plain["rules"].items()},
                    columns=tuple(_word(name) for name in plain["columns"]),
                    replace_cascades=plain["replace_cascades"] is True,
                )
            case "stop":
                return Stopped(tables)
            case "refresh":
                return Refreshed(tables, plain["renamed"])
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise WrongUse("what a migration has asked for can't be read: was it written by another version of this program?")


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def rule_of(said: object) -> Rule:
    """'all' for both directions, two of such texts (to the remote, to the host), or a mapping of them. Raises
    ValueError."""
    match said:
        case Rule():
            return said
        case str():
            return Rule(Kinds.parse(said), Kinds.parse(said))
        case [str() as down, str() as up] | (str() as down, str() as up):
            return Rule(Kinds.parse(down), Kinds.parse(up))
        case Mapping() if said and set(said) <= {"to_remote", "to_host"}:
            return Rule(Kinds.parse(said.get("to_remote", "none")), Kinds.parse(said.get("to_host", "none")))
    raise ValueError(said)


def sentence(step: Step) -> str:
    """For people."""
    verb = {Replicated: "replicate", Stopped: "stop replicating", Refreshed: "refresh the capture of"}[type(step)]
    return f"{verb} {', '.join(step.tables)}"


def described(body: str) -> str:
    """The same of a request as it stands."""
    try:
        return sentence(read(body))
    except WrongUse:
        return "do what can't be read"


# --- carried out ------------------------------------------------------------------------------------------------------


def carry_out_all(node: Node, progress: Progress | None = None) -> list[str]:
    """Carry out what waits. Returns what a person should know. Raises Transient errors: the next run goes on."""
    with node.database.transaction(write=False) as connection:
        waiting = requests.load(connection)
    told: list[str] = []
    kept: set[str] = set()
    for request in waiting:
        told += _carry_out(node, request, kept, progress)
    return told


def _carry_out(node: Node, request: Request, kept: set[str], progress: Progress | None) -> list[str]:
    try:
        step = read(request.body)
        if kept.intersection(step.tables) and not isinstance(step, Stopped):
            return []
        told = carry_out(node, step, progress)
    except Transient:
        raise
    except ReplicatorError as error:
        _keep(node, request, error, kept)
        return []
    with node.unit() as unit:
        done = [request]
        if isinstance(step, Stopped):
            kept.difference_update(step.tables)
            done += [each for each in requests.load(unit.connection) if _is_over(each, request, step)]
        for each in done:
            requests.forget(unit.connection, each.id)
            notices.settle(unit.connection, (KIND,), str(each.id))
        text = "; ".join([f"a migration asked to {sentence(step)}: done", *told])
        unit.notice(f"{KIND}-done", f"{request.id} {unit.now}", text)
    return [text]


def _is_over(other: Request, request: Request, step: Stopped) -> bool:
    """An earlier one, of tables that are replicated no more."""
    try:
        return other.id < request.id and set(read(other.body).tables) <= set(step.tables)
    except WrongUse:
        return False


def _keep(node: Node, request: Request, error: ReplicatorError, kept: set[str]) -> None:
    with suppress(WrongUse):
        kept.update(read(request.body).tables)
    text = str(error)
    if text == request.error:
        return
    with node.unit() as unit:
        requests.note_error(unit.connection, request.id, text)
        notices.settle(unit.connection, (KIND,), str(request.id))
        unit.notice(
            KIND,
            str(request.id),
            f"a migration asked to {described(request.body)}, which can't be done: {text}; mend it and run again, "
            f"or give it up: replicator migrate upgrade --forget {request.id}",
            waiting=True,
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a migration of the application has asked for, and was not done yet."""

    id: int
    text: str
    error: str | None
    """Why not; None: it was not tried yet."""


def waiting(node: Node) -> list[Waiting]:
    with node.database.transaction(write=False) as connection:
        return waiting_of(connection)


def waiting_of(connection: Connection) -> list[Waiting]:
    return [Waiting(each.id, described(each.body), each.error) for each in requests.load(connection)]


def forget(node: Node, number: int) -> None:
    """Nobody wants it any more. Raises UnknownName."""
    with node.unit() as unit:
        if not requests.forget(unit.connection, number):
            raise UnknownName(f"no migration's request {number} waits; see: replicator migrate status")
        notices.settle(unit.connection, (KIND,), str(number))
