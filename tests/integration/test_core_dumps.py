"""A process that holds keys leaves no core dump."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from processes import new_host, until

resource = pytest.importorskip("resource")
if not sys.platform.startswith("linux"):
    pytest.skip("/proc tells the limits on Linux only", allow_module_level=True)


def core_size(process: int) -> str:
    """The soft limit, as /proc tells it."""
    lines = Path(f"/proc/{process}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max core file size")).split()[4]


def test_a_running_command_may_leave_no_core_dump(tmp_path: Path) -> None:
    office = new_host(tmp_path)
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if most == 0:
        pytest.skip("no process may leave one here")
    process = office.start(
        "host-run", "--every", "1h", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    )
    try:
        assert core_size(process.pid) != "0"
        until(lambda: (office.home / "running").exists())
        assert core_size(process.pid) == "0"
    finally:
        process.terminate()
        process.communicate()
