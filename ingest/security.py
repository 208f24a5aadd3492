"""How this client shows itself to the brokers, and what it asks of them: TLS, passwords and tokens.

Secrets come from the settings' files or from the environment. None of them is ever part of a message.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from kafka.net.sasl.oauth import AbstractTokenProvider

from schemas.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from schemas.settings import KafkaSettings

# A token server that does not answer holds up the heartbeats meanwhile.
TOKEN_SECONDS = 5.0
LONGEST_TOKEN = 1024 * 1024
# A token is asked for anew when this part of its life is over.
TOKEN_LIFE = 0.8


def security(settings: KafkaSettings) -> dict[str, Any]:
    """Return the client's options for TLS and SASL. Raises SettingsError, with the key, for what is lacking."""
    options: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if settings.security_protocol.startswith("SASL"):
        options |= _sasl(settings)
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = tls(settings)
    return options


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    if settings.sasl_mechanism is None:
        raise SettingsError("kafka.security_protocol is SASL: set kafka.sasl_mechanism too")
    if settings.sasl_mechanism == "OAUTHBEARER":
        return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": Tokens(settings)}
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": _username(settings),
        "sasl_plain_password": _password(settings),
    }


def _username(settings: KafkaSettings) -> str:
    if settings.username is None:
        raise SettingsError("kafka.security_protocol is SASL: set kafka.username too")
    return settings.username


def _password(settings: KafkaSettings) -> str:
    found = read_secret(settings.password, settings.password_file, "kafka.password_file")
    if found is None:
        raise SettingsError(
            "kafka.username is set: set kafka.password_file, or COUNTERFOIL_KAFKA__PASSWORD, too"
        )
    return found


def read_secret(value: SecretStr | None, file: Path | None, key: str) -> str | None:
    """Return a secret, given or from its file; None where there is neither. SettingsError names `key`."""
    if value is not None:
        return value.get_secret_value()
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise SettingsError(f"{key}: {file} is not text in UTF-8") from error
    except OSError as error:
        raise SettingsError(f"{key}: {file} cannot be read: {error.strerror}") from error


class _Socket(ssl.SSLSocket):
    """Closed when the handshake fails: the client drops it as it is, open until the interpreter comes upon it."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def tls(settings: KafkaSettings) -> ssl.SSLContext:
    """Return what a TLS connection is made with. Raises SettingsError, with the key, for a file that is wrong."""
    context = ssl.create_default_context(cafile=pem_file(settings.ca_file, "kafka.ca_file"))
    context.sslsocket_class = _Socket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = settings.check_hostname
    certificate = pem_file(settings.certificate_file, "kafka.certificate_file")
    key = pem_file(settings.key_file, "kafka.key_file")
    if certificate is None:
        if key is not None:
            raise SettingsError("kafka.key_file is set: set kafka.certificate_file too")
        return context
    password = read_secret(settings.key_password, settings.key_password_file, "kafka.key_password_file")

    def ask() -> str:
        if password is None:  # without this OpenSSL would ask at the terminal
            raise SettingsError(
                f"kafka.key_file: {key or certificate} is encrypted: set kafka.key_password_file, or"
                " COUNTERFOIL_KAFKA__KEY_PASSWORD"
            )
        return password

    try:
        context.load_cert_chain(certificate, key, password=ask)
    except ssl.SSLError as error:
        if "KEY_VALUES_MISMATCH" in str(error):
            what = f"{key} is not the key of {certificate}"
        elif password is not None:
            what = f"{key or certificate} cannot be opened: check it, and kafka.key_password_file"
        else:
            what = (
                f"{key or certificate}, {certificate}: there is no private key or no certificate (PEM) in it"
            )
        raise SettingsError(f"kafka.key_file, kafka.certificate_file: {what}") from error
    return context


def pem_file(file: Path | None, key: str) -> str | None:
    """Return the path of a PEM file, if there is one to use. SettingsError names `key`."""
    if file is None:
        return None
    if not file.is_file():
        raise SettingsError(f"{key}: there is no file {file}")
    try:
        text = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{key}: {file} cannot be read: {error.strerror}") from error
    if b"-----BEGIN " not in text:
        raise SettingsError(f"{key}: {file} holds no PEM (a text that begins with -----BEGIN)")
    return str(file)


class Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens for OAUTHBEARER: from a file, or from an address for a client id and its secret."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Check that the settings say where tokens come from. Raises SettingsError."""
        super().__init__()
        self._file = settings.oauth_token_file
        self._url = settings.oauth_token_url
        self._token = ""
        self._until = 0.0
        if (self._file is None) == (self._url is None):
            raise SettingsError(
                "kafka.sasl_mechanism is OAUTHBEARER: set one of kafka.oauth_token_file and kafka.oauth_token_url"
            )
        if self._url is not None:
            user, password = _username(settings), _password(settings)
            words = ":".join(urllib.parse.quote(each, safe="") for each in (user, password))
            self._authorization = "Basic " + base64.b64encode(words.encode()).decode("ascii")
            self._form = {"grant_type": "client_credentials"}
            if settings.oauth_scope is not None:
                self._form["scope"] = settings.oauth_scope
            self._tls = ssl.create_default_context(
                cafile=pem_file(settings.oauth_ca_file, "kafka.oauth_ca_file")
            )

    def token(self) -> str:
        """Return a token that is good for now. Raises SourceError or SettingsError."""
        if self._file is not None:
            return read_secret(None, self._file, "kafka.oauth_token_file") or ""
        if time.monotonic() >= self._until:
            self._token, seconds = self._ask()
            self._until = time.monotonic() + seconds * TOKEN_LIFE
        return self._token

    def _ask(self) -> tuple[str, float]:
        request = urllib.request.Request(  # noqa: S310 - the settings take http and https only
            str(self._url),
            data=urllib.parse.urlencode(self._form).encode(),
            headers={"Authorization": self._authorization, "Accept": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self._tls), NoRedirect())
        try:
            with opener.open(request, timeout=TOKEN_SECONDS) as answer:
                said = json.loads(answer.read(LONGEST_TOKEN))
            return str(said["access_token"]), float(said.get("expires_in", 60))
        except urllib.error.HTTPError as error:
            what = f"refused ({error.code}): check kafka.username, its secret and kafka.oauth_scope"
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "reason", error)
            what = f"gave no token ({type(reason).__name__}): check kafka.oauth_token_url and kafka.oauth_ca_file"
        raise SourceError(f"the token server at {self._url} {what}")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: the secret is for the address in the settings only."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""
        return
