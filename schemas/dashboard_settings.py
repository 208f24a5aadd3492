"""Where the dashboard listens, who may come in, and what they may see and do there."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from schemas.actor import Role  # noqa: TC001 - pydantic reads it
from schemas.duration import Duration  # noqa: TC001 - pydantic reads it

COOKIE_SECRET_LENGTH = 32


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _safe(address: str) -> str:
    """Refuse an address over which a cookie or a code would travel in the clear; none at all is fine."""
    if not address:
        return address
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host = ""
    if not host or parts.username is not None or not address.isprintable() or " " in address:
        raise ValueError("give an address such as 'https://soc.example.org'")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("it must begin with https://, since http:// is for this machine alone")
    return address


Text = Annotated[str, Field(min_length=1)]
WebAddress = Annotated[str, AfterValidator(_safe)]


class Section(BaseModel):
    """A table of the settings file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Access(Section):
    """An entry of the access file: whoever has one of the values in that claim has the role.

    `tenants`, or the values of the claim `tenants_claim`, are all that they see; with neither they see all.
    """

    role: Role | Literal["none"]
    claim: str = Field(min_length=1)
    values: list[Text] = Field(min_length=1)
    tenants: list[Text] | None = Field(None, min_length=1)
    tenants_claim: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_scope(self) -> Access:
        if self.tenants is not None and self.tenants_claim is not None:
            raise ValueError("give tenants or tenants_claim, not both")
        return self


class LoginSettings(Section):
    """The provider that proves who somebody is (OpenID Connect), and the file that says what they may do.

    Without `url` there is no login.
    """

    url: WebAddress = ""
    metadata_url: WebAddress = ""
    client_id: str = ""
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    cookie_secret: SecretStr | None = None
    cookie_secret_file: Path | None = None
    scopes: list[Text] = ["openid", "email", "profile"]
    name_claim: Text = "email"
    access_file: Path = Path("access.toml")
    max_age: Duration = Field(timedelta(hours=12), ge=timedelta(minutes=1), le=timedelta(days=30))

    @property
    def on(self) -> bool:
        """Whether people log in."""
        return bool(self.url)

    @model_validator(mode="after")
    def _whole(self) -> LoginSettings:
        if any((self.url, self.metadata_url, self.client_id)) and not all(
            (self.url, self.metadata_url, self.client_id)
        ):
            raise ValueError("a login needs url, metadata_url and client_id: give all three, or none")
        if urlsplit(self.url).path not in ("", "/"):
            raise ValueError(
                "url: give the address without a path, since the dashboard has a host of its own"
            )
        return self


class DashboardSettings(Section):
    """Where the dashboard listens, and who may come in."""

    address: str = "127.0.0.1"
    port: int = Field(8501, ge=0, le=65535)
    open_to_network: bool = False
    login: LoginSettings = LoginSettings()
