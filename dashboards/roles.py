"""The access file: which role, and whose data, the claims of a login give. It is read again as soon as it changes."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.actor import Actor
from schemas.dashboard_settings import Access  # noqa: TC001 - pydantic reads it
from schemas.errors import CounterfoilError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from schemas.dashboard_settings import LoginSettings

Claims = dict[str, Any]


class NoAccess(CounterfoilError):
    """Nobody is logged in, the login is too old, or no entry of the access file is for them."""


class AccessFileError(SettingsError):
    """The access file is missing or wrong, so that nobody may come in."""


class _AccessFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    access: list[Access]


def actor_of(claims: Claims, login: LoginSettings, now: float) -> Actor:
    """Whom these claims prove, with the role and tenants that the first entry of the access file that fits gives."""
    if not claims:
        raise NoAccess("nobody is logged in")
    since = claims.get("iat")
    if not isinstance(since, int | float) or now - since > login.max_age.total_seconds():
        raise NoAccess("the login is too old: log out and in again")
    for entry in read_access(login.access_file):
        if _given(claims, entry.claim) & {_same(entry.claim, each) for each in entry.values}:
            if entry.role == "none":
                break
            return Actor(_name(claims, login), entry.role, _tenants(claims, entry))
    raise NoAccess(f"{_name(claims, login)} has no role here: ask whoever keeps the access file for one")


def _name(claims: Claims, login: LoginSettings) -> str:
    """The name that is kept with what they write; the provider's own id of them where it vouches for no better one."""
    named = claims.get(login.name_claim)
    if isinstance(named, str) and named.strip() and _given(claims, login.name_claim):
        return named.strip()
    return f"sub:{claims.get('sub')}"


def _tenants(claims: Claims, entry: Access) -> frozenset[str] | None:
    if entry.tenants_claim is None:
        return None if entry.tenants is None else frozenset(entry.tenants)
    found = _given(claims, entry.tenants_claim)
    if not found:
        raise NoAccess(f"the login has no {entry.tenants_claim!r}, which says whose data may be seen")
    return frozenset(found)


def _given(claims: Claims, claim: str) -> set[str]:
    """The texts of a claim. An address of e-mail that the provider has not verified is none."""
    if claim == "email" and claims.get("email_verified") is False:
        return set()
    value = claims.get(claim)
    values = value if isinstance(value, list) else [value]
    return {_same(claim, each) for each in values if isinstance(each, str) and each.strip()}


def _same(claim: str, value: str) -> str:
    return value.strip().casefold() if claim == "email" else value.strip()


def read_access(path: Path) -> tuple[Access, ...]:
    """The entries of the access file as it is now. AccessFileError where it is missing or wrong."""
    try:
        stat = path.stat()
    except OSError as error:
        raise AccessFileError(
            f"dashboard.login.access_file: {path} cannot be read: {error.strerror}"
        ) from error
    return _read(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))


@lru_cache(maxsize=4)
def _read(path: Path, _state: tuple[int, int, int]) -> tuple[Access, ...]:
    try:
        return tuple(_AccessFile(**_toml(path)).access)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AccessFileError(f"dashboard.login.access_file: {path}: {where}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise AccessFileError(f"dashboard.login.access_file: {path}: {error}") from error


def _toml(path: Path) -> Mapping[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
