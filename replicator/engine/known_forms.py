"""Versions of tables that a station tells the host: what it has written in one of them is to be read.

A host that was set back knows those no more that it gave since; one that was a backup station may have been loaded when
a table had been changed already, and never have heard of its first version.
"""

from __future__ import annotations

from collections.abc import Iterable

from replicator.engine.node import Unit
from replicator.store import table_versions
from replicator.types import NOWHERE, Table


def known(unit: Unit) -> list[Table]:
    """At a station: all versions of tables that were ever changed, as far as it knows; by table, oldest first."""
    changed = {version.table.id for version in table_versions.load_versions(unit.connection)}
    return [form for _, form in sorted(unit.forms.items()) if form.id in changed]


def learn(unit: Unit, forms: Iterable[Table]) -> None:
    """At the host: what it knows itself, and what it is still to give, nobody tells it."""
    for form in forms:
        table = unit.tables.get(form.id)
        if table is None or form.version[0] >= unit.state.host_epoch:
            continue
        if form.version != NOWHERE or table.version != NOWHERE:
            table_versions.note(unit.connection, form, unit.now)
            unit.forget_forms()
