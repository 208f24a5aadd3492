"""A secret that the settings name: given itself, or in a file of its own. It is never part of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr


def secret_of(
    value: SecretStr | None, file: Path | None, key: str, *, only_ascii: bool = False
) -> str | None:
    """The secret, given or from its file; None where there is neither. SettingsError names `key`."""
    if value is not None:
        found = value.get_secret_value()
    elif file is None:
        return None
    else:
        try:
            found = file.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError as error:
            raise SettingsError(f"{key}_file: {file} is not text in UTF-8") from error
        except OSError as error:
            raise SettingsError(f"{key}_file: {file} cannot be read: {error.strerror}") from error
    if not found or not found.isprintable() or (only_ascii and not found.isascii()):
        other = " or a character outside ASCII" if only_ascii else ""
        raise SettingsError(
            f"{key} is empty or holds a line break{other}: check it, or the file that it is read from"
        )
    return found
