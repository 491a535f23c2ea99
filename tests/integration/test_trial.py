"""A host and four stations at real servers, with all the trouble that mail has at once: see tests/servers/trial.

By hand with a load of 200 MB: python -m tests.servers.trial --megabytes 200
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.fixtures import is_required, missing
from tests.servers.trial.course import hold


@pytest.fixture
def folder() -> Iterator[Path]:
    """On a disk: pytest's own may be in memory."""
    made = Path(tempfile.mkdtemp(prefix="trial-", dir="/var/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize(("megabytes", "troubled"), [(1, 2), (5, 3)])
def test_everything_is_applied_once_whatever_befalls_the_mail(folder: Path, megabytes: int, troubled: int) -> None:
    if reason := missing():
        (pytest.fail if is_required("mail") else pytest.skip)(reason)
    figures = hold(folder, megabytes, troubled=troubled, resend=True)
    print("\n".join(figures))
