"""Two clones of a laptop on one real mailbox, processes of their own: one halts, and becomes a station of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mail_nodes import Way, add_customers, customers_of, mail_options, new_host, new_station, settled
from processes import Computer, equal

from tests.servers.farm import USERS, MailFarm


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


def cloned(laptop: Computer, name: str) -> Computer:
    """Home folder and database, copied to another computer."""
    twin = Computer(laptop.folder, name)
    shutil.copytree(laptop.home, twin.home)
    for end in ("", "-wal"):
        source = Path(f"{laptop.database_file}{end}")
        if source.exists():
            shutil.copyfile(source, f"{twin.database_file}{end}")
    settings = twin.home / "replicator.toml"
    settings.write_text(settings.read_text().replace(str(laptop.database_file), str(twin.database_file)))
    return twin


@pytest.mark.parametrize("way", [("imaps", "smtps"), ("pop3s", "smtp")])
def test_two_clones_of_a_laptop_on_one_mailbox(farm: MailFarm, tmp_path: Path, way: Way) -> None:
    office = new_host(farm, tmp_path, ("imaps", "smtps"))
    laptop = new_station(farm, office, "remote1", way)
    add_customers(office, 100)
    settled(farm, office, laptop)
    twin = cloned(laptop, "twin")
    add_customers(laptop, 1000)
    add_customers(twin, 2000)
    both, halted = [laptop, twin], None
    for turn in range(12):
        computer = both[turn % 2]
        result = computer.call("remote-run")
        farm.settle()
        if result.code == 3 and "halted" in result.err:
            halted = computer
            break
        office.here("host-run")
        farm.settle()
    assert halted is not None, "one of them has to notice"
    assert "another computer works under its name" in " ".join(result.err.split())
    other = laptop if halted is twin else twin
    add_customers(halted, 3000)
    assert halted.call("remote-run").code == 3, "it stays halted"
    options = mail_options(farm, tmp_path, "remote2", way)
    invitation = tmp_path / "copy.invitation"
    office.here(
        *("station", "add", "second", "--address", farm.address("remote2")),
        *("--copy-of", "remote1", "--out", invitation),
    )
    halted.here("copy", invitation, *options)
    settled(farm, office, other, halted, rounds=4)
    assert customers_of(office) == {number for first in (100, 1000, 2000, 3000) for number in range(first, first + 20)}
    assert equal(office, other)
    assert equal(office, halted)
    assert office.rows("replicator_conflict") == []
    assert all(farm.mailboxes.contents(user) == [] for user in USERS)
