"""The file of secrets that Streamlit reads for its login: made at the start, in a folder that is this user's alone."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

from dashboards.roles import read_access
from schemas.dashboard_settings import COOKIE_SECRET_LENGTH
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from schemas.dashboard_settings import LoginSettings

_KEY = "dashboard.login"


def write_secrets(login: LoginSettings, folder: Path) -> Path:
    """Write it into the folder, readable by its owner only. SettingsError for a secret that is missing or too weak.

    The access file is read too, so that a slip in it is told at the start and not to the first visitor.
    """
    read_access(login.access_file)
    client = secret(login.client_secret, login.client_secret_file, "client_secret")
    if client is None:
        raise SettingsError(
            f"{_KEY}.client_secret is lacking: set {_KEY}.client_secret_file, or "
            "COUNTERFOIL_DASHBOARD__LOGIN__CLIENT_SECRET in the environment"
        )
    # Without one of their own, logins end with this process.
    cookie = secret(login.cookie_secret, login.cookie_secret_file, "cookie_secret") or secrets.token_urlsafe(
        48
    )
    if len(cookie) < COOKIE_SECRET_LENGTH:
        raise SettingsError(
            f"{_KEY}.cookie_secret has {len(cookie)} characters: give {COOKIE_SECRET_LENGTH} or more, by chance"
        )
    auth = {
        "redirect_uri": f"{login.url.rstrip('/')}/oauth2callback",
        "cookie_secret": cookie,
        "client_id": login.client_id,
        "client_secret": client,
        "server_metadata_url": login.metadata_url,
    }
    lines = ["[auth]", *(f"{name} = {_quoted(value)}" for name, value in auth.items())]
    lines.append(f"client_kwargs = {{ scope = {_quoted(' '.join(login.scopes))} }}")
    path = folder / "secrets.toml"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        out.writelines(f"{line}\n" for line in lines)
    return path


def secret(value: SecretStr | None, file: Path | None, key: str) -> str | None:
    """A secret, given or from its file; None where there is neither. It is never part of a message."""
    if value is not None:
        found = value.get_secret_value()
    elif file is None:
        return None
    else:
        try:
            found = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{_KEY}.{key}_file: {file} cannot be read as text") from error
    if not found or not found.isascii() or not found.isprintable():
        raise SettingsError(
            f"{_KEY}.{key} is empty, or holds a line break or another character that no secret has: check it, or the "
            "file that it is read from"
        )
    return found


def _quoted(text: str) -> str:
    """A TOML string, which that of JSON is for such text."""
    if not text.isascii() or not text.isprintable():
        raise SettingsError(f"{_KEY}: {text!r} holds a character that is not printable ASCII")
    return json.dumps(text)
