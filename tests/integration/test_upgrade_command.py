"""`upgrade`: the replicator's own tables after a new version of the program."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Place, new_office
from sqlalchemy import Connection

from replicator.store import migrate, sql

NEXT = f"{int(migrate.REVISION) + 1:04}"


def test_there_is_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    office = new_office(tmp_path, capsys)
    assert "were up to date already" in office.done("upgrade").out


def test_older_tables_are_upgraded_and_newer_ones_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = new_office(tmp_path, capsys)
    # The next version of this program, whose only script says that it ran.
    monkeypatch.setattr(migrate, "REVISION", NEXT)
    monkeypatch.setattr(migrate, "_run_scripts", _to_the_next)
    assert "replicator upgrade" in office.refused("status", code=1)
    assert "are up to date now" in office.done("upgrade").out
    assert office.done("status").code == 0
    monkeypatch.undo()
    assert "newer than this program" in office.refused("upgrade", code=1)


def test_without_our_tables_it_makes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    office = new_office(tmp_path, capsys)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{office.database_file}{suffix}").unlink(missing_ok=True)
    Place(tmp_path, "office", capsys).sql("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    assert "tables are missing" in office.refused("upgrade", code=1)
    assert office.sql("SELECT name FROM sqlite_master") == [("customers",)]


def _to_the_next(connection: Connection) -> None:
    sql.run(connection, f"UPDATE {migrate.VERSION_TABLE} SET version_num = '{NEXT}'")
