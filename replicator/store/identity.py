"""The node's key pair in `identity.key`, readable by its owner only (design.md 3 and 8, Enrolment)."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from nacl.public import PrivateKey, PublicKey

from replicator.errors import ConfigurationError
from replicator.runtime import Runtime
from replicator.store.files import Files, trouble

FORMAT = 1
KEY_BYTES = 32
_LIMIT = 10_000
_OTHERS = 0o077


def new_private_key(runtime: Runtime) -> PrivateKey:
    """A Curve25519 key from the runtime's dice, so that a simulation can be played again."""
    return PrivateKey(runtime.random(KEY_BYTES))


@dataclass(frozen=True, slots=True)
class Identity:
    """The keys are left out of its printed form, so that it may stand in a log."""

    private_key: PrivateKey = field(repr=False)
    bootstrap_key: PrivateKey | None = field(default=None, repr=False)
    """Station: the invitation's key, until the host's acknowledgement of our own key is in."""
    host_public_key: PublicKey | None = field(default=None, repr=False)
    """Station: the host's key, from the invitation."""
    retired_key_id: bytes | None = None
    """Station: names the invitation's key, once it is forgotten. What still comes under it is known for that."""

    @property
    def public_key(self) -> bytes:
        return bytes(self.private_key.public_key)


class IdentityFile:
    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        self._files = files

    def read(self) -> Identity:
        """Raises ConfigurationError when the file is missing, damaged or open to others, StorageTrouble else."""
        self._refuse_open_file()
        data = self._files.read(self.path, _LIMIT)
        if data is None:
            raise ConfigurationError(
                f"{self.path} is missing: without its key this node can't open its mail; bring the file back from a "
                f"backup, or set the node up anew with a new invitation"
            )
        try:
            content = json.loads(data)
            newer = content["format"] != FORMAT
            if not newer:
                bootstrap, host = content.get("bootstrap_secret"), content.get("host_public_key")
                retired = content.get("retired_key_id")
                return Identity(
                    private_key=PrivateKey(_bytes(content["secret"])),
                    bootstrap_key=None if bootstrap is None else PrivateKey(_bytes(bootstrap)),
                    host_public_key=None if host is None else PublicKey(_bytes(host)),
                    retired_key_id=None if retired is None else bytes.fromhex(retired),
                )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # Without the cause: a traceback in the log must not show a piece of the key.
            raise ConfigurationError(f"{self.path} is damaged; bring it back from a backup") from None
        raise ConfigurationError(f"{self.path} was written by a newer version of the program; update this one")

    def write(self, identity: Identity) -> None:
        """Durable when it returns; crash points as for the side file, as it belongs to the same moments."""
        content: dict[str, object] = {"format": FORMAT, "secret": _text(bytes(identity.private_key))}
        if identity.bootstrap_key is not None:
            content["bootstrap_secret"] = _text(bytes(identity.bootstrap_key))
        if identity.host_public_key is not None:
            content["host_public_key"] = _text(bytes(identity.host_public_key))
        if identity.retired_key_id is not None:
            content["retired_key_id"] = identity.retired_key_id.hex()
        self._files.write(self.path, json.dumps(content, indent=1).encode() + b"\n", moment="side")

    def _refuse_open_file(self) -> None:
        if os.name == "nt":  # pragma: no cover - access there goes by the user's profile
            return
        try:
            mode = self.path.stat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise trouble(error, "read", self.path) from error
        if mode & _OTHERS:
            raise ConfigurationError(
                f"{self.path} can be read or changed by other users of this computer; close it with "
                f"'chmod 600 {self.path}', and if somebody else may have read it, change the key"
            )


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")


def _bytes(text: str) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != KEY_BYTES:
        raise ValueError("length of a key")
    return key
