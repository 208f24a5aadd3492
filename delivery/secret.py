"""What sinks need to be trusted: secrets that may not lack, and certificates."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def needed(found: str | None, key: str) -> str:
    """The secret; SettingsError where it is lacking."""
    if found is None:
        variable = f"COUNTERFOIL_{key.replace('.', '__').upper()}"
        raise SettingsError(f"{key} is lacking: set {key}_file, or {variable} in the environment")
    return found


def tls(
    ca_file: Path | None, key: str, certificate: Path | None = None, private_key: Path | None = None
) -> ssl.SSLContext:
    """What a connection is made with: TLS 1.2 at least, the certificate and the name of the server checked.

    `key` is that of the sink. Raises SettingsError for a file that is wrong.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{key}.ca_file: {ca_file} holds no certificates in PEM that can be read"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is None:
        if private_key is not None:
            raise SettingsError(f"{key}.key_file is set: set {key}.certificate_file too")
        return context

    def ask() -> str:  # without this OpenSSL would ask at the terminal
        raise SettingsError(f"{key}.key_file is encrypted: give one that is not, readable by its owner only")

    try:
        context.load_cert_chain(certificate, private_key, password=ask)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{key}.certificate_file and {key}.key_file: cannot be read, or do not belong together"
        ) from error
    return context
