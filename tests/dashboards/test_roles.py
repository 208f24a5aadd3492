"""Who may come in, and what they may do and see there: by the access file as it is at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dashboards.roles import AccessFileError, NoAccess, actor_of
from schemas.actor import MAY, ROLES, Actor, local_operator
from schemas.dashboard_settings import LoginSettings
from schemas.errors import CounterfoilError

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000
ANA = {
    "sub": "1",
    "email": "Ana@Example.org",
    "email_verified": True,
    "groups": ["soc", "all"],
    "iat": NOW - 60,
}
FILE = """
[[access]]
role = "none"
claim = "email"
values = ["gone@example.org"]

[[access]]
role = "admin"
claim = "email"
values = ["ana@example.org"]

[[access]]
role = "analyst"
claim = "groups"
values = ["soc"]
tenants = ["acme", "globex"]

[[access]]
role = "viewer"
claim = "groups"
values = ["customers"]
tenants_claim = "tenant"
"""


@pytest.fixture
def login(tmp_path: Path) -> LoginSettings:
    (tmp_path / "access.toml").write_text(FILE, encoding="utf-8")
    return LoginSettings(
        url="https://soc.example.org", metadata_url="https://login.example.org/x", client_id="counterfoil",
        access_file=tmp_path / "access.toml",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "actor"),
    [
        (ANA, Actor("Ana@Example.org", "admin")),
        (
            ANA | {"email": "bo@example.org"},
            Actor("bo@example.org", "analyst", frozenset({"acme", "globex"})),
        ),
        (
            ANA | {"groups": "customers", "email": None, "tenant": "acme"},
            Actor("sub:1", "viewer", frozenset({"acme"})),
        ),
        (
            ANA | {"groups": ["customers"], "email": "cy@example.org", "tenant": ["a", "b"]},
            Actor("cy@example.org", "viewer", frozenset({"a", "b"})),
        ),
        # An address that the provider does not vouch for gives neither a role nor a name.
        (ANA | {"email_verified": False}, Actor("sub:1", "analyst", frozenset({"acme", "globex"}))),
    ],
)
def test_the_first_entry_that_fits_gives_role_and_tenants(
    login: LoginSettings, claims: dict[str, Any], actor: Actor
) -> None:
    assert actor_of(claims, login, NOW) == actor


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({}, "nobody is logged in"),
        (ANA | {"iat": NOW - 12 * 3600 - 1}, "the login is too old"),
        (ANA | {"iat": None}, "the login is too old"),
        (ANA | {"email": "gone@example.org"}, "gone@example.org has no role here"),
        (ANA | {"email": "x@example.org", "groups": ["sales"]}, "x@example.org has no role here"),
        (ANA | {"email": "x@example.org", "groups": {"soc": 1}}, "has no role here"),
        (ANA | {"email": "x@example.org", "groups": ["customers"]}, "the login has no 'tenant'"),
        (
            ANA | {"email": "x@example.org", "groups": ["customers"], "tenant": " "},
            "the login has no 'tenant'",
        ),
    ],
)
def test_whoever_has_no_role_has_no_access(login: LoginSettings, claims: dict[str, Any], said: str) -> None:
    with pytest.raises(NoAccess, match=said):
        actor_of(claims, login, NOW)


def test_a_change_of_the_file_counts_at_once(login: LoginSettings) -> None:
    assert actor_of(ANA, login, NOW).role == "admin"

    login.access_file.write_text(FILE.replace("gone@", "ana@"), encoding="utf-8")
    with pytest.raises(NoAccess):
        actor_of(ANA, login, NOW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("access = [", "access.toml"),
        (FILE.replace('"admin"', '"root"'), r"access\.1\.role"),
        (FILE + 'tenants = ["acme"]\n', "give tenants or tenants_claim"),
        (FILE.replace('["acme", "globex"]', '[""]'), r"access\.2\.tenants"),
        (FILE.replace("claim = ", "claims = ", 1), r"access\.0\.claim"),
    ],
)
def test_with_a_file_that_is_wrong_nobody_comes_in(login: LoginSettings, text: str | None, said: str) -> None:
    if text is None:
        login.access_file.unlink()
    else:
        login.access_file.write_text(text, encoding="utf-8")

    with pytest.raises(AccessFileError, match=said):
        actor_of(ANA, login, NOW)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_the_table_says(role: str) -> None:
    actor = Actor("x", role)  # type: ignore[arg-type]
    for right, roles in MAY.items():
        assert actor.may(right) == (role in roles)
        if role not in roles:
            with pytest.raises(CounterfoilError, match=f"the role {role} may not"):
                actor.check(right)


def test_the_local_operator_sees_and_may_all() -> None:
    one = local_operator("ana")

    assert all(one.may(right) for right in MAY)
    assert one.sees(None)
    assert (
        Actor("x", "admin", frozenset({"acme"})).sees("acme"),
        Actor("x", "admin", frozenset({"acme"})).sees(None),
    ) == (
        True,
        False,
    )
