"""A site of Django's own applications, unmodified, at a host and at stations, each with tables by their migrations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Place

TABLES = (
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "auth_user",
    "auth_user_groups",
    "auth_user_user_permissions",
    "django_admin_log",
    "django_content_type",
    "django_flatpage",
    "django_flatpage_sites",
    "django_redirect",
    "django_session",
    "django_site",
)
DAYS = 3


class Site:
    """The site beside a node, on the node's database."""

    def __init__(self, place: Place) -> None:
        self.place, self._database = place, json.dumps(place.django)

    def call(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "tests.applications.django_site", self._database, *arguments]
        root = Path(__file__).parents[2]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def dump(self) -> dict[str, list[list[str]]]:
        found: dict[str, list[list[str]]] = json.loads(self.call("dump"))
        return found


KINDS = [
    ("sqlite", "sqlite", "sqlite"),
    ("postgresql", "postgresql", "postgresql"),
    ("postgresql", "sqlite", "postgresql"),
    ("sqlite", "postgresql", "sqlite"),
    ("mariadb", "mariadb", "mariadb"),
    ("mariadb", "sqlite", "postgresql"),
    ("sqlite", "mariadb", "sqlite"),
    ("postgresql", "mariadb", "sqlite"),
]
"""Of the databases of the head office and two branches."""


@pytest.fixture(params=KINDS, ids="-".join)
def sites(request: pytest.FixtureRequest, new_place: Callable[[str, str], Place]) -> list[Site]:
    made = [Site(new_place(kind, name)) for kind, name in zip(request.param, ("office", "koeln", "bonn"), strict=True)]
    for site in made:
        site.call("migrate")
    return made


def test_the_site_works_at_a_host_and_its_branches(sites: list[Site], tmp_path: Path) -> None:
    office, *branches = (site.place for site in sites)
    office.done("host-init", *office.options, "--address", "office@example.com")
    office.done("table", "add", *TABLES, "--area", "Site")
    for branch in branches:
        invitation = tmp_path / f"{branch.name}.invitation"
        office.done("station", "add", branch.name, "--address", f"{branch.name}@example.com", "--out", invitation)
        office.done("rule", "set", branch.name, "all", "--to-remote", "all", "--to-host", "all")
        branch.done("remote-init", invitation, *branch.options)
    for day in range(DAYS):
        for number, site in enumerate(sites):
            site.call("branch" if number else "office", f"{day} {number}")
        for _ in range(3):
            for site in sites:
                site.place.run()
    expected, *found = (site.dump() for site in sites)
    assert len(expected["auth_user"]) > 2
    assert len(expected["django_session"]) > 2 * DAYS
    assert found == [expected, expected]
    assert office.call("status").code == 0
