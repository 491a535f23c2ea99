"""What each further station with the same rules costs the host: it should be little more than the mail itself.

Changes are classed, encoded and compressed once, whatever the number of stations. The baseline is what a station can't
do without: its box, base64, and a file that is written and synced, of the same bytes.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nacl.public import Box, PrivateKey

from bench import data
from bench.measuring import Figure, Size, cpu, figure_of
from bench.places import HOST, Places

LIMIT = 2


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    where = folder / "fanout"
    hosts = {}
    for number in size.fanout_stations:
        tell(f"fan-out: a host with {number} stations")
        names = [f"s{place}" for place in range(number)]
        hosts[number] = Places(where / str(number), data.CUSTOMERS, ["customers"], names)
        hosts[number].run(HOST)  # the first snapshots, of an empty table
        _drop_mail(hosts[number])
    fewest, *more = size.fanout_stations
    pairs: dict[int, list[tuple[float, float]]] = {number: [] for number in more}
    for repetition in range(size.repetitions):
        tell(f"fan-out: repetition {repetition + 1} of {size.repetitions}")
        rows = data.take(data.customers(repetition, 1 + repetition * size.fanout_changes), size.fanout_changes)
        spent = {}
        for number, places in hosts.items():
            places.write(HOST, lambda raw, rows=rows: raw.executemany(data.INSERT_CUSTOMER, rows))
            spent[number] = cpu(lambda places=places: places.run(HOST))
        # Base64 in lines makes 78 bytes of 57.
        mails = hosts[fewest].mail_sizes(hosts[fewest].stations[0])
        payloads = [os.urandom(mail * 57 // 78) for mail in mails]
        for number, times in pairs.items():
            others = number - fewest
            bare = cpu(partial(_bare, where, payloads, others)) / others
            times.append(((spent[number] - spent[fewest]) / others, bare))
        for places in hosts.values():
            _drop_mail(places)
    shutil.rmtree(where)
    return [
        figure_of(f"fan-out, a further station of {number}: CPU", times, LIMIT, "ms", 1e3)
        for number, times in pairs.items()
    ]


def _bare(folder: Path, payloads: list[bytes], stations: int) -> None:
    """Box, encode and write the same bytes for each of the stations."""
    mine, theirs = PrivateKey.generate(), PrivateKey.generate().public_key
    path = folder / "bare.eml"
    for _ in range(stations):
        box = Box(mine, theirs)
        for payload in payloads:
            with path.open("wb", buffering=0) as file:
                file.write(base64.encodebytes(box.encrypt(payload)))
                os.fsync(file.fileno())
            path.unlink()


def _drop_mail(places: Places) -> None:
    for name in places.stations:
        for mail in (places.mail / places.address(name) / "new").iterdir():
            mail.unlink()
