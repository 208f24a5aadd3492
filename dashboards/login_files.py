"""The file of secrets that Streamlit reads for its login: made at the start, in a folder that is this user's alone."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

from dashboards.roles import read_access
from schemas.dashboard_settings import COOKIE_SECRET_LENGTH
from schemas.errors import SettingsError
from schemas.secret import secret_of

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.dashboard_settings import LoginSettings

_KEY = "dashboard.login"


def write_secrets(login: LoginSettings, folder: Path) -> Path:
    """Write it into the folder, readable by its owner only. SettingsError for a secret that is missing or too weak.

    The access file is read too, so that a slip in it is told at the start and not to the first visitor.
    """
    read_access(login.access_file)
    client = secret_of(
        login.client_secret, login.client_secret_file, f"{_KEY}.client_secret", only_ascii=True
    )
    if client is None:
        raise SettingsError(
            f"{_KEY}.client_secret is lacking: set {_KEY}.client_secret_file, or "
            "COUNTERFOIL_DASHBOARD__LOGIN__CLIENT_SECRET in the environment"
        )
    # Without one of their own, logins end with this process.
    cookie = secret_of(
        login.cookie_secret, login.cookie_secret_file, f"{_KEY}.cookie_secret", only_ascii=True
    ) or secrets.token_urlsafe(48)
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


def _quoted(text: str) -> str:
    """A TOML string, which that of JSON is for such text."""
    if not text.isascii() or not text.isprintable():
        raise SettingsError(f"{_KEY}: {text!r} holds a character that is not printable ASCII")
    return json.dumps(text)
