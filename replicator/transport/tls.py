"""TLS to mail servers: verified, TLS 1.2 or newer, by the system's authorities and a CA file of one's own."""

from __future__ import annotations

import ssl

from replicator.errors import ConfigurationError, os_reason


def context(ca: str | None = None) -> ssl.SSLContext:
    """A client's context that checks the certificate and that it is this host's.

    The system's authorities are trusted, or those in the file that the environment variable SSL_CERT_FILE names
    (OpenSSL sees to that), and besides them those in the PEM file `ca`. Raises ConfigurationError where it can't be
    used.
    """
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        try:
            made.load_verify_locations(cafile=ca)
        except ssl.SSLError:
            raise ConfigurationError(
                f"The CA file {ca} holds no certificate: give a PEM file, which begins with BEGIN CERTIFICATE."
            ) from None
        except OSError as error:
            raise ConfigurationError(f"The CA file {ca} can't be read: {os_reason(error)}.") from None
    return made
