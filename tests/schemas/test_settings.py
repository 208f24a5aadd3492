"""The settings: what a file and the environment may say, and what is said about a wrong one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schemas.errors import SettingsError
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "correct-horse-battery"  # noqa: S105 - what must not be seen again


def complaint(file: Path | None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_a_file_the_defaults_hold() -> None:
    assert load_settings() == Settings()


def test_the_file_of_the_working_folder_is_read() -> None:
    Path("counterfoil.toml").write_text('[kafka]\ngroup_id = "soc"\n', encoding="utf-8")

    assert load_settings().kafka.group_id == "soc"


def test_the_named_file_wins_over_the_one_of_the_environment(
    settings_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[kafka]\ngroup_id = "other"\n', encoding="utf-8")
    monkeypatch.setenv("COUNTERFOIL_CONFIG", str(other))

    assert load_settings().kafka.group_id == "other"
    assert load_settings(settings_file('[kafka]\ngroup_id = "named"\n')).kafka.group_id == "named"


def test_the_environment_wins_over_the_file_key_by_key(
    settings_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings_file('[kafka]\ngroup_id = "file"\nclient_id = "file"\n')
    monkeypatch.setenv("COUNTERFOIL_KAFKA__GROUP_ID", "environment")
    monkeypatch.setenv("COUNTERFOIL_KAFKA__ORCHESTRATION_TOPICS", '["a", "b"]')
    monkeypatch.setenv("COUNTERFOIL_CORRELATE__SETTLE", "90s")

    settings = load_settings(file)

    assert settings.kafka.group_id == "environment"
    assert settings.kafka.client_id == "file"
    assert settings.kafka.orchestration_topics == ["a", "b"]
    assert settings.correlate.settle == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"500ms"', timedelta(milliseconds=500)),
        ('"30s"', timedelta(seconds=30)),
        ('"15 min"', timedelta(minutes=15)),
        ('"1.5h"', timedelta(minutes=90)),
        ('"90d"', timedelta(days=90)),
        ("20", timedelta(seconds=20)),
    ],
)
def test_a_duration_is_a_number_with_a_unit(
    written: str, meant: timedelta, settings_file: Callable[[str], Path]
) -> None:
    assert load_settings(settings_file(f"[correlate]\nsettle = {written}\n")).correlate.settle == meant


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ('[kafka]\ngroupid = "soc"\n', "kafka.groupid", "there is no such setting"),
        ('[kafak]\ngroup_id = "soc"\n', "kafak", "there is no such setting"),
        ("[dashboard]\nport = 70000\n", "dashboard.port", "65535"),
        ("[ingest]\nbatch_rows = 0\n", "ingest.batch_rows", "greater than or equal to 1"),
        ('[ingest]\nkeep_raw = "perhaps"\n', "ingest.keep_raw", "boolean"),
        ('[ingest]\nbatch_bytes = "much"\n', "ingest.batch_bytes", "byte"),
        ('[kafka]\nbootstrap_servers = "localhost:9092"\n', "kafka.bootstrap_servers", "list"),
        ('[kafka]\nstart = "now"\n', "kafka.start", "'earliest', 'latest', or a time"),
        ('[correlate]\nskew = "five seconds"\n', "correlate.skew", "'10m'"),
        ("[[mapping.principals]]\npattern = '(?P<agent>['\n", "mapping.principals.0.pattern", "regular"),
        ("[[mapping.principals]]\npattern = 'agent'\n", "mapping.principals.0.pattern", "(?P<agent>...)"),
        ("[mapping]\nrefused_outputs = ['(']\n", "mapping.refused_outputs", "regular expression"),
        ("[mapping.tools.mail]\nsensitivity = 5\n", "mapping.tools.mail.sensitivity", "equal to 4"),
        ("[mapping.tools.mail]\nlabels = ['secret']\n", "mapping.tools.mail.labels.0", "'private_data'"),
        ('[rules.07]\nlevel = "awful"\n', "rules.07.level", "'critical'"),
        ("[lake]\nurl = 3\n", "lake.url", "string"),
        ('kafka = "localhost"\n', "kafka", "dictionary"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_wrong(
    text: str, key: str, says: str, settings_file: Callable[[str], Path]
) -> None:
    message = complaint(settings_file(text))

    assert f": {key}: " in message
    assert says in message


def test_every_wrong_setting_is_told_at_once(settings_file: Callable[[str], Path]) -> None:
    message = complaint(settings_file('[kafka]\nstart = "now"\n[dashboard]\nport = -1\n'))

    assert "kafka.start: " in message
    assert "dashboard.port: " in message


def test_a_wrong_setting_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_KAFKA__GROUPID", "soc")
    monkeypatch.setenv("COUNTERFOIL_INGEST__BATCH_ROWS", "many")

    message = complaint(None)

    assert "kafka.groupid: there is no such setting" in message
    assert "ingest.batch_rows: " in message


def test_a_list_of_the_environment_that_is_not_json_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_KAFKA__BOOTSTRAP_SERVERS", "localhost:9092")

    assert "kafka" in complaint(None)


def test_a_missing_file_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    message = complaint(tmp_path / "nowhere.toml")

    assert "nowhere.toml" in message
    assert "--config" in message


def test_broken_toml_is_told_with_file_and_line(settings_file: Callable[[str], Path]) -> None:
    message = complaint(settings_file('[kafka]\ngroup_id = "soc\n'))

    assert "settings.toml" in message
    assert "line 2" in message


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(b"\xff\xfe\x00[kafka]")

    assert "settings.toml" in complaint(file)


@pytest.mark.parametrize(
    "text",
    [
        f'[kafka]\npassword = ["{SECRET}"]\n',
        f'[kafka]\nusername = {{ password = "{SECRET}" }}\n',
        f'[kafka]\npasswort = "{SECRET}"\n',
        f'[kafka]\npassword_file = ["{SECRET}"]\n',
        f'[kafka]\nsecurity_protocol = "{SECRET}"\n',
        f'[kafka]\npassword = "{SECRET}\n',
        f'[lake]\nstorage_options = "{SECRET}"\n',
        f'[correlate]\nskew = "{SECRET}"\n',
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(text: str, settings_file: Callable[[str], Path]) -> None:
    assert SECRET not in complaint(settings_file(text))


@pytest.mark.parametrize("name", ["COUNTERFOIL_KAFKA", "COUNTERFOIL_LAKE__STORAGE_OPTIONS"])
def test_a_secret_of_the_environment_is_not_repeated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)

    assert SECRET not in complaint(None)


def test_the_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_KAFKA__PASSWORD", SECRET)

    settings = load_settings()

    assert settings.kafka.password is not None
    assert settings.kafka.password.get_secret_value() == SECRET
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_settings_cannot_be_changed_once_they_are_read() -> None:
    settings = load_settings()

    with pytest.raises(ValueError, match="frozen"):
        settings.kafka.group_id = "other"  # type: ignore[misc]
