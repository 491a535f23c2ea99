"""A certificate authority of the tests' own, and certificates for localhost: a good one, and ones with a fault each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

HOSTS = ("localhost", "127.0.0.1")


class Certificates:
    """PEM files in `folder`: `authority` is what a client has to trust; `chain` and `key` are for a server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._authority = trustme.CA(organization_name="Replicator tests")
        self.authority = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.authority))
        self.chain, self.key = self._write("server", self._authority.issue_cert(*HOSTS))

    def expired(self) -> tuple[Path, Path]:
        """Chain and key of one that ended yesterday."""
        ended = datetime.now(UTC) - timedelta(days=1)
        return self._write(
            "expired", self._authority.issue_cert(*HOSTS, not_before=ended - timedelta(days=90), not_after=ended)
        )

    def for_another_host(self) -> tuple[Path, Path]:
        """Chain and key of one that is in order, but names mail.elsewhere.test only."""
        return self._write("elsewhere", self._authority.issue_cert("mail.elsewhere.test"))

    def _write(self, name: str, certificate: trustme.LeafCert) -> tuple[Path, Path]:
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        key.touch(mode=0o600)
        certificate.private_key_pem.write_to_path(str(key))
        chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        return chain, key
