"""The settings of delivery: what is wrong is refused and named, and no secret shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from delivery.secret import tls
from delivery.sinks.kinds import open_sink
from schemas.errors import SettingsError
from schemas.secret import secret_of
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

WEBHOOK = {"kind": "webhook", "url": "https://siem.example.com/hook"}
EMAIL = {
    "kind": "email",
    "host": "mail.example.com",
    "sender": "a@example.com",
    "recipients": ["b@example.com"],
}


@pytest.mark.parametrize(
    "sink",
    [
        WEBHOOK | {"url": "http://siem.example.com/hook"},
        WEBHOOK | {"url": "https://user:password@siem.example.com/"},
        WEBHOOK | {"url": "https://siem.example.com/a b"},
        WEBHOOK | {"timeout": "2h"},
        EMAIL | {"sender": "a@example.com\r\nBcc: c@example.com"},
        EMAIL | {"recipients": ["b@example.com>\nX: y"]},
        EMAIL | {"recipients": []},
        EMAIL | {"tls": "none"},
        {"kind": "kafka", "bootstrap_servers": ["localhost:9092"], "topic": "a/b"},
        {"kind": "syslog", "host": "localhost", "structured_data_id": 'x" y@1'},
        {"kind": "pigeon"},
        {"kind": "stdout", "colour": "red"},
    ],
)
def test_a_sink_that_is_wrong_is_refused(sink: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"delivery\.sinks"):
        Settings.model_validate({"delivery": {"sinks": {"siem": sink}}})


def test_a_route_to_nowhere_and_a_name_that_no_variable_can_have_are_refused() -> None:
    with pytest.raises(ValueError, match="names the sink 'sime'; known are: siem"):
        Settings.model_validate({"delivery": {"sinks": {"siem": WEBHOOK}, "routes": [{"sinks": ["sime"]}]}})
    with pytest.raises(ValueError, match="'My-SIEM' is no name"):
        Settings.model_validate({"delivery": {"sinks": {"My-SIEM": WEBHOOK}}})


def test_secrets_come_from_the_environment_and_show_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "counterfoil.toml"
    file.write_text(
        '[delivery.sinks.siem]\nkind = "webhook"\nurl = "https://siem.example.com/hook/t0ken"\n'
        '[delivery.sinks.chat]\nkind = "slack"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("COUNTERFOIL_DELIVERY__SINKS__SIEM__SECRET", "geheim")
    monkeypatch.setenv("COUNTERFOIL_DELIVERY__SINKS__CHAT__URL", "https://chat.example.com/t0ken")
    settings = load_settings(file)
    siem: Any = settings.delivery.sinks["siem"]

    assert secret_of(siem.secret, None, "key") == "geheim"
    assert "geheim" not in repr(settings)
    assert "t0ken" not in repr(settings)


def test_a_secret_that_is_missing_empty_or_broken_is_named(tmp_path: Path) -> None:
    settings = Settings.model_validate({"delivery": {"sinks": {"chat": {"kind": "slack"}}}}).delivery.sinks[
        "chat"
    ]
    with pytest.raises(SettingsError, match="COUNTERFOIL_DELIVERY__SINKS__CHAT__URL"):
        open_sink("chat", settings, dict, lambda: pytest.fail("no time is needed"))
    for content in (b"", b"two\nlines", b"\xff"):
        (tmp_path / "secret").write_bytes(content)
        with pytest.raises(SettingsError, match=r"key"):
            secret_of(None, tmp_path / "secret", "key")
    with pytest.raises(SettingsError, match="nowhere"):
        secret_of(None, tmp_path / "nowhere", "key")


def test_a_certificate_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing", encoding="utf-8")
    wrong = tmp_path / "ca.pem"
    for file, *own in ((wrong,), (tmp_path / "nowhere.pem",), (None, wrong), (None, None, wrong)):
        with pytest.raises(SettingsError, match=r"delivery\.sinks\.siem\.(ca|certificate|key)_file"):
            tls(file, "delivery.sinks.siem", *own)
