"""E-mail addresses in commands to a server."""

from __future__ import annotations

from replicator.errors import ConfigurationError


def on_the_wire(address: str) -> str:
    """The address in ASCII, its domain in IDNA form. Raises ConfigurationError where it has none.

    A name with umlauts would need SMTPUTF8 at every server on the way, which few of them speak.
    """
    name, at, domain = address.strip().rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_domain = ""
    fit = at and name and ascii_domain and all("!" <= sign <= "~" and sign not in '<>()[]\\,;:"@' for sign in name)
    if not fit or not all(sign.isalnum() or sign in "-._" for sign in ascii_domain):
        raise ConfigurationError(f"Mail servers take no address such as {address!r}: use one such as name@example.com.")
    return f"{name}@{ascii_domain}"
