"""What is refused when a backup station is to become the host, with a line that says what to do; nothing has changed
then."""

from __future__ import annotations

import pytest

from tests.integration.command_line import Place, exchange
from tests.integration.conftest import NewPlace
from tests.integration.test_backup_stations import ROWS, joined


@pytest.fixture
def places(new_place: NewPlace) -> list[Place]:
    return joined(new_place)


def test_what_is_refused(places: list[Place]) -> None:
    office, keeper, koeln, trier = places
    folder = f"folder:{keeper.folder / 'mail'}"
    before = keeper.done("status", "--json").json

    def refused(*options: object, home: object = keeper.home, code: int = 2) -> str:
        return keeper.refused("host-init", "--from-backup", *map(str, (home, *options)), code=code)

    assert "Zentrale was heard of 0 minutes ago" in refused()
    assert "there is no node in" in refused(home=keeper.folder / "nowhere")
    assert "there is no node in" in refused(home=keeper.folder / "mail")
    assert "this node can't become the host: only a station that was added with" in refused("--yes", home=koeln.home)
    assert "office is a host already: Zentrale" in refused("--yes", home=office.home)
    for option in (["--name", "other"], ["--database", "sqlite:///other.db"]):
        assert f"leave out {option[0]}" in refused("--yes", *option)
    for option in (
        ["--mailbox", folder],
        ["--send", "smtps://a@mail.example.com"],
        ["--title", "Archive"],
        ["--provider", "gmx"],
        ["--auth", "password"],
    ):
        assert "give --address too" in refused("--yes", *option)
    assert "not an e-mail address of the form name@example.com" in refused(
        "--yes", "--address", "nobody", "--mailbox", folder
    )
    longest = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.com"
    assert "choose a shorter one" in refused("--yes", "--address", longest, "--mailbox", folder)
    assert keeper.done("status", "--json").json == before
    exchange(keeper, office, koeln, trier, rounds=1)
    assert keeper.sql(ROWS) == office.sql(ROWS)

    keeper.done("host-init", "--from-backup", keeper.home, "--yes")
    for options in ([], ["--yes"], ["--yes", "--address", "x@example.com", "--mailbox", folder]):
        assert "is a host already: Zentrale" in refused(*options)
    assert "is a host: run 'replicator host-run'" in keeper.refused("remote-run")
    assert keeper.call("host-run").code == 0


def test_silence_of_a_day_needs_no_word(places: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    _, keeper, *_ = places
    monkeypatch.setattr("replicator.operations.promoting.SILENCE", 1)
    assert "is the host Zentrale" in " ".join(keeper.done("host-init", "--from-backup", keeper.home).out.split())


def test_what_was_removed_is_there_again(places: list[Place]) -> None:
    """The backup station has not heard of it: a person has to say it again at the new host."""
    office, keeper, koeln, trier = places
    office.done("station", "remove", "trier", "--yes")
    keeper.done("host-init", "--from-backup", keeper.home, "--yes")
    trier.sql("INSERT INTO customers VALUES (20, 'Gerdes', 'Trier')")
    exchange(keeper, koeln, trier)
    assert len(keeper.sql(ROWS)) == 4
    keeper.done("station", "remove", "trier", "--yes")
    exchange(keeper, koeln, trier)
    assert [link["name"] for link in keeper.done("station", "list", "--json").json] == ["koeln"]
